"""Rows that may be found."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.arrays import Rows

Bitmap: TypeAlias = npt.NDArray[np.uint8]
"""A bit a row, little-endian in each byte: row ``r`` is bit ``r % 8`` of byte ``r // 8``."""

Scores: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Allowed:
    """A set of rows, as a bitmap that nobody changes any more; rows past its end are not in it.

    Give the same object to many searches: what they derive from it (counts, rows, selectors) is kept
    as long as the object lives.

    Raises:
        InvalidRequest: ``bits`` is not one dimension of bytes.
    """

    bits: Bitmap

    def __post_init__(self) -> None:
        given: Any = self.bits
        if not isinstance(given, np.ndarray) or given.dtype != np.uint8 or given.ndim != 1:
            raise InvalidRequest("allowed rows come as a bitmap", hint="one dimension of np.uint8")

    @classmethod
    def of(cls, rows: npt.ArrayLike) -> Allowed:
        """These rows.

        Raises:
            InvalidRequest: a row is negative.
        """
        listed = np.asarray(rows, dtype=np.int64).reshape(-1)
        if not len(listed):
            return cls(np.zeros(0, dtype=np.uint8))
        if listed.min() < 0:
            raise InvalidRequest("there are no rows below 0")
        marks = np.zeros(int(listed.max()) + 1, dtype=bool)
        marks[listed] = True
        return cls(np.packbits(marks, bitorder="little"))

    @cached_property
    def count(self) -> int:
        """How many rows these are."""
        return int.from_bytes(self.bits.tobytes(), "little").bit_count()

    @cached_property
    def rows(self) -> Rows:
        """The rows, ascending."""
        return np.flatnonzero(unpacked(self.bits)).astype(np.int64, copy=False)


def unpacked(bits: Bitmap) -> npt.NDArray[np.bool_]:
    """A truth value a bit."""
    return np.unpackbits(bits, bitorder="little").view(np.bool_)


def cut(bits: Bitmap, count: int) -> Bitmap:
    """The first ``count`` rows of a bitmap, ``ceil(count / 8)`` bytes; what it does not reach is 0."""
    size = (count + 7) // 8
    if len(bits) == size and not count % 8:
        return bits
    sized = np.zeros(size, dtype=np.uint8)
    sized[: min(size, len(bits))] = bits[:size]
    if count % 8:
        sized[-1] &= (1 << count % 8) - 1
    return sized
