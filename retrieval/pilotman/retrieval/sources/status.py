"""How fresh a source is, as it is reported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, kw_only=True)
class SourceStatus:
    """One row of ``Corpus.status()``: a source, how many documents are held, and how old its listing is.

    ``listed_at`` is when its last listing that went through began (UTC); None and no ``staleness`` before the
    first. ``objective`` is its ``max_staleness``. ``error`` is why the last try failed, ``failures`` how many
    did in a row.
    """

    source: str
    documents: int
    listed_at: datetime | None
    staleness: timedelta | None
    objective: timedelta
    failures: int = 0
    error: str = ""

    @property
    def fresh(self) -> bool:
        """Whether the objective is met."""
        return self.staleness is not None and self.staleness <= self.objective

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; times in seconds."""
        return {
            "source": self.source,
            "documents": self.documents,
            "listed_at": None if self.listed_at is None else self.listed_at.isoformat(),
            "staleness_s": None if self.staleness is None else self.staleness.total_seconds(),
            "objective_s": self.objective.total_seconds(),
            "fresh": self.fresh,
            "failures": self.failures,
            "error": self.error,
        }
