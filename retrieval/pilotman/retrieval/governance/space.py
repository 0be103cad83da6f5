"""Where passages and queries lie: seeded, clustered vectors, made without any model."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from langchain_core.embeddings import Embeddings

from pilotman.retrieval.arrays import Vectors, unit

_PASSAGE = re.compile(r"passage (\d+) revision (\d+)")
_NAME = re.compile(r"passage \d+")
_QUERY = re.compile(r"query (\d+) about (\d+)/(\d+)")
_SPREAD, _NEAR = 0.8, 0.4
"""Of a passage around its topic, and of a query around the passage that it is about: a share of length."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A passage that was served, in the revision that was served."""

    passage: int
    revision: int

    @classmethod
    def of(cls, text: str) -> Hit:
        """From its text."""
        found = _PASSAGE.search(text)
        assert found is not None, f"no passage: {text!r}"
        return cls(passage=int(found[1]), revision=int(found[2]))


class Space(Embeddings):
    """The embedding of all variants: a text says which passage it is, or which query.

    ``first``: the vectors of the first revisions, shape ``(passages, dimensions)``, unit length.
    """

    def __init__(self, *, passages: int, topics: int, dimensions: int, seed: int) -> None:
        chance = np.random.default_rng(seed)
        self.topics = chance.integers(topics, size=passages)
        self._centres = unit(chance.standard_normal((topics, dimensions)))
        noise = unit(chance.standard_normal((passages, dimensions)))
        self.first: Vectors = unit(self._centres[self.topics] + _SPREAD * noise)
        self._dimensions = dimensions
        self._seed = seed

    def text(self, passage: int, revision: int) -> str:
        """What stands in it."""
        return f"topic{self.topics[passage]}: passage {passage} revision {revision}"

    def query(self, number: int, about: Hit) -> str:
        """A question that is near to a passage as it is or was."""
        return f"topic{self.topics[about.passage]} query {number} about {about.passage}/{about.revision}"

    def vector(self, passage: int, revision: int) -> Vectors:
        """Shape ``(dimensions,)``."""
        if revision == 1:
            first: Vectors = self.first[passage]
            return first
        return unit(self._centres[self.topics[passage]] + _SPREAD * self._noise(1, passage, revision))

    def embed_query(self, text: str) -> list[float]:
        found: list[float] = self.embedded(text).tolist()
        return found

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embedded(self, text: str) -> Vectors:
        """The vector of any text; the name of a passage says nothing, so it is zero."""
        if found := _PASSAGE.search(text):
            return self.vector(int(found[1]), int(found[2]))
        if found := _QUERY.search(text):
            number, passage, revision = (int(part) for part in found.groups())
            return unit(self.vector(passage, revision) + _NEAR * self._noise(2, number))
        if _NAME.fullmatch(text):
            return np.zeros(self._dimensions, dtype=np.float32)
        return self._noise(3, zlib.crc32(text.encode()))

    def _noise(self, *key: int) -> Vectors:
        chance = np.random.default_rng([self._seed, *key])
        return unit(chance.standard_normal(self._dimensions))


def nearest(vectors: Vectors, query: Vectors, k: int, among: npt.NDArray[np.bool_]) -> list[int]:
    """The rows of the ``k`` nearest by inner product among those marked, best first, by looking at each."""
    rows = np.flatnonzero(among)
    scores = vectors[rows] @ query if len(rows) < len(vectors) // 4 else (vectors @ query)[rows]
    best = np.argpartition(-scores, k)[:k] if len(rows) > k else np.arange(len(rows))
    best = best[np.argsort(-scores[best])]
    return [int(row) for row in rows[best]]
