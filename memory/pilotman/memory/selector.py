"""What to list or to forget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pilotman.guardrails.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class Selector:
    """What to list or to forget, always inside one tenant. Fields are and-ed; empty selects nothing.

    ``source`` is that of a fact (``run:ID``, ``document:SOURCE/ID@VERSION``, …) or the beginning of one, up
    to a ``/`` or ``@``. ``before``: recorded earlier.

    Raises:
        InvalidRequest: ``before`` names no time zone, or something that is named is empty.
    """

    user: str | None = None
    source: str | None = None
    run_id: str | None = None
    fact_id: str | None = None
    before: datetime | None = None

    def __post_init__(self) -> None:
        if "" in vars(self).values():
            raise InvalidRequest("a selector names something that is empty", hint="None means any")
        if self.before is not None and self.before.tzinfo is None:
            raise InvalidRequest(f"{self.before} names no time zone", hint="such as UTC")

    @property
    def is_empty(self) -> bool:
        return all(value is None for value in vars(self).values())
