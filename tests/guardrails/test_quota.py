"""Quotas: their windows, whose they are, and that used and reserved never pass the limit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pilotman.guardrails import Principal, Quota
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.purse import NANO
from pilotman.guardrails.quota import Usage, checked

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
names = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
asked = st.tuples(names, names, names)
"""Tenant, user, conversation."""


@pytest.mark.parametrize(
    "settings",
    [
        {"per": "run", "window": 60, "max_runs": 1},
        {"per": "user", "window": 0, "max_runs": 1},
        {"per": "user", "window": 60},
        {"per": "user", "window": 60, "max_tokens": -1},
        {"per": "user", "window": 60, "max_cost_usd": float("nan")},
    ],
)
def test_a_quota_that_cannot_be_kept_is_refused(settings: Any) -> None:
    with pytest.raises(ConfigurationError):
        Quota(**settings)


def test_two_quotas_of_one_name_are_refused() -> None:
    quotas = (Quota(per="user", window=60, max_runs=1), Quota(per="user", window=60, max_tokens=1))
    with pytest.raises(ConfigurationError, match="user/60s"):
        checked(quotas)


@given(
    at=st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    length=st.integers(1, 10**6),
)
def test_every_moment_is_in_exactly_one_window(at: datetime, length: int) -> None:
    quota = Quota(per="tenant", window=length, max_runs=1)
    alice = Principal(tenant="a", user="alice")
    window = quota.window_of(alice, "t", at)
    assert window.since <= at < window.since + timedelta(seconds=length)
    assert quota.window_of(alice, "t", window.since) == window
    assert 1.0 <= window.exceeded("max_runs", at).retry_after <= max(1.0, length)


@given(
    st.tuples(names, names, names),
    st.tuples(names, names, names),
    st.sampled_from(["tenant", "user", "conversation"]),
)
def test_no_two_holders_share_a_window(one: Any, other: Any, per: Any) -> None:
    quota = Quota(per=per, window=60, max_runs=1)
    windows = [
        quota.window_of(Principal(tenant=tenant, user=user), thread, NOW)
        for tenant, user, thread in (one, other)
    ]
    what = {"tenant": slice(0, 1), "user": slice(0, 2), "conversation": slice(0, 3, 2)}[per]
    assert (windows[0] == windows[1]) == (one[what] == other[what])


class Use(RuleBasedStateMachine):
    """Calls of any number of runs, in any order: each reserves, and settles more or less than that."""

    quota = Quota(per="tenant", window=60, max_tokens=1_000, max_cost_usd=1e-6)

    def __init__(self) -> None:
        super().__init__()
        self.usage = Usage()
        self.held: list[tuple[int, int]] = []

    @rule(tokens=st.integers(0, 600), cost=st.integers(0, 600))
    def reserve(self, tokens: int, cost: int) -> None:
        lacking = self.usage.lacks(self.quota, tokens=tokens, cost_nusd=cost)
        fits = (
            self.usage.tokens + self.usage.tokens_reserved + tokens <= 1_000
            and self.usage.cost_nusd + self.usage.cost_nusd_reserved + cost <= 1_000
        )
        assert fits == (lacking is None)
        if lacking is None:
            self.usage = self.usage.reserve(tokens=tokens, cost_nusd=cost)
            self.held.append((tokens, cost))

    @precondition(lambda self: self.held)
    @rule(which=st.integers(0), tokens=st.integers(0, 2_000), cost=st.integers(0, 2_000))
    def settle(self, which: int, tokens: int, cost: int) -> None:
        reserved = self.held.pop(which % len(self.held))
        before = self.usage
        self.usage = before.settle(self.quota, reserved=reserved, used=(tokens, cost))
        assert self.usage.tokens >= before.tokens
        if tokens <= reserved[0]:
            assert self.usage.tokens == before.tokens + tokens, "what fits is booked to the last token"

    @invariant()
    def used_and_reserved_never_pass_the_limit(self) -> None:
        usage = self.usage
        assert usage.tokens + usage.tokens_reserved <= 1_000
        assert usage.cost_nusd + usage.cost_nusd_reserved <= round(1e-6 * NANO)
        assert usage.tokens_reserved == sum(tokens for tokens, _ in self.held)
        assert usage.cost_nusd_reserved == sum(cost for _, cost in self.held)


TestUse = Use.TestCase


def test_a_run_needs_some_of_everything() -> None:
    quota = Quota(per="tenant", window=60, max_runs=2, max_tokens=10)
    assert Usage().with_run().lacks_run(quota) is None
    assert Usage(runs=2).lacks_run(quota) == "max_runs"
    assert Usage(tokens=6, tokens_reserved=4).lacks_run(quota) == "max_tokens"
