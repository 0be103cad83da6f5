"""What a tool declares about itself beside its function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.label import Sensitivity
from pilotman.guardrails.limit import Limit
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.retry import Retry


@dataclass(frozen=True, kw_only=True)
class ToolSettings:
    """What a tool declares about itself. ``timeout`` is seconds, an attempt.

    ``at_least``: the effect that it counts for at least as long as nobody declares one. ``pinned``: somebody
    vouches for its description and schema, as an author does for their own. ``destinations``: the parameters
    in which the caller says where a call goes; None: those that look so.
    """

    effect: Effect | None = None
    at_least: Effect | None = None
    pinned: bool = True
    timeout: float = 10.0
    scopes: tuple[str, ...] = ()
    destinations: tuple[str, ...] | None = None
    third_party: bool | tuple[str, ...] = True
    sensitivity: Sensitivity = "internal"
    retry: Retry = field(default_factory=Retry)
    breaker: Breaker = field(default_factory=Breaker)
    limit: Limit = field(default_factory=Limit)

    def __post_init__(self) -> None:
        if self.effect is not None and self.effect not in get_args(Effect):
            raise ConfigurationError(
                f"{self.effect!r} is not an effect", hint=f"one of {', '.join(get_args(Effect))}"
            )
        if self.sensitivity not in get_args(Sensitivity):
            raise ConfigurationError(
                f"{self.sensitivity!r} is no sensitivity", hint=f"one of {', '.join(get_args(Sensitivity))}"
            )
        if not 0 < self.timeout < float("inf"):
            raise ConfigurationError(f"a timeout is a number of seconds above zero, not {self.timeout!r}")
        if isinstance(self.scopes, str):
            raise ConfigurationError("scopes is a list of names", hint=f"write [{self.scopes!r}]")
        if isinstance(self.destinations, str):
            hint = f"write [{self.destinations!r}]"
            raise ConfigurationError("destinations is a list of parameters", hint=hint)
