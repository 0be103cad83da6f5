"""One source kept fresh: when it was listed, how it failed, when it is due."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from pilotman.guardrails.errors import PilotmanError, Unavailable
from pilotman.retrieval.source import Source
from pilotman.retrieval.sources.reconciler import Outcome, Reconciler
from pilotman.retrieval.sources.schedule import wait
from pilotman.retrieval.sources.status import SourceStatus
from pilotman.retrieval.turn import Turn

When: TypeAlias = Literal["now", "stale", "scheduled"]

_REMEMBERED = timedelta(days=1)
"""How long a loss of many documents is told."""


class Upkeep:
    """A source with its state. ``key`` names it in the stock; ``jitter`` gives numbers in [0, 1)."""

    def __init__(
        self,
        source: Source,
        key: str,
        reconciler: Reconciler,
        *,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        self.source = source
        self.key = key
        self.outcome: Outcome | None = None
        self.error: PilotmanError | None = None
        self._reconciler = reconciler
        self._clock = clock
        self._jitter = jitter
        self._turn = Turn()
        self._began = 0
        self._listed_at: datetime | None = None
        self._failures = 0
        self._next_at: datetime | None = None
        self._loss: tuple[datetime, str] | None = None

    @property
    def listed(self) -> bool:
        """Whether it has been listed at all."""
        return self.outcome is not None

    def wait(self) -> float:
        """Seconds until its next listing ought to begin; none before the first."""
        return 0.0 if self._next_at is None else max(0.0, (self._next_at - self._clock()).total_seconds())

    def is_due(self) -> bool:
        """Whether a search has to wait for a listing: the objective is past, and it may be asked again."""
        if self._listed_at is None:
            return True
        is_stale = self._clock() - self._listed_at > self.source.max_staleness
        return is_stale and not (self._failures and self.wait())

    async def bring_up(self, when: When) -> None:
        """One pass, unless another began after this was called. A failure is kept in ``error``.

        ``stale``: only if a search has to wait for it; ``scheduled``: only if it ought to begin by now.
        """
        before = self._began
        async with self._turn:
            needed = when == "now" or (self.is_due() if when == "stale" else not self.wait())
            if self._began > before or not needed:
                return
            self._began += 1
            try:
                outcome = await self._reconciler.run(self.source, self.key)
            except PilotmanError as error:
                self._failed(error)
            except Exception as error:  # of the stock, not of the source: whoever waits is to see it
                self._failed(Unavailable(f"{self.source.name} could not be kept: {type(error).__name__}"))
                raise
            else:
                self._succeeded(outcome)

    def _succeeded(self, outcome: Outcome) -> None:
        self.outcome = outcome
        if outcome.changes.lost:
            at = outcome.listed_at
            self._loss = at, f"{self.source.name}: {outcome.changes.lost}, at {at:%Y-%m-%d %H:%M} UTC"
        if outcome.error is not None:
            self._listed_at = self._listed_at or outcome.listed_at
            self._failed(outcome.error)
            return
        self.error, self._failures, self._listed_at = None, 0, outcome.listed_at
        now = self._clock()
        rest = now + (now - outcome.listed_at)  # as long as it took: a slow one is not read all the time
        self._next_at = max(rest, outcome.listed_at + wait(self.source.max_staleness, jitter=self._jitter()))

    def _failed(self, error: PilotmanError) -> None:
        self.error = error
        self._failures += 1
        self._next_at = self._clock() + wait(
            self.source.max_staleness,
            failures=self._failures,
            retry_after=getattr(error, "retry_after", None),
            jitter=self._jitter(),
        )

    def status(self) -> SourceStatus:
        """Its row for a report."""
        return SourceStatus(
            source=self.source.name,
            documents=0 if self.outcome is None else self.outcome.documents,
            listed_at=self._listed_at,
            staleness=None if self._listed_at is None else self._clock() - self._listed_at,
            objective=self.source.max_staleness,
            failures=self._failures,
            error="" if self.error is None else str(self.error),
        )

    def caveats(self) -> tuple[str, ...]:
        """What an answer that rests on it has to add."""
        if self.outcome is None:
            why = f": {self.error}" if self.error is not None else ""
            return (f"{self.source.name} has not been read yet{why}",) if self._began else ()
        caveats = list(self.outcome.caveats)
        if self._loss is not None and self._clock() - self._loss[0] < _REMEMBERED:
            caveats.append(self._loss[1])
        status = self.status()
        if self.error is not None:
            caveats.append(f"{self.error}; the documents are served as they were before")
        if status.staleness is not None and not status.fresh:
            caveats.append(
                f"{self.source.name} was last listed {_told(status.staleness)} ago,"
                f" its objective is {_told(status.objective)}"
            )
        return tuple(caveats)


def keys_of(sources: Sequence[Source]) -> tuple[str, ...]:
    """A key for each source: its name, with a number where others before have the same."""
    found: list[str] = []
    for source in sources:
        numbered = (source.name if n == 1 else f"{source.name}#{n}" for n in itertools.count(1))
        found.append(next(key for key in numbered if key not in found))
    return tuple(found)


def _told(age: timedelta) -> str:
    """A length of time in its largest unit or two."""
    left = int(age.total_seconds())
    told: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, left = divmod(left, size)
        if number:
            told.append(f"{number} {unit}")
    return " ".join(told[:2]) or "0 s"
