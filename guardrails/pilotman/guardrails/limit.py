"""How much of something may be used at once: a rate limit and a bulkhead (M. Nygard, Release It!)."""

from __future__ import annotations

from dataclasses import dataclass

from pilotman.guardrails.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Limit:
    """Settings. ``rate``: calls in any such time, as "10/second" or "10/second;200 per 5 minutes" (in the
    notation of the package ``limits``). ``max_concurrent``: calls at the same time. None: any number."""

    rate: str | None = None
    max_concurrent: int | None = None

    def __post_init__(self) -> None:
        if self.max_concurrent is not None and self.max_concurrent < 1:
            raise ConfigurationError(f"max_concurrent is 1 or more, not {self.max_concurrent!r}")
        if self.rate is not None:
            self._check_rate(self.rate)

    def __bool__(self) -> bool:
        """Whether it limits anything."""
        return self.rate is not None or self.max_concurrent is not None

    def _check_rate(self, rate: str) -> None:
        from limits import parse_many  # a fifth of a second, for those who limit

        try:
            amounts = [item.amount for item in parse_many(rate)]
        except (ValueError, TypeError):
            amounts = [0]
        if min(amounts) < 1:
            raise ConfigurationError(f"{rate!r} is no rate", hint='write it as "10/second"')
