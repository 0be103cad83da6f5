"""Exact search: every allowed row is looked at. By FAISS, on one thread, over memory that it does not own."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.vectors.allowed import Scores

NOTHING = -1
"""The row where there are fewer than ``k``; its score is -inf."""


def selector(*, bits: Any = None, rows: Any = None) -> Any:
    """What FAISS takes for a set of rows: a bitmap, which it asks, or a list, which it walks along."""
    faiss: Any = importlib.import_module("faiss")  # has no complete types
    return faiss.IDSelectorBitmap(bits) if rows is None else faiss.IDSelectorArray(rows)


def scan(queries: Vectors, vectors: Vectors, k: int, within: Any = None) -> tuple[Rows, Scores]:
    """The rows of ``vectors`` with the largest inner products, among those that ``within`` selects.

    ``vectors`` may be mapped from a file: only rows that are looked at are read.
    Shapes ``(n, k)``, best first, padded with -1 and -inf.
    """
    faiss: Any = importlib.import_module("faiss")
    count, dimensions = queries.shape
    scores = np.empty((count, k), dtype=np.float32)
    rows = np.empty((count, k), dtype=np.int64)
    if count:
        faiss.omp_set_num_threads(1)  # of this thread: others run beside it
        x, y, found, ids = map(faiss.swig_ptr, (queries, vectors, scores, rows))
        faiss.knn_inner_product(x, y, dimensions, count, len(vectors), k, found, ids, within)
        if padded(rows):
            scores[rows == NOTHING] = -np.inf
    return rows, scores


def padded(rows: Rows) -> bool:
    """Whether fewer than ``k`` rows were found for a query."""
    return bool(rows[0, -1] == NOTHING if len(rows) == 1 else (rows[:, -1] == NOTHING).any())


def merged(one: tuple[Rows, Scores], other: tuple[Rows, Scores]) -> tuple[Rows, Scores]:
    """The best ``k`` of two searches for the same queries in different rows, shapes ``(n, k)`` each."""
    rows = np.concatenate([one[0], other[0]], axis=1)
    scores = np.concatenate([one[1], other[1]], axis=1)
    best = np.argsort(-scores, axis=1, kind="stable")[:, : one[0].shape[1]]
    return np.take_along_axis(rows, best, axis=1), np.take_along_axis(scores, best, axis=1)
