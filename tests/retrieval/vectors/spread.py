"""Vectors in clusters, small enough for a test, and what must be found among them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pilotman.retrieval.arrays import Vectors
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.vectors import VectorIndex

SIZE = 16
TRAINED = IndexConfig(exact_below=1_000, nlist=16, nprobe=8, k_factor=16, threads=1)
"""Small enough to be trained in a moment."""


def clustered(count: int, seed: int = 0) -> Vectors:
    """Unit vectors around twenty centres, shape ``(count, SIZE)``."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(7).standard_normal((20, SIZE))
    vectors = centres[random.integers(0, 20, count)] + 0.6 * random.standard_normal((count, SIZE))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def alike(count: int, seed: int = 0) -> Vectors:
    """Unit vectors so near to each other that codes of 8 bits cannot tell them apart."""
    vectors = np.ones((1, SIZE)) + 1e-4 * np.random.default_rng(seed).standard_normal((count, SIZE))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def best(vectors: Vectors, query: Any, k: int, allowed: npt.NDArray[np.bool_]) -> list[int]:
    """The rows of the largest inner products, by brute force."""
    scores = np.where(allowed, vectors @ np.asarray(query, dtype=np.float32), -np.inf)
    ranked = np.argsort(-scores, kind="stable")[:k]
    return [int(row) for row in ranked if allowed[row]]


def recall(found: Any, truth: Any) -> float:
    """The share of what should be found that is, shapes ``(n, k)``."""
    hits = [len(set(one) & set(other) - {-1}) for one, other in zip(found, truth, strict=True)]
    wanted = int((np.asarray(truth) >= 0).sum())
    return sum(hits) / wanted if wanted else 1.0


def unfound(index: VectorIndex, vectors: Vectors, rows: npt.ArrayLike) -> set[int]:
    """Those of ``rows`` that the search by their own vector does not find."""
    listed = np.asarray(rows)
    found = index.search(vectors, 5, k_factor=50)[0]
    return {int(row) for row in listed[~(found == listed[:, None]).any(axis=1)]}
