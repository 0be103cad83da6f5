"""What one search sees: a state of the index that later changes leave alone."""

from __future__ import annotations

import threading
import weakref
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.vectors.allowed import Allowed, Bitmap, cut, unpacked
from pilotman.retrieval.vectors.plan import planned
from pilotman.retrieval.vectors.scan import selector
from pilotman.retrieval.vectors.trained import Trained

_MANY = 0.05
"""Share of allowed rows from which on most clusters hold one, and finding out costs milliseconds."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """The raw vectors of all rows, a bit for each that is not found any more, how many were erased, and the
    trained index of the first rows, if there is one."""

    vectors: Vectors
    dead: Bitmap
    deaths: int = 0
    trained: Trained | None = None

    @property
    def count(self) -> int:
        """Rows ever appended."""
        return len(self.vectors)

    @property
    def fresh(self) -> int:
        """The first row that the trained index does not know."""
        return 0 if self.trained is None else self.trained.rows

    @cached_property
    def _some_dead(self) -> bool:
        return bool(self.dead.any())

    @cached_property
    def living(self) -> Within | None:
        """Every row that is alive; None where that is every row."""
        if not self._some_dead:
            return None
        return self.within(Allowed(np.full((self.count + 7) // 8, 255, dtype=np.uint8)))

    def within(self, allowed: Allowed) -> Within:
        """What is left of ``allowed``."""
        bits = cut(allowed.bits, self.count)
        return Within(alive=Allowed(bits & ~self.dead if self._some_dead else bits), trained=self.trained)

    def later(self, vectors: Vectors, died: Rows) -> View:
        """The state after rows were appended and some have died."""
        dead = cut(self.dead, len(vectors))
        return replace(self, vectors=vectors, dead=dead, deaths=self.deaths + len(died)).without(died)

    def without(self, rows: Rows) -> View:
        """The state in which ``rows`` are not found."""
        if not len(rows):
            return self
        dead = self.dead.copy()
        np.bitwise_or.at(dead, rows // 8, (1 << rows % 8).astype(np.uint8))
        return replace(self, dead=dead)

    def is_dead(self, rows: Rows) -> Any:
        """A truth value a row."""
        return self.dead[rows // 8] >> (rows % 8).astype(np.uint8) & 1 != 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Within:
    """The rows that a search may find: allowed, committed and alive; and how ``trained`` finds them."""

    alive: Allowed
    trained: Trained | None
    _plans: dict[int, int] = field(default_factory=dict[int, int], init=False, repr=False)
    _hows: dict[tuple[int, float], Any] = field(
        default_factory=dict[tuple[int, float], Any], init=False, repr=False
    )

    @cached_property
    def by_bit(self) -> Any:
        """A selector that looks each row up."""
        return selector(bits=self.alive.bits)

    @cached_property
    def by_row(self) -> Any:
        """A selector that walks along the rows."""
        return selector(rows=self.alive.rows)

    @cached_property
    def by_fresh_bit(self) -> Any:
        """A selector for the rows that the trained index does not know, counted from there."""
        return selector(bits=self.alive.bits[self._known // 8 :])

    @property
    def _known(self) -> int:
        return 0 if self.trained is None else self.trained.rows

    @cached_property
    def _by_cell(self) -> Any:
        return None if self._cells is None else selector(bits=Allowed.of(self._cells).bits)

    @cached_property
    def inside(self) -> int:
        """How many of the rows the trained index knows."""
        return Allowed(self.alive.bits[: self._known // 8]).count

    @cached_property
    def fresh(self) -> int:
        """How many of the rows it does not know."""
        return self.alive.count - self.inside

    def plan(self, nprobe: int) -> int:
        """How many clusters to probe where ``nprobe`` would do without a filter; 0: look at each row."""
        plan = self._plans.get(nprobe)
        if plan is None:
            plan = self._plans[nprobe] = self._planned(nprobe)
        return plan

    def how(self, *, nprobe: int, k_factor: float) -> Any:
        """How to search the trained index, as it takes it."""
        how = self._hows.get((nprobe, k_factor))
        if how is None:
            trained: Any = self.trained
            how = trained.how(nprobe=nprobe, k_factor=k_factor, rows=self.by_bit, cells=self._by_cell)
            self._hows[nprobe, k_factor] = how
        return how

    def _planned(self, nprobe: int) -> int:
        trained = self.trained
        if trained is None:
            return 0
        cells = self._cells
        clusters = trained.nlist if cells is None else len(cells)
        among = trained.held if cells is None else int(trained.sizes[cells].sum())
        return planned(
            allowed=self.inside,
            among=among,
            held=trained.held,
            clusters=clusters,
            nlist=trained.nlist,
            nprobe=nprobe,
        )

    @cached_property
    def _cells(self) -> Rows | None:
        """The clusters that hold one of the rows; None where nearly all do."""
        trained = self.trained
        if trained is None or self.inside > _MANY * trained.held:
            return None
        cells = trained.cells[unpacked(self.alive.bits[: self._known // 8])]
        return np.flatnonzero(np.bincount(cells[cells >= 0], minlength=trained.nlist))


class Narrowed:
    """What searches derived from each ``Allowed`` for the present view, as long as both live."""

    def __init__(self) -> None:
        self._kept: weakref.WeakKeyDictionary[Allowed, Within] = weakref.WeakKeyDictionary()
        self._view: View | None = None
        self._lock = threading.Lock()

    def of(self, allowed: Allowed, view: View) -> Within:
        """What is left of ``allowed`` in ``view``."""
        with self._lock:
            if self._view is not view:  # what the former holds in memory must not live on in here
                self._kept.clear()
                self._view = view
            within = self._kept.get(allowed)
        if within is None:
            within = view.within(allowed)
            with self._lock:
                if self._view is view:
                    self._kept[allowed] = within
        return within

    @property
    def resident(self) -> int:
        """Bytes of the bitmaps and the lists of rows that were made of them."""
        with self._lock:
            kept = [within.alive for within in self._kept.values()]
        lists = [each.rows.nbytes for each in kept if "rows" in vars(each)]
        return sum(each.bits.nbytes for each in kept) + sum(lists)
