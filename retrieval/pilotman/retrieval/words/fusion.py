"""Two rankings of the same documents into one. Pure.

``relative``, the default, takes the mean of the retrievers' scores, each stretched to [0, 1] between its
best document and its 30th (BM25: zero). How far one is ahead of the next then counts, which ranks alone do
not say (Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023). Measured by
``tests/bench/retrieval.py`` on thirteen collections, it is at least as good as the better retriever on each;
``reciprocal`` (reciprocal rank fusion: Cormack, Clarke and Büttcher, 2009) falls below it where one of the
two is much worse. Stretching down to the worst document instead does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Fusion: TypeAlias = Literal["relative", "reciprocal"]
Fused: TypeAlias = npt.NDArray[np.float64]

DEEP = 30
"""Documents that a retriever tells apart; between 20 and 100 the results hardly change."""

_K = 60
"""The constant of reciprocal rank fusion."""


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What one retriever says of each document: ``scores``, shape ``(documents,)``, larger is better.

    ``zero`` is the score of a document that has nothing to do with the query, where the retriever has such
    a score (BM25: 0). It is left out where it has none (cosines). A document that the retriever did not
    look at has ``-inf``.
    """

    scores: npt.NDArray[np.float32]
    zero: float | None = None


def fused(rankings: Sequence[Ranking], how: Fusion = "relative") -> Fused:
    """One score in [0, 1] for each document, shape ``(documents,)``; zero for what no retriever found."""
    each = [FUSIONS[how](ranking) for ranking in rankings]
    return np.asarray(np.mean(each, axis=0), dtype=np.float64)


def relative(ranking: Ranking) -> Fused:
    """The scores as a share of the way from the 30th best (or ``zero``) to the best."""
    return stretched(ranking.scores, *bounds(ranking))


def bounds(ranking: Ranking) -> tuple[float, float]:
    """The scores that count as nothing and as everything."""
    looked = ranking.scores[np.isfinite(ranking.scores)].astype(np.float64)
    if not len(looked):
        return 0.0, 0.0
    deep = max(len(looked) - DEEP, 0)
    low = float(np.partition(looked, deep)[deep]) if ranking.zero is None else ranking.zero
    top = float(looked.max())
    # Where a retriever without a zero cannot tell documents apart, all are its best.
    return (low, top) if top > low or ranking.zero is not None else (low - 1.0, top)


def stretched(scores: npt.NDArray[np.float32], low: float, top: float) -> Fused:
    """Scores between ``low`` and ``top`` as a share of the way; all zero where there is no way."""
    if top <= low:
        return np.zeros(len(scores))
    return np.clip((scores.astype(np.float64) - low) / (top - low), 0.0, 1.0)


def reciprocal(ranking: Ranking) -> Fused:
    """One over the rank and a constant, the first counting one; what scores ``zero`` or less has no rank.

    Equal scores have the rank of the first of them.
    """
    scores = ranking.scores.astype(np.float64)
    ordered = np.sort(-scores)
    ranks = np.searchsorted(ordered, -scores)
    found = scores > (-np.inf if ranking.zero is None else ranking.zero)
    return np.where(found, (_K + 1) / (_K + 1 + ranks), 0.0)


FUSIONS: Mapping[Fusion, Callable[[Ranking], Fused]] = MappingProxyType(
    {"relative": relative, "reciprocal": reciprocal}
)
