"""Circuit breaker: closed, open, half-open (M. Nygard, Release It!). Pure: time comes in as seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from pilotman.guardrails.errors import ConfigurationError

CircuitState: TypeAlias = Literal["closed", "open", "half_open"]
_SLOTS = 12


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """Settings: opens at ``failure_rate`` over ``window`` seconds once ``min_calls`` were seen."""

    failure_rate: float = 0.5
    min_calls: int = 5
    window: float = 60.0
    cool_down: float = 60.0

    def __post_init__(self) -> None:
        if not 0 < self.failure_rate <= 1 or self.min_calls < 1 or min(self.window, self.cool_down) <= 0:
            raise ConfigurationError(
                "a breaker needs 0 < failure_rate <= 1, min_calls >= 1, window and cool_down above zero"
            )


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """The state of one dependency's breaker. Every method returns the next state.

    ``calls``: how many passed and failed in each twelfth of the window, by its number, the oldest first.
    """

    breaker: Breaker
    calls: tuple[tuple[int, int, int], ...] = ()
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
        slot = int(now // (self.breaker.window / _SLOTS))
        earlier = [c for c in self.calls if slot - _SLOTS < c[0] < slot]
        passed, failed = next((c[1:] for c in self.calls if c[0] == slot), (0, 0))
        recent = (*earlier, (slot, passed + ok, failed + (not ok)))
        failures = sum(c[2] for c in recent)
        seen = failures + sum(c[1] for c in recent)
        if seen >= self.breaker.min_calls and failures / seen >= self.breaker.failure_rate:
            return Circuit(breaker=self.breaker, opened_at=now)
        return Circuit(breaker=self.breaker, calls=recent)
