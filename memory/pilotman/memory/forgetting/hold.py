"""Legal holds: what must be kept, whoever wants it forgotten and whatever time is over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pilotman.memory.facts.origin import RUN, is_within
from pilotman.memory.selector import Selector


@dataclass(frozen=True, kw_only=True)
class Thing:
    """Something that is kept, as far as a selector can tell it apart. ``sources``: all that it came from or
    stands on, as facts name their supports."""

    user: str | None = None
    sources: frozenset[str] = frozenset()
    run_id: str | None = None
    fact_id: str | None = None
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Keeps all that ``what`` selects in ``tenant``, from ``placed_at`` until somebody releases it."""

    hold_id: str
    tenant: str
    what: Selector
    reason: str
    placed_by: str
    placed_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None

    def covers(self, thing: Thing) -> bool:
        """Whether the thing has to stay. What the hold names and the thing does not have is not covered."""
        return self.released_at is None and selects(self.what, thing)


def selects(selector: Selector, thing: Thing) -> bool:
    """Whether a selector means this thing: all that it names has to fit. An empty one means nothing."""
    return (
        not selector.is_empty
        and selector.user in (None, thing.user)
        and (selector.run_id in (None, thing.run_id) or f"{RUN}{selector.run_id}" in thing.sources)
        and selector.fact_id in (None, thing.fact_id)
        and (selector.before is None or thing.at < selector.before)
        and (selector.source is None or any(is_within(source, selector.source) for source in thing.sources))
    )
