"""Maximal marginal relevance (Carbonell and Goldstein, 1998). Pure."""

from __future__ import annotations

import numpy as np

from pilotman.retrieval.arrays import Vectors, unit


def chosen(query: Vectors, vectors: Vectors, k: int, relevance: float) -> list[int]:
    """The positions of ``k`` vectors that are near the query and far from each other, in the order chosen.

    ``query`` has shape ``(dimensions,)``, ``vectors`` ``(candidates, dimensions)``. Each next one is the best
    by ``relevance`` x its cosine to the query - (1 - ``relevance``) x its highest cosine to those chosen.
    """
    candidates = unit(vectors)
    near = candidates @ unit(query)
    closest = np.full(len(candidates), -np.inf, dtype=np.float32)
    picked: list[int] = []
    while len(picked) < min(k, len(candidates)):
        scores = relevance * near - (1 - relevance) * (closest if picked else np.zeros_like(closest))
        scores[picked] = -np.inf
        picked.append(int(np.argmax(scores)))
        closest = np.maximum(closest, candidates @ candidates[picked[-1]])
    return picked
