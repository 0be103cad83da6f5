"""What was opened of sealed content, in the memory of this process alone: it saves opening it again."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

LIMIT = 64 * 1024 * 1024
"""Bytes that are kept at most, unless somebody says otherwise."""
SECONDS = 600.0
"""What is forgotten elsewhere does not stay in memory because nobody asks any more."""


class Sized(Protocol):
    """Something that knows about how many bytes it takes."""

    @property
    def size(self) -> int: ...


K = TypeVar("K", bound=Hashable)
V = TypeVar("V", bound=Sized)


@dataclass(kw_only=True)
class _Kept(Generic[K, V]):
    """What is kept of one owner, its bytes, and when it was last asked about."""

    entries: Mapping[K, V]
    size: int
    used: float


class Opened(Generic[K, V]):
    """What was opened of each owner, up to ``limit`` bytes in all; who was not asked about for the longest
    time goes first, and whoever was not for ``seconds``. Any thread may call.

    It decides nothing: what is still there, and whether its key is, says the database at every read.
    """

    def __init__(
        self, limit: int = LIMIT, *, seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._seconds = seconds
        self._clock = clock
        self._held: OrderedDict[Hashable, _Kept[K, V]] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """About how many bytes are kept."""
        return self._size

    def of(self, whose: Hashable) -> Mapping[K, V]:
        """What is kept of an owner. It does not change: ``keep`` puts another in its place."""
        with self._lock:
            now = self._clock()
            while self._held and now - next(iter(self._held.values())).used > self._seconds:
                self._remove(next(iter(self._held)))
            kept = self._held.get(whose)
            if kept is None:
                return MappingProxyType({})
            kept.used = now
            self._held.move_to_end(whose)
            return kept.entries

    def keep(self, whose: Hashable, entries: Mapping[K, V]) -> None:
        """Keep these of an owner and no others; the first of them, if they are too many."""
        kept: dict[K, V] = {}
        total = 0
        for key, entry in entries.items():
            if total + entry.size > self._limit:
                break
            total += entry.size
            kept[key] = entry
        with self._lock:
            self._remove(whose)
            while self._size + total > self._limit:
                self._remove(next(iter(self._held)))
            if kept:
                self._held[whose] = _Kept(entries=kept, size=total, used=self._clock())
                self._size += total

    def drop(self, whose: Hashable) -> None:
        """Keep nothing of an owner."""
        with self._lock:
            self._remove(whose)

    def _remove(self, whose: Hashable) -> None:
        kept = self._held.pop(whose, None)
        self._size -= 0 if kept is None else kept.size
