"""What a tool declares about itself beside its function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.retry import Retry


@dataclass(frozen=True, kw_only=True)
class ToolSettings:
    """What a tool declares about itself. ``timeout`` is seconds, an attempt."""

    effect: Effect | None = None
    timeout: float = 10.0
    scopes: tuple[str, ...] = ()
    third_party: bool | tuple[str, ...] = True
    retry: Retry = field(default_factory=Retry)
    breaker: Breaker = field(default_factory=Breaker)

    def __post_init__(self) -> None:
        if self.effect is not None and self.effect not in get_args(Effect):
            raise ConfigurationError(
                f"{self.effect!r} is not an effect", hint=f"one of {', '.join(get_args(Effect))}"
            )
        if not 0 < self.timeout < float("inf"):
            raise ConfigurationError(f"a timeout is a number of seconds above zero, not {self.timeout!r}")
        if isinstance(self.scopes, str):
            raise ConfigurationError("scopes is a list of names", hint=f"write [{self.scopes!r}]")
