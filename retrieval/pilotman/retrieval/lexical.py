"""BM25 over lists of terms (Robertson and Zaragoza, 2009), by the library bm25s."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]

_REPEATED = 0.5
"""Weight of a query term's further occurrences: an alert's description repeats its summary."""


class Lexical:
    """An immutable BM25 index (Lucene's variant, k1 = 1.5, b = 0.75) of rows of terms."""

    def __init__(self, rows: Sequence[Sequence[str]]) -> None:
        self._count = len(rows)
        self._bm25: Any = None
        if any(rows):
            bm25s: Any = importlib.import_module("bm25s")  # has no types
            self._bm25 = bm25s.BM25(k1=1.5, b=0.75, method="lucene", backend="numpy", auto_compile=False)
            self._bm25.index([list(row) for row in rows], show_progress=False)

    def scores(self, query: Sequence[str]) -> Scores:
        """The score of every row, shape ``(rows,)``, zero where no term of the query occurs."""
        if self._bm25 is None or not query:
            return np.zeros(self._count, dtype=np.float32)
        once = self._of(list(dict.fromkeys(query)))
        return np.asarray(_REPEATED * self._of(list(query)) + (1 - _REPEATED) * once, dtype=np.float32)

    def _of(self, query: list[str]) -> Scores:
        return np.asarray(self._bm25.get_scores(query), dtype=np.float32)
