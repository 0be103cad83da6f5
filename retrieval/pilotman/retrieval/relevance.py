"""Scores as LangChain's relevance, in [0, 1]. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable

from pilotman.retrieval.config import Metric


def relevance_of(metric: Metric) -> Callable[[float], float]:
    """A function that keeps the order: a cosine as it is, from 0 up; the logistic of an inner product."""
    return _of_cosine if metric == "cosine" else _of_product


def _of_cosine(cosine: float) -> float:
    return min(1.0, max(0.0, cosine))


def _of_product(product: float) -> float:
    return 0.5 + 0.5 * math.tanh(product / 2)
