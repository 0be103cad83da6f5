"""Which rows who may find: arrays in memory, and bitmaps that follow every change."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from pilotman.retrieval.arrays import Rows
from pilotman.retrieval.vectors.allowed import Allowed, Bitmap

BUDGET = 16 * 2**20
"""Bytes of bitmaps that are kept: 134 at a million rows, 13,000 at ten thousand."""

_PRINCIPALS = 10_000
_DEAD = 0
"""The set of readers of what is deleted, or was never there."""
_SMALLEST = 1_024
_PENDING = 256

Mask = npt.NDArray[np.bool_]
Times = npt.NDArray[np.float64]


@dataclass
class _View:
    """The rows of certain sets of readers.

    ``allowed`` may be in use, so a change makes another, when it is asked for: ``changed`` has the rows.
    """

    permitted: Mask
    allowed: Allowed
    changed: list[Rows] = field(default_factory=list[Rows])


class Visibility:
    """A set of readers and an expiry a row, 12 bytes; rows that nothing was said of are dead.

    With ``drop_stale`` what is past its expiry is as good as dead. Not thread-safe: the catalogue's lock.
    """

    def __init__(self, *, drop_stale: bool, budget: int = BUDGET) -> None:
        self._drop_stale = drop_stale
        self._budget = budget
        self._sets = np.zeros(_SMALLEST, dtype=np.int32)
        self._expiry = np.full(_SMALLEST, np.inf, dtype=np.float64)
        self._size = 0
        self._readers: dict[int, frozenset[str]] = {}
        self._by_tag: dict[str, set[int]] = {}
        self._keys: dict[frozenset[str], frozenset[int]] = {}
        self._views: OrderedDict[frozenset[int], _View] = OrderedDict()
        self.next_expiry = np.inf

    @property
    def readers(self) -> Mapping[int, frozenset[str]]:
        """The sets of readers by number."""
        return self._readers

    @property
    def size(self) -> int:
        """Rows that something was said of: the highest, and one."""
        return self._size

    def memory(self) -> int:
        """Bytes of the arrays and bitmaps."""
        views = sum(view.allowed.bits.nbytes for view in self._views.values())
        return self._sets.nbytes + self._expiry.nbytes + views

    def learn(self, sets: Iterable[tuple[int, frozenset[str]]]) -> None:
        """New sets of readers. What a principal may read is looked up again."""
        for number, readers in sets:
            self._readers[number] = readers
            for tag in readers:
                self._by_tag.setdefault(tag, set()).add(number)
        self._keys.clear()

    def apply(self, rows: Rows, sets: npt.NDArray[np.int32], expiry: Times, now: float) -> None:
        """What now holds for ``rows``; a set of 0 is a deletion. Flips bits, builds nothing anew."""
        if not len(rows):
            return
        self._reserve(int(rows.max()) + 1)
        self._sets[rows] = sets
        self._expiry[rows] = expiry
        if self._drop_stale:
            self.next_expiry = min(
                self.next_expiry, float(np.min(expiry, initial=np.inf, where=expiry > now))
            )
        self._change(rows)

    def expire(self, now: float) -> None:
        """Take out what is past its expiry at ``now``; a walk over all rows when something is due."""
        if now < self.next_expiry:
            return
        known = self._expiry[: self._size]
        self._change(np.flatnonzero(known <= now))
        self.next_expiry = float(np.min(known, initial=np.inf, where=known > now))

    def allowed(self, tags: frozenset[str], now: float) -> Allowed:
        """The rows that a reader with ``tags`` may find. The same object until something changes."""
        key = self._key(tags)
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self._built(key, now)
            while len(self._views) > 1 and self._spent() > self._budget:
                self._views.popitem(last=False)
        self._views.move_to_end(key)
        if view.changed:
            rows = np.unique(np.concatenate(view.changed))
            view.allowed, view.changed = self._flipped(view, rows, now), []
        return view.allowed

    def _key(self, tags: frozenset[str]) -> frozenset[int]:
        key = self._keys.get(tags)
        if key is None:
            if len(self._keys) >= _PRINCIPALS:
                self._keys.clear()
            found = (self._by_tag.get(tag, ()) for tag in tags)
            key = self._keys[tags] = frozenset(number for numbers in found for number in numbers)
        return key

    def _built(self, key: frozenset[int], now: float) -> _View:
        permitted = np.zeros(max(key, default=_DEAD) + 2, dtype=np.bool_)
        permitted[list(key)] = True
        view = _View(permitted=permitted, allowed=Allowed(np.zeros(0, dtype=np.uint8)))
        view.allowed = Allowed(np.packbits(self._findable(view, slice(self._size), now), bitorder="little"))
        return view

    def _change(self, rows: Rows) -> None:
        for view in self._views.values():
            view.changed.append(rows)
            if len(view.changed) > _PENDING:  # nobody asks for it
                view.changed = [np.unique(np.concatenate(view.changed))]

    def _findable(self, view: _View, rows: Rows | slice, now: float) -> Mask:
        """Which of the rows the view's readers may find."""
        # A set that came after the view is beyond its end, where nothing is permitted.
        findable: Mask = view.permitted.take(self._sets[rows], mode="clip")
        return findable & (self._expiry[rows] > now) if self._drop_stale else findable

    def _flipped(self, view: _View, rows: Rows, now: float) -> Allowed:
        """The view's bitmap with the bits of ``rows`` as they have to be now."""
        values = self._findable(view, rows, now)
        bits: Bitmap = np.zeros((self._size + 7) // 8, dtype=np.uint8)
        bits[: len(view.allowed.bits)] = view.allowed.bits
        masks = np.left_shift(1, rows & 7).astype(np.uint8)
        np.bitwise_or.at(bits, rows[values] >> 3, masks[values])
        np.bitwise_and.at(bits, rows[~values] >> 3, ~masks[~values])
        return Allowed(bits)

    def _spent(self) -> int:
        return len(self._views) * ((self._size + 7) // 8)

    def _reserve(self, size: int) -> None:
        if size > len(self._sets):
            room = max(size, len(self._sets) * 5 // 4)
            for name, rest in (("_sets", _DEAD), ("_expiry", np.inf)):
                old = getattr(self, name)
                grown = np.full(room, rest, dtype=old.dtype)
                grown[: len(old)] = old
                setattr(self, name, grown)
        self._size = max(self._size, size)
