"""Quotas: what a tenant, a user or a conversation may use in each window of time, over all of its runs. Pure.

Windows are fixed: they begin at multiples of their length since 1970 UTC, and each begins with nothing used.
Who uses up one at its end and the next at its beginning has had twice as much in a short time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Literal, TypeAlias, get_args

from pilotman.guardrails.errors import ConfigurationError, QuotaExceeded
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.purse import NANO

QuotaPer: TypeAlias = Literal["tenant", "user", "conversation"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNLIMITED = 2**62


@dataclass(frozen=True, kw_only=True)
class Quota:
    """At most so much in each window of ``window`` seconds, of every tenant, user or conversation.

    ``max_runs`` are requests that were accepted, ``max_tokens`` those of models in and out, ``max_cost_usd``
    what they cost, ``max_writes`` permits for writes, without those that did not happen; None: no limit.
    Model calls reserve an upper bound before they are made and settle after: used and reserved together never
    pass the limit. A model call that does not fit is not made, and the next tier is asked; the rule-based one
    needs no quota. Teams that share a journal use up quotas of the same ``per`` and ``window`` together.

    Raises:
        ConfigurationError: no window, or no limit.
    """

    per: QuotaPer
    window: float
    max_runs: int | None = None
    max_tokens: int | None = None
    max_cost_usd: float | None = None
    max_writes: int | None = None

    def __post_init__(self) -> None:
        if self.per not in get_args(QuotaPer):
            raise ConfigurationError(f"a quota is per {', '.join(get_args(QuotaPer))}, not {self.per!r}")
        if not 1 <= self.window < inf:
            raise ConfigurationError(f"a quota's window is one second or more, not {self.window!r}")
        limits = [self.max_runs, self.max_tokens, self.max_cost_usd, self.max_writes]
        if all(limit is None for limit in limits):
            raise ConfigurationError(f"the quota {self.name} limits nothing", hint="give it max_runs, say")
        if any(isinstance(limit, bool) or not 0 <= (limit or 0) < _UNLIMITED / NANO for limit in limits):
            raise ConfigurationError(f"the quota {self.name} has limits that cannot be kept: {limits}")

    @property
    def name(self) -> str:
        """Under which its use is counted."""
        return f"{self.per}/{self.window:g}s"

    @property
    def meters_models(self) -> bool:
        """Whether model calls have to reserve."""
        return self.max_tokens is not None or self.max_cost_usd is not None

    def window_of(self, principal: Principal, thread_id: str, now: datetime) -> Window:
        """The window that a run uses now."""
        tenant = f"{len(principal.tenant)}:{principal.tenant}"
        whose = {"user": f"{tenant}/{principal.user}", "conversation": f"{tenant}/{thread_id}"}
        length = timedelta(seconds=self.window)
        since = _EPOCH + (now - _EPOCH) // length * length
        return Window(quota=self, holder=whose.get(self.per, tenant), since=since)


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window of one holder: what use is counted in. No two holders share one."""

    quota: Quota
    holder: str
    since: datetime

    def exceeded(self, limit: str, now: datetime) -> QuotaExceeded:
        """The error for one who wants more than is left."""
        quota = self.quota
        left = (self.since + timedelta(seconds=quota.window) - now).total_seconds()
        most = getattr(quota, limit)
        what = f"${most:g}" if limit == "max_cost_usd" else f"{most} {limit.removeprefix('max_')}"
        return QuotaExceeded(
            f"the quota of {what} of this {quota.per} in {quota.window:g} s has not so much left",
            limit=limit,
            retry_after=round(max(1.0, left), 1),
        )


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What of one window is used, and what is reserved by calls in flight. Cost is in nano-dollars."""

    runs: int = 0
    tokens: int = 0
    tokens_reserved: int = 0
    cost_nusd: int = 0
    cost_nusd_reserved: int = 0

    def lacks_run(self, quota: Quota) -> str | None:
        """The limit that one more run would pass, or None. A run needs some of everything."""
        if quota.max_runs is not None and self.runs >= quota.max_runs:
            return "max_runs"
        return self.lacks(quota, tokens=1, cost_nusd=1)

    def lacks(self, quota: Quota, *, tokens: int, cost_nusd: int) -> str | None:
        """The limit that so much more would pass, or None."""
        if self.tokens + self.tokens_reserved + tokens > _tokens(quota):
            return "max_tokens"
        if self.cost_nusd + self.cost_nusd_reserved + cost_nusd > _cost(quota):
            return "max_cost_usd"
        return None

    def with_run(self) -> Usage:
        """One more run was accepted."""
        return replace(self, runs=self.runs + 1)

    def reserve(self, *, tokens: int, cost_nusd: int) -> Usage:
        """So much was set aside; see before that nothing ``lacks``."""
        return replace(
            self,
            tokens_reserved=self.tokens_reserved + tokens,
            cost_nusd_reserved=self.cost_nusd_reserved + cost_nusd,
        )

    def settle(self, quota: Quota, *, reserved: tuple[int, int], used: tuple[int, int]) -> Usage:
        """What was set aside is given back, and what was used booked instead, as far as the limit goes.

        Both are tokens and nano-dollars.
        """
        tokens_reserved = max(0, self.tokens_reserved - reserved[0])
        cost_reserved = max(0, self.cost_nusd_reserved - reserved[1])
        return replace(
            self,
            tokens_reserved=tokens_reserved,
            cost_nusd_reserved=cost_reserved,
            tokens=max(self.tokens, min(self.tokens + used[0], _tokens(quota) - tokens_reserved)),
            cost_nusd=max(self.cost_nusd, min(self.cost_nusd + used[1], _cost(quota) - cost_reserved)),
        )


def _tokens(quota: Quota) -> int:
    return _UNLIMITED if quota.max_tokens is None else quota.max_tokens


def _cost(quota: Quota) -> int:
    return _UNLIMITED if quota.max_cost_usd is None else round(quota.max_cost_usd * NANO)


def checked(quotas: tuple[Quota, ...]) -> tuple[Quota, ...]:
    """Quotas that can be counted beside each other.

    Raises:
        ConfigurationError: two are counted under one name.
    """
    names = [quota.name for quota in quotas]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigurationError(f"there are two quotas {', '.join(sorted(twice))}", hint="make them one")
    return quotas
