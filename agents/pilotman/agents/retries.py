"""What all runs of one supervisor may retry together, dependency by dependency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from pilotman.guardrails.retry import Allowance, Retry


class Retries:
    """The allowances of every dependency. ``now`` gives monotonic seconds. One event loop owns it."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._calls = Counter[str]()
        self._left: dict[str, Allowance] = {}

    def called(self, name: str) -> None:
        """Somebody begins a call to ``name``, which may be followed by retries."""
        self._calls[name] += 1

    def take(self, name: str, retry: Retry) -> bool:
        """Whether one more retry of a call to ``name`` may be made now; if so it is taken."""
        now = self._now()
        allowance = self._left.get(name) or Allowance(at=now)
        left = allowance.take(retry, calls=self._calls[name], now=now)
        if left is None:
            return False
        self._left[name] = left
        self._calls[name] = 0
        return True
