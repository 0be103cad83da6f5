"""Circuit breaker: closed, open, half-open (M. Nygard, Release It!). Pure: time comes in as seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from pilotman.guardrails.errors import ConfigurationError

CircuitState: TypeAlias = Literal["closed", "open", "half_open"]
_SLOTS = 12


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """Settings: opens at ``failure_rate`` over ``window`` seconds once ``min_calls`` were seen, or after
    ``consecutive_failures`` in a row (None: the rate alone counts). ``cool_down``: seconds of rest.

    By default what fails every other time stays closed: retries still get most answers from it, a rest none.
    """

    failure_rate: float = 0.8
    min_calls: int = 20
    consecutive_failures: int | None = None
    window: float = 60.0
    cool_down: float = 60.0

    def __post_init__(self) -> None:
        counts = (self.min_calls, 1 if self.consecutive_failures is None else self.consecutive_failures)
        if not 0 < self.failure_rate <= 1 or min(counts) < 1 or min(self.window, self.cool_down) <= 0:
            raise ConfigurationError(
                "a breaker needs 0 < failure_rate <= 1, min_calls and consecutive_failures of 1 or more, "
                "window and cool_down above zero"
            )

    def narrow(self, other: Breaker) -> Breaker:
        """The more careful of both, setting by setting: it opens for less, and for longer."""
        rows = [n for n in (self.consecutive_failures, other.consecutive_failures) if n is not None]
        return Breaker(
            failure_rate=min(self.failure_rate, other.failure_rate),
            min_calls=min(self.min_calls, other.min_calls),
            consecutive_failures=min(rows, default=None),
            window=max(self.window, other.window),
            cool_down=max(self.cool_down, other.cool_down),
        )


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """The state of one dependency's breaker. Every method returns the next state.

    ``calls``: since when, how many passed and how many failed, in slots of at least a twelfth of the window,
    the oldest first. ``row``: failures since the last call that passed. They are facts: callers with other
    settings may go on with them.
    """

    breaker: Breaker
    calls: tuple[tuple[float, int, int], ...] = ()
    row: int = 0
    opened_at: float | None = None
    probed_at: float | None = None

    def state(self, now: float) -> CircuitState:
        if self.opened_at is None:
            return "closed"
        return "half_open" if now >= self.opened_at + self.breaker.cool_down else "open"

    def admit(self, now: float) -> Circuit | None:
        """The state after letting a call pass, or None: not now.

        Half-open lets one probe through, and another one if nothing was heard of it for a ``cool_down``.
        """
        match self.state(now):
            case "closed":
                return self
            case "open":
                return None
            case "half_open":
                waiting = self.probed_at is not None and now < self.probed_at + self.breaker.cool_down
                return None if waiting else replace(self, probed_at=now)

    def record(self, *, ok: bool, now: float) -> Circuit:
        """The state after a call's end."""
        if self.opened_at is not None:
            if self.probed_at is None:  # the late end of a call from before
                return self
            return Circuit(breaker=self.breaker, opened_at=None if ok else now)
        calls, row = self._with(ok=ok, now=now), 0 if ok else self.row + 1
        if not ok and self._is_too_much(calls, row):
            return Circuit(breaker=self.breaker, opened_at=now)
        return Circuit(breaker=self.breaker, calls=calls, row=row)

    def _with(self, *, ok: bool, now: float) -> tuple[tuple[float, int, int], ...]:
        """The calls of the window with one more."""
        window, calls = self.breaker.window, self.calls
        if calls and calls[0][0] <= now - window:
            calls = tuple(slot for slot in calls if slot[0] > now - window)
        if calls and now < calls[-1][0] + window / _SLOTS:
            since, passed, failed = calls[-1]
            return (*calls[:-1], (since, passed + ok, failed + (not ok)))
        return (*calls, (now, int(ok), int(not ok)))

    def _is_too_much(self, calls: tuple[tuple[float, int, int], ...], row: int) -> bool:
        most = self.breaker.consecutive_failures
        if most is not None and row >= most:
            return True
        failures = sum(slot[2] for slot in calls)
        seen = failures + sum(slot[1] for slot in calls)
        return seen >= self.breaker.min_calls and failures / seen >= self.breaker.failure_rate
