"""The vectors of a corpus: made when they can be, compared with a query's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

import numpy as np

from pilotman.guardrails.errors import ConfigurationError, InvalidRequest, PilotmanError, Unavailable
from pilotman.retrieval.arrays import Vectors, unit
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.catalogue.entry import Record
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.encoder import Encoder
from pilotman.retrieval.holdings import Holdings
from pilotman.retrieval.lexicon import name_of

T = TypeVar("T")

_BATCH = 128
"""Chunks that are embedded, and stored, at a time."""

_NAME = 0.25
"""Weight of a document's name in the vectors of its chunks."""

# Texts that have nothing to do with each other: how near a model puts them is its zero of closeness.
_APART = (
    "The choir rehearses a cantata on Thursday evening.",
    "Potatoes grow best in loose, sandy soil.",
    "The glacier lost eleven metres of its length.",
    "An umpire sees to the rules of cricket.",
    "Copper conducts heat better than iron does.",
    "Her grandmother kept letters in a tin box.",
)


Progress: TypeAlias = Callable[[int, int], None]
"""Is told how many texts have been embedded, and of how many, after each batch."""


class EmbeddingFailed(Exception):
    """The embedding raised, or gave something else than finite vectors of one length."""


class Meaning:
    """Embeds what waits for its vector, and queries; off the event loop, because most embeddings block it.

    Its methods raise ``EmbeddingFailed`` where the embedding does not work, and ``ConfigurationError`` where
    it never will. ``background`` is the cosine of texts that have nothing in common, as this model sees it.
    """

    def __init__(self, encoder: Encoder, holdings: Holdings, *, progress: Progress | None = None) -> None:
        self.background = 0.0
        self._encoder = encoder
        self._holdings = holdings
        self._model: Model | None = None
        self._progress = progress

    async def catch_up(self) -> None:
        """Give every chunk that waits its vector; those of another model are made anew."""
        done = 0
        while waiting := await off_loop(self._holdings.waiting, _BATCH):
            model = await self._begin()
            records = [record for record in waiting.values() if record is not None]
            vectors = np.zeros((len(waiting), model.dimensions), dtype=np.float32)
            if records:
                places = [place for place, record in enumerate(waiting.values()) if record is not None]
                vectors[places] = await _tried(self._of_chunks, records)
            supply = partial(self._holdings.supply, next(iter(waiting)), vectors, model=model)
            await off_loop(supply)
            done += len(waiting)
            if self._progress is not None:
                self._progress(done, done + await off_loop(self._holdings.count_waiting))

    async def query(self, text: str) -> Vectors:
        """The unit vector of a query, shape ``(dimensions,)``."""
        await self._begin()
        return unit(await _tried(self._encoder.query, text))

    def closeness(self, cosine: float) -> float:
        """A cosine in [0, 1], where 0 is as near as this model puts texts that have nothing in common."""
        return min(1.0, max(0.0, (cosine - self.background) / (1 - self.background)))

    async def _begin(self) -> Model:
        if self._model is None:
            model = await _tried(self._encoder.model)
            probes = unit(await _tried(self._documents, _APART))
            apart = ~np.eye(len(_APART), dtype=bool)
            self.background = float(np.clip((probes @ probes.T)[apart].mean(), 0.0, 0.95))
            await off_loop(_renewed, self._holdings, model)
            self._model = model
        return self._model

    def _of_chunks(self, records: Sequence[Record]) -> Vectors:
        """A unit vector for each chunk, of its text and of its document's name."""
        names = [name_of(record.metadata) for record in records]
        texts = [embedded_text(record) for record in records]
        once = list(dict.fromkeys(names))
        of_names = dict(zip(once, unit(self._documents(once)), strict=True))
        return unit(unit(self._documents(texts)) + _NAME * np.stack([of_names[name] for name in names]))

    def _documents(self, texts: Sequence[str]) -> Vectors:
        return self._encoder.documents(texts, batch_size=_BATCH)


def embedded_text(chunk: Record) -> str:
    """What a model reads of a chunk: its document's name, the innermost heading, the text."""
    head = str(chunk.metadata.get("heading", "")).rsplit(" > ", 1)[-1]
    return f"{name_of(chunk.metadata)}. {head}\n{chunk.text}"


def _renewed(holdings: Holdings, model: Model) -> None:
    """Begin the vectors anew where those that are stored are another model's."""
    try:
        holdings.check(model)
    except ConfigurationError:
        holdings.begin_vectors_anew()


async def _tried(work: Callable[..., T], *args: Any) -> T:
    """What the embedding gives, or its failure in one line."""
    try:
        return await off_loop(work, *args)
    except (Unavailable, InvalidRequest) as error:
        raise EmbeddingFailed(str(error)) from error
    except PilotmanError:
        raise
    except Exception as error:  # a user's embedding may raise anything
        why = (str(error).strip() or "no reason given").splitlines()[0]
        raise EmbeddingFailed(f"the embedding failed: {type(error).__name__}: {why}") from error
