"""Exact inner products by FAISS."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_CANDIDATES = 2_000
"""Rows that are told apart; the rest counts as no better than the last of them."""


class Dense:
    """An immutable flat index of unit vectors, shape ``(rows, dimensions)``."""

    def __init__(self, vectors: Vectors) -> None:
        self._faiss: Any = importlib.import_module("faiss")  # has no complete types
        self._index = self._faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(vectors)

    def scores(self, query: Vectors, rows: Rows) -> Vectors:
        """The cosine of ``query`` (a unit vector) with each of ``rows``, shape ``(len(rows),)``.

        Only these rows are looked at: what is not allowed neither shows nor displaces anything.
        """
        allowed = np.zeros(self._index.ntotal, dtype=bool)
        allowed[rows] = True
        bits = np.packbits(allowed, bitorder="little")
        self._faiss.omp_set_num_threads(1)  # of this thread: the search is too small to share
        selector = self._faiss.SearchParameters(sel=self._faiss.IDSelectorBitmap(bits))
        count = min(len(rows), _CANDIDATES)
        cosines, found = self._index.search(query[np.newaxis, :], count, params=selector)
        everywhere = np.full(self._index.ntotal, cosines[0, -1], dtype=np.float32)
        everywhere[found[0]] = cosines[0]
        return everywhere[rows]


def unit(vectors: npt.NDArray[np.floating[Any]]) -> Vectors:
    """The vectors, each of length one; a vector of zeros stays."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)
