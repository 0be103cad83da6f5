"""Which failures are tried again, and when."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True)
class Retry:
    """Settings as data. Delays are milliseconds; the last one doubles when attempts outnumber them."""

    max_attempts: int = 3
    backoff_ms: tuple[int, ...] = (200, 800)
    retry_on: frozenset[FailureKind] = RETRYABLE
    do_not_retry_on: frozenset[FailureKind] = frozenset()

    def __post_init__(self) -> None:
        if self.max_attempts < 1 or any(delay < 0 for delay in self.backoff_ms):
            raise ConfigurationError("a retry needs at least one attempt and delays of zero or more")

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
        )
