"""What callers hand in, checked."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.arrays import Vectors

N = TypeVar("N", int, float)

_UNIT = 1e-5
"""How far from 1 the square of the length of a unit vector may be, in single precision."""


def fitting(given: npt.ArrayLike, dimensions: int, *, unit: bool) -> Vectors:
    """Vectors in single precision, contiguous, shape ``(n, dimensions)``; with ``unit`` of length one.

    Raises:
        InvalidRequest: another shape, or a number that is not finite (in single precision).
    """
    vectors = _single(given)
    if vectors.ndim != 2 or vectors.shape[1] != dimensions:
        raise InvalidRequest(
            f"vectors of shape {vectors.shape} do not fit an index of {dimensions} dimensions",
            hint=f"give an array of shape (n, {dimensions}), made by the same embedding model",
        )
    if len(vectors) == 1 and _is_unit(vectors[0]):
        return vectors  # what most models give: nothing to do, soonest done
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    if not np.isfinite(lengths).all():
        raise InvalidRequest("a vector holds NaN or an infinity", hint="the embedding failed: embed again")
    if not unit:
        return vectors
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def at_least_one(name: str, value: N) -> N:
    """``value``.

    Raises:
        InvalidRequest: it is less than 1.
    """
    if not value >= 1:
        raise InvalidRequest(f"{name}={value} is not possible", hint="ask for 1 or more")
    return value


def _single(given: npt.ArrayLike) -> Vectors:
    """In single precision, contiguous; what does not fit becomes an infinity."""
    if isinstance(given, np.ndarray) and given.dtype == np.float32 and given.flags.c_contiguous:
        usual: Vectors = given  # pyright: ignore[reportUnknownVariableType]
        return usual
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(given, dtype=np.float32)


def _is_unit(vector: Vectors) -> bool:
    return abs(float(np.vdot(vector, vector)) - 1) < _UNIT  # unlike dot it does not warn of an overflow
