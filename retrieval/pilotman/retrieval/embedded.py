"""Texts to unit vectors: each text is embedded once, and remembered on disk where a folder is given."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zlib
from collections.abc import Iterable, Set
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

from pilotman.guardrails.errors import PilotmanError
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.dense import Vectors, unit

FILE = "vectors.npy"
_BATCH = 128
_OTHERS = 20_000
"""Rows of other corpora that stay in a shared file."""

_SAME = 1e-3
"""Largest difference of a coordinate between two vectors of one text by one model."""

# Texts that have nothing to do with each other: how near a model puts them is its zero of closeness, and
# their vectors tell whether a cache was made by the same model.
PROBES = (
    "The choir rehearses a cantata on Thursday evening.",
    "Potatoes grow best in loose, sandy soil.",
    "The glacier lost eleven metres of its length.",
    "An umpire sees to the rules of cricket.",
    "Copper conducts heat better than iron does.",
    "Her grandmother kept letters in a tin box.",
)


class EmbeddingFailed(Exception):
    """The embedding raised, or gave something else than finite vectors of one length."""


class Embedded:
    """The unit vectors of texts, computed off the event loop in batches.

    With a ``folder`` they are kept in one file there (a plain array: key, checksum, vector). A file that is
    damaged, foreign or of another model is ignored and replaced; one that cannot be written is a caveat.
    """

    def __init__(self, embedding: Embeddings, folder: Path | None = None) -> None:
        self._embedding = embedding
        self._file = None if folder is None else folder / FILE
        self._known: dict[bytes, Vectors] = {}
        self.background = 0.0
        self.caveats: tuple[str, ...] = ()

    async def prepare(self, texts: Iterable[str]) -> None:
        """Have the vectors of ``texts``, and of nothing else, at hand; write down what had to be computed.

        Raises:
            EmbeddingFailed: see there.
        """
        if not self._known:
            await self._begin()
        wanted = {_key(text): text for text in (*PROBES, *texts)}
        if wanted.keys() - self._known.keys():
            kept = await off_loop(self._read)
            self._known.update({key: kept[key] for key in wanted.keys() & kept.keys() - self._known.keys()})
        missing = [text for key, text in wanted.items() if key not in self._known]
        for start in range(0, len(missing), _BATCH):
            await self._learn(missing[start : start + _BATCH])
        gone = self._known.keys() - wanted.keys()
        self._known = {key: self._known[key] for key in wanted}
        if missing or gone:
            await off_loop(self._write, gone)

    def of(self, texts: Iterable[str]) -> Vectors:
        """The vectors of texts that were prepared, shape ``(texts, dimensions)``."""
        return np.stack([self._known[_key(text)] for text in texts])

    async def query(self, text: str) -> Vectors:
        """The unit vector of a query, shape ``(dimensions,)``.

        Raises:
            EmbeddingFailed: see there.
        """
        vector = await off_loop(_embedded, self._embedding.embed_query, text)
        size = self.of(PROBES).shape[1]
        if vector.shape != (size,):
            raise EmbeddingFailed(
                f"the embedding gave a query of shape {vector.shape} for documents of {size}"
            )
        return unit(vector)

    def closeness(self, cosine: float) -> float:
        """A cosine in [0, 1], where 0 is as near as this model puts texts that have nothing in common."""
        return min(1.0, max(0.0, (cosine - self.background) / (1 - self.background)))

    async def _begin(self) -> None:
        await self._learn(list(PROBES))
        probes = self.of(PROBES)
        apart = ~np.eye(len(PROBES), dtype=bool)
        self.background = float(np.clip((probes @ probes.T)[apart].mean(), 0.0, 0.95))

    async def _learn(self, texts: list[str]) -> None:
        vectors = await off_loop(_embedded, self._embedding.embed_documents, texts)
        sizes = {vector.shape[0] for vector in self._known.values()} or {
            vectors.shape[-1] if vectors.ndim else 0
        }
        if vectors.ndim != 2 or len(vectors) != len(texts) or vectors.shape[1] not in sizes - {0}:
            expected = (len(texts), *sizes)
            raise EmbeddingFailed(f"the embedding gave an array of shape {vectors.shape}, not {expected}")
        self._known.update(zip(map(_key, texts), unit(vectors), strict=True))

    def _read(self) -> dict[bytes, Vectors]:
        """What the file holds, if it is intact and its probes are where this model puts them."""
        if self._file is None:
            return {}
        try:
            rows: npt.NDArray[Any] = np.load(self._file, allow_pickle=False)
            vectors = np.ascontiguousarray(rows["vector"], dtype=np.float32)
            sums = np.array([zlib.crc32(vector.tobytes()) for vector in vectors], dtype=np.uint32)
            if not np.array_equal(rows["check"], sums) or not np.isfinite(vectors).all():
                return {}
            kept = {bytes(key): vector for key, vector in zip(rows["key"], vectors, strict=True)}
        except Exception:  # a damaged or foreign file: numpy raises whatever it stumbles over
            return {}
        return kept if all(_same(kept.get(key), self._known[key]) for key in map(_key, PROBES)) else {}

    def _write(self, gone: Set[bytes]) -> None:
        """Write what is known, beside the rows of other corpora; what is gone leaves the file too."""
        if self._file is None:
            return
        others = {key: vector for key, vector in self._read().items() if key not in gone}
        kept = dict(islice(others.items(), _OTHERS)) | self._known
        vectors = np.stack(list(kept.values()))
        shape = [("key", "u1", (32,)), ("check", "<u4"), ("vector", "<f4", (vectors.shape[1],))]
        rows = np.zeros(len(vectors), dtype=shape)
        rows["key"] = [np.frombuffer(key, dtype=np.uint8) for key in kept]
        rows["check"] = [zlib.crc32(vector.tobytes()) for vector in vectors]
        rows["vector"] = vectors
        try:
            _replace(self._file, rows)
            self.caveats = ()
        except OSError as error:
            self.caveats = (f"the embeddings could not be kept in {self._file.parent}: {error.strerror}",)


def _replace(file: Path, rows: npt.NDArray[Any]) -> None:
    """Write aside, then rename: a reader sees the old file or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as aside:
            np.save(aside, rows, allow_pickle=False)
            aside.flush()
            os.fsync(aside.fileno())
        Path(name).replace(file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _embedded(work: Any, what: str | list[str]) -> Vectors:
    """The vectors that an embedding gives, or its failure in one line."""
    try:
        vectors = np.asarray(work(what), dtype=np.float32)
    except PilotmanError:
        raise
    except Exception as error:  # a user's embedding may raise anything
        why = (str(error).strip() or "no reason given").splitlines()[0]
        raise EmbeddingFailed(f"the embedding failed: {type(error).__name__}: {why}") from error
    if not np.isfinite(vectors).all():
        raise EmbeddingFailed("the embedding gave a vector that is not finite")
    return vectors


def _same(one: Vectors | None, other: Vectors) -> bool:
    return one is not None and one.shape == other.shape and bool(np.abs(one - other).max() < _SAME)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
