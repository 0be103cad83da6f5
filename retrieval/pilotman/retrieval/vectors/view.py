"""What one search sees: a state of the index that later changes leave alone."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pilotman.retrieval.dense import Rows, Vectors
from pilotman.retrieval.vectors.allowed import Allowed, Bitmap, cut
from pilotman.retrieval.vectors.scan import selector


@dataclass(frozen=True, kw_only=True, eq=False)
class Within:
    """The rows that a search may find: allowed, committed and alive, as of ``deaths``."""

    alive: Allowed
    count: int
    deaths: int

    @cached_property
    def by_bit(self) -> Any:
        """A selector that looks each row up."""
        return selector(bits=self.alive.bits)

    @cached_property
    def by_row(self) -> Any:
        """A selector that walks along the rows."""
        return selector(rows=self.alive.rows)

    def after(self, first: int) -> Any:
        """A selector for the rows from ``first`` on (a multiple of 8), counted from there."""
        return selector(bits=self.alive.bits[first // 8 :])


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """The raw vectors of all rows, a bit for each dead one, and how many deaths that are."""

    vectors: Vectors
    dead: Bitmap
    deaths: int

    @property
    def count(self) -> int:
        """Rows ever appended."""
        return len(self.vectors)

    @cached_property
    def living(self) -> Within | None:
        """Every row that is alive; None where that is every row."""
        if not self.deaths:
            return None
        whole = np.full((self.count + 7) // 8, 255, dtype=np.uint8)
        return self.within(Allowed(whole))

    def within(self, allowed: Allowed) -> Within:
        """What is left of ``allowed``."""
        bits = cut(allowed.bits, self.count)
        if self.deaths:
            bits = bits & ~self.dead
        return Within(alive=Allowed(bits), count=self.count, deaths=self.deaths)

    def later(self, vectors: Vectors, died: Rows) -> View:
        """The state after rows were appended and some have died."""
        dead = cut(self.dead, len(vectors))
        if len(died):
            dead = dead.copy() if dead is self.dead else dead
            np.bitwise_or.at(dead, died // 8, (1 << died % 8).astype(np.uint8))
        return View(vectors=vectors, dead=dead, deaths=self.deaths + len(died))

    def is_dead(self, rows: Rows) -> Any:
        """A truth value a row."""
        return self.dead[rows // 8] >> (rows % 8).astype(np.uint8) & 1 != 0


class Narrowed:
    """What searches derived from each ``Allowed``, as long as that lives."""

    def __init__(self) -> None:
        self._kept: weakref.WeakKeyDictionary[Allowed, Within] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, allowed: Allowed, view: View) -> Within:
        """What is left of ``allowed`` in ``view``."""
        with self._lock:
            within = self._kept.get(allowed)
        if within is None or (within.count, within.deaths) != (view.count, view.deaths):
            within = view.within(allowed)
            with self._lock:
                self._kept[allowed] = within
        return within

    @property
    def resident(self) -> int:
        """Bytes of the bitmaps and the lists of rows that were made of them."""
        with self._lock:
            kept = [within.alive for within in self._kept.values()]
        lists = [each.rows.nbytes for each in kept if "rows" in vars(each)]
        return sum(each.bits.nbytes for each in kept) + sum(lists)
