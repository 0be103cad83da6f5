"""How long what is remembered is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pilotman.guardrails.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long sessions, facts and the records of runs are kept; None: until they are forgotten.

    A fact's own ``retention`` goes before ``fact_ttl``. What is over is not served from that instant on.

    Raises:
        ConfigurationError: a length of time that is not positive.
    """

    session_ttl: timedelta | None = timedelta(days=30)
    fact_ttl: timedelta | None = None
    run_ttl: timedelta | None = None

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value <= timedelta(0):
                raise ConfigurationError(f"{name} is {value}", hint="a positive time, or None for ever")
