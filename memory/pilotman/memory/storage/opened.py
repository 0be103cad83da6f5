"""What was opened of sealed content, in the memory of this process alone: it saves opening it again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

LIMIT = 64 * 1024 * 1024
"""Bytes that are kept at most, unless somebody says otherwise."""


class Sized(Protocol):
    """Something that knows about how many bytes it takes."""

    @property
    def size(self) -> int: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Sized)


class Opened(Generic[K, V]):
    """What was opened of each owner, up to ``limit`` bytes in all; who was not asked about for the longest
    time goes first. Any thread may call.

    It decides nothing: what is still there, and whether its key is, says the database at every read.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._held: OrderedDict[Hashable, tuple[Mapping[K, V], int]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """About how many bytes are kept."""
        return sum(size for _, size in self._held.values())

    def of(self, whose: Hashable) -> Mapping[K, V]:
        """What is kept of an owner. It does not change: ``keep`` puts another in its place."""
        with self._lock:
            if whose not in self._held:
                return MappingProxyType({})
            self._held.move_to_end(whose)
            return self._held[whose][0]

    def keep(self, whose: Hashable, entries: Mapping[K, V]) -> None:
        """Keep these of an owner and no others; the first of them, if they are too many."""
        kept: dict[K, V] = {}
        total = 0
        for key, entry in entries.items():
            total += entry.size
            if total > self._limit:
                total -= entry.size
                break
            kept[key] = entry
        with self._lock:
            self._held.pop(whose, None)
            if kept:
                self._held[whose] = kept, total
            left = self._limit - self.size
            while left < 0:
                left += self._held.popitem(last=False)[1][1]

    def drop(self, whose: Hashable) -> None:
        """Keep nothing of an owner."""
        with self._lock:
            self._held.pop(whose, None)
