"""How much one supervisor takes on at once, and when those that it turns away should come again."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import inf

from pilotman.guardrails.errors import ConfigurationError

LEAST_SECONDS = 1.0
MOST_SECONDS = 600.0
UNKNOWN_SECONDS = 30.0
"""What is said while nothing was served lately, so that no rate is known."""


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """What waits, and what is worked on. One for each supervisor; calls in flight are counted per process.

    At most ``max_queued`` requests wait in the queue, of one tenant ``max_queued_per_tenant``: what comes on
    top is refused. ``max_runs`` queued runs are driven at once in this process; runs that wait for a person,
    for a pause before another attempt or for a place take none, and 0 leaves all to other processes
    (``pilotman worker``). ``max_model_calls`` and ``max_tool_calls`` are in flight at once, over all runs;
    None: as many as there are. A run whose drives broke down ``max_failures`` times (its process died, the
    engine raised) is given up. ``drain_timeout``: seconds that runs have to stop when the supervisor closes.

    Raises:
        ConfigurationError: limits that nothing could ever pass.
    """

    max_queued: int = 10_000
    max_queued_per_tenant: int = 2_000
    max_runs: int = 8
    max_model_calls: int | None = None
    max_tool_calls: int | None = None
    max_failures: int = 5
    drain_timeout: float = 5.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            least = 0 if item.name in ("max_runs", "drain_timeout") else 1
            if value is not None and (isinstance(value, bool) or not least <= value < inf):
                raise ConfigurationError(f"{item.name} must be at least {least}, not {value!r}")


def retry_after(*, excess: int, most: int, served: int, seconds: float) -> float:
    """Seconds until a place is likely free, of a queue that serves ``served`` requests in ``seconds``.

    By then the ``excess`` over ``most`` and a tenth of the queue are served, so that those who come back find
    room: the drain time of so many, as by Little's law (J. D. C. Little 1961).
    """
    if served <= 0 or seconds <= 0:
        return UNKNOWN_SECONDS
    wait = (excess + max(1, most // 10)) * seconds / served
    return round(min(MOST_SECONDS, max(LEAST_SECONDS, wait)), 1)
