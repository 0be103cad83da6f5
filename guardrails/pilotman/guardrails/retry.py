"""Which failures are tried again, and when."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Literal, TypeAlias

from pilotman.guardrails.errors import ConfigurationError

FailureKind: TypeAlias = Literal[
    "timeout",
    "rate_limit",
    "transient",
    "validation",
    "authorization",
    "conflict",
    "duplicate",
    "unknown_outcome",
    "permanent",
]

RETRYABLE: frozenset[FailureKind] = frozenset({"timeout", "rate_limit", "transient"})


BURST_SECONDS, BURST = 10.0, 10.0
"""An allowance holds the retries of so many seconds, and at least so many."""


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Settings as data. Delays are milliseconds; the last one doubles when attempts outnumber them.

    ``budget_share`` and ``budget_per_second`` bound what all callers of one dependency retry together:
    that share of its calls, and so many a second besides (Google SRE, "Handling Overload"; the numbers are
    Finagle's).
    """

    max_attempts: int = 4
    backoff_ms: tuple[int, ...] = (200, 400, 800)
    retry_on: frozenset[FailureKind] = RETRYABLE
    do_not_retry_on: frozenset[FailureKind] = frozenset()
    budget_share: float = 0.2
    budget_per_second: float = 10.0

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or any(delay < 0 for delay in self.backoff_ms):
            raise ConfigurationError("a retry needs at least one attempt and delays of zero or more")
        if not (0 <= self.budget_share <= 1 and 0 <= self.budget_per_second < inf):
            raise ConfigurationError(
                "a retry needs a budget_share from 0 to 1 and a budget_per_second of zero or more"
            )

    def allows(self, kind: FailureKind, *, attempt: int) -> bool:
        """Whether attempt number ``attempt`` (from 1), having failed so, may be followed by another."""
        return attempt < self.max_attempts and kind in self.retry_on - self.do_not_retry_on

    def delay(self, attempt: int, *, jitter: float = 0.0) -> float:
        """Seconds to wait after ``attempt`` (from 1); ``jitter`` in [0, 1) adds up to half of it."""
        if not self.backoff_ms:
            return 0.0
        index = attempt - 1
        beyond = max(0, index - len(self.backoff_ms) + 1)
        base = float(self.backoff_ms[min(index, len(self.backoff_ms) - 1)]) * 2.0**beyond
        return base * (1 + jitter / 2) / 1000

    def narrow(self, other: Retry) -> Retry:
        """The more careful of both, setting by setting: fewer attempts, longer delays, fewer reasons."""
        return Retry(
            max_attempts=min(self.max_attempts, other.max_attempts),
            backoff_ms=max(self.backoff_ms, other.backoff_ms),
            retry_on=self.retry_on & other.retry_on,
            do_not_retry_on=self.do_not_retry_on | other.do_not_retry_on,
            budget_share=min(self.budget_share, other.budget_share),
            budget_per_second=min(self.budget_per_second, other.budget_per_second),
        )


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """How many retries one dependency's callers have left together: a token bucket, full at first.

    Every call and every second add to it, a retry takes one. ``at`` is when it was last looked at, seconds.
    """

    at: float
    tokens: float = inf

    def take(self, retry: Retry, *, calls: int, now: float) -> Allowance | None:
        """What is left after one retry, or None: there is none to take. ``calls``: those since ``at``."""
        most = max(BURST, retry.budget_per_second * BURST_SECONDS)
        earned = retry.budget_share * calls + retry.budget_per_second * max(0.0, now - self.at)
        tokens = min(most, self.tokens + earned)
        return Allowance(at=now, tokens=tokens - 1) if tokens >= 1 else None
