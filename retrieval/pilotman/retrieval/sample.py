"""A search by vector that is checked against exact search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.objective import Check, Setting
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.allowed import Allowed, cut

_TIE = 1e-5
"""Difference of scores below which a row is as near as another."""

SourceOf: TypeAlias = Callable[[int], str]
"""The class of a row by its source, such as ``source:books``; empty where it has none."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What was asked of ``index``, and the rows that it found in ``seconds``.

    ``vector`` has shape ``(1, dimensions)``; ``count``: rows that there were; ``of``: the class of the query.
    """

    index: VectorIndex
    vector: Vectors
    k: int
    allowed: Allowed
    of: str
    source_of: SourceOf | None
    count: int
    setting: Setting
    found: Rows
    seconds: float

    def check(self) -> Check:
        """How it fared; the source of the nearest row is a class of its own."""
        source = self._source()
        return Check(
            of=self.of,
            recall=self._recall(),
            milliseconds=self.seconds * 1e3,
            also=(source,) if source else (),
        )

    def _recall(self) -> float:
        """The share of the true nearest that was found, of what may be found now; 1 where nothing may."""
        index, found = self.index, self.found[self.found >= 0]
        gone = 0
        mine = np.zeros(0, dtype=np.float32)
        if len(found):
            scores = index.exact(self.vector, len(found), Allowed.of(found))[1][0]
            mine = scores[np.isfinite(scores)]
            gone = len(found) - len(mine)
        depth = self.k - gone
        if depth < 1:
            return 1.0
        allowed = self.allowed
        if index.count != self.count:  # rows whose vectors came after the search
            allowed = Allowed(cut(allowed.bits, self.count))
        best = index.exact(self.vector, depth, allowed)[1][0]
        best = best[np.isfinite(best)]
        if not len(best):
            return 1.0
        near = mine >= best[-1] - _TIE * max(1.0, abs(float(best[-1])))
        return min(1.0, float(np.count_nonzero(near)) / len(best))

    def _source(self) -> str:
        """Of the nearest row; empty where it has none."""
        if self.source_of is None:
            return ""
        nearest = int(self.index.exact(self.vector, 1, self.allowed)[0][0, 0])
        return self.source_of(nearest) if nearest >= 0 else ""
