"""Bitmaps of the rows whose metadata meets a filter."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pilotman.retrieval.arrays import Rows
from pilotman.retrieval.catalogue.entry import GOVERNED, Record
from pilotman.retrieval.catalogue.filter import Condition, condition_of, key_of, keys_of
from pilotman.retrieval.vectors.allowed import Allowed, Bitmap

_KEPT = 64
_PENDING = 256
_AT_ONCE = 2_000
"""Rows whose metadata is read at a time; others search in between."""

ReadMetadata = Callable[[Sequence[int], bool], Iterable[tuple[int, Mapping[str, Any]]]]
"""The metadata at these rows of the catalogue, with what else is known of them or without."""
Read = Callable[[Sequence[int]], Iterable[Record]]
"""What stands at these rows. Both leave out what is deleted."""


@dataclass
class _Filtered:
    """The rows that meet one filter; ``pending`` have not been looked at yet."""

    condition: Condition
    governed: bool
    pending: list[Rows]
    bits: Bitmap = field(default_factory=lambda: np.zeros(0, dtype=np.uint8))
    lock: threading.Lock = field(default_factory=threading.Lock)


class Filtering:
    """A bitmap a filter, made at its first use (every row's metadata is read), then kept up to date."""

    def __init__(self, metadata: ReadMetadata, read: Read) -> None:
        self._metadata = metadata
        self._read = read
        self._kept: OrderedDict[bytes, _Filtered] = OrderedDict()
        self._narrowed: OrderedDict[tuple[Allowed, bytes], tuple[Bitmap, Allowed]] = OrderedDict()
        self._lock = threading.Lock()

    def changed(self, rows: Rows) -> None:
        """These rows were added, deleted or changed."""
        with self._lock:
            for filtered in self._kept.values():
                filtered.pending.append(rows)
                if len(filtered.pending) > _PENDING:  # nobody asks for it
                    filtered.pending = [np.unique(np.concatenate(filtered.pending))]

    def bits(self, filter: Mapping[str, Any], size: Callable[[], int]) -> Bitmap:
        """The rows that meet the filter; some that were deleted may still be among them.

        ``size``: the rows that there are, those of which ``changed`` has not told yet among them.

        Raises:
            InvalidRequest: see ``filter``.
        """
        key = key_of(filter)
        with self._lock:
            filtered = self._kept.get(key)
            if filtered is None:
                filtered = _Filtered(
                    condition=condition_of(filter),
                    governed=not GOVERNED.isdisjoint(keys_of(filter)),
                    pending=[np.arange(size())],
                )
                self._kept[key] = filtered
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
        with filtered.lock:
            with self._lock:
                pending, filtered.pending = filtered.pending, []
            if pending:
                try:
                    filtered.bits = self._looked(filtered, np.unique(np.concatenate(pending)))
                except BaseException:
                    filtered.pending += pending
                    raise
            return filtered.bits

    def narrowed(self, allowed: Allowed, filter: Mapping[str, Any], size: Callable[[], int]) -> Allowed:
        """The allowed rows that meet the filter: the same object until something changes. See ``bits``."""
        bits, key = self.bits(filter, size), (allowed, key_of(filter))
        with self._lock:
            known = self._narrowed.pop(key, None)
            if known is None or known[0] is not bits:
                length = min(len(bits), len(allowed.bits))
                known = (bits, Allowed(bits[:length] & allowed.bits[:length]))
            self._narrowed[key] = known
            if len(self._narrowed) > _KEPT:
                self._narrowed.popitem(last=False)
            return known[1]

    def meeting(self, test: Callable[[Record], bool], allowed: Allowed) -> Bitmap:
        """The allowed rows that pass ``test``, each asked now: a function's answer cannot be kept."""
        read = (self._read(part) for part in _parts(allowed.rows))
        passed = [record.row for records in read for record in records if test(record)]
        return Allowed.of(passed).bits

    def memory(self) -> int:
        """Bytes of the bitmaps."""
        with self._lock:
            kept = sum(filtered.bits.nbytes for filtered in self._kept.values())
            return kept + sum(2 * allowed.bits.nbytes for _, allowed in self._narrowed.values())

    def _looked(self, filtered: _Filtered, rows: Rows) -> Bitmap:
        marks = np.zeros(max(int(rows.max()) + 1, len(filtered.bits) * 8), dtype=np.bool_)
        marks[: len(filtered.bits) * 8] = np.unpackbits(filtered.bits, bitorder="little")
        marks[rows] = False
        read = (self._metadata(part, filtered.governed) for part in _parts(rows))
        marks[[row for found in read for row, metadata in found if filtered.condition(metadata)]] = True
        return np.packbits(marks, bitorder="little")


def _parts(rows: Rows) -> Iterator[list[int]]:
    return (rows[start : start + _AT_ONCE].tolist() for start in range(0, len(rows), _AT_ONCE))
