"""What came out, as rows: shown on a terminal (rich) and in a notebook."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np
from rich.table import Table

COLUMNS = (
    "variant",
    "what it was",
    "phantoms",
    "cross-tenant",
    "forbidden in tenant",
    "outdated",
    "staleness p50 / p95 / max, s",
    "withheld",
    "queries short",
)


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """Results that ought not to have been served, counted one by one.

    ``phantoms`` were deleted, ``outdated`` are of an older revision, ``cross_tenant`` belong to other
    tenants, ``forbidden`` to others of the same tenant. ``ages``: for how many seconds each had been wrong,
    ascending, without those that were never right.
    """

    phantoms: int
    outdated: int
    cross_tenant: int
    forbidden: int
    ages: tuple[int, ...]

    @property
    def total(self) -> int:
        """All of them; a result may be wrong in two ways."""
        return self.phantoms + self.outdated + self.cross_tenant + self.forbidden

    def staleness(self, percentile: float) -> float:
        """Seconds that so many of a hundred stale results had been wrong at most; 0 where there are none."""
        return float(np.percentile(self.ages, percentile)) if self.ages else 0.0


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant. ``told``: wrong by a change that a store can be told of; ``untold``: where it cannot.

    ``served`` results came by all ways of asking: ``pilotman`` is asked in two. Only the search by vector
    counts for what follows. ``expected`` results would have been right, ``withheld`` of them were not served:
    over-blocking, and what wrong results, or an approximate search, displaced. ``short`` queries got fewer
    results than there are.
    """

    variant: str
    queries: int
    served: int
    told: Wrong
    untold: Wrong
    expected: int
    withheld: int
    short: int

    @property
    def over_blocking(self) -> float:
        """The share of right results that were withheld; 1 less it is the recall."""
        return self.withheld / self.expected if self.expected else 0.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """A row for each variant. ``interval``: seconds after which a source is read anew at the latest."""

    rows: tuple[Row, ...]
    title: str
    interval: int

    def row(self, variant: str) -> Row:
        """The row of a variant.

        Raises:
            KeyError: there is none of this name.
        """
        for row in self.rows:
            if row.variant == variant:
                return row
        raise KeyError(variant)

    def _cells(self) -> Iterator[tuple[str, ...]]:
        for row in self.rows:
            for name, wrong in (("told", row.told), ("not told", row.untold)):
                first = name == "told"
                yield (
                    row.variant if first else "",
                    name,
                    f"{wrong.phantoms:,}",
                    f"{wrong.cross_tenant:,}",
                    f"{wrong.forbidden:,}",
                    f"{wrong.outdated:,}",
                    " / ".join(f"{wrong.staleness(each):,.0f}" for each in (50, 95, 100)),
                    f"{row.over_blocking:.1%}" if first else "",
                    f"{row.short / row.queries:.1%}" if first else "",
                )

    def __rich__(self) -> Table:
        table = Table(title=self.title)
        for name in COLUMNS:
            table.add_column(name, justify="left" if name in COLUMNS[:2] else "right")
        for cells in self._cells():
            table.add_row(*cells, end_section=cells[1] != "told")
        return table

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
        lines = ("".join(f"<td>{escape(cell)}</td>" for cell in cells) for cells in self._cells())
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<table><caption>{escape(self.title)}</caption><tr>{head}</tr>{body}</table>"
