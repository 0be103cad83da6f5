"""Budgets refuse nonsense, and narrowing is a meet: order does not matter, nothing widens."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Breaker, Budget, Retry
from pilotman.guardrails.errors import ConfigurationError

counts = st.integers(1, 100)
durations = st.floats(0.01, 1_000)
kinds = st.frozensets(st.sampled_from(["timeout", "rate_limit", "transient", "conflict"]))
retries = st.builds(
    Retry,
    max_attempts=st.integers(1, 5),
    backoff_ms=st.lists(st.integers(0, 900), max_size=3).map(tuple),
    retry_on=kinds,
    do_not_retry_on=kinds,
)
breakers = st.builds(
    Breaker,
    failure_rate=st.sampled_from([0.1, 0.5, 1.0]),
    consecutive_failures=st.none() | counts,
    cool_down=durations,
)
budgets = st.builds(
    Budget,
    max_steps=counts,
    max_tool_calls=counts,
    max_input_tokens=counts,
    max_output_tokens=counts,
    max_cost_usd=st.none() | durations,
    timeout=durations,
    model_timeout=durations,
    tool_timeout=durations,
    approval_timeout=durations,
    max_depth=counts,
    max_parallel=counts,
    max_calls_per_tool=counts,
    allowed_models=st.none() | st.frozensets(st.sampled_from(["a:x", "b:y", "c:z"])),
    retry=retries,
    tool_retry=st.none() | retries,
    breaker=st.none() | breakers,
)


@given(budgets, budgets, budgets)
def test_narrowing_is_a_meet(a: Budget, b: Budget, c: Budget) -> None:
    assert a.narrow(a) == a
    assert a.narrow(b) == b.narrow(a)
    assert a.narrow(b).narrow(c) == a.narrow(b.narrow(c))
    assert a.narrow(None) == a


@given(budgets, budgets)
def test_nothing_widens(a: Budget, b: Budget) -> None:
    both = a.narrow(b)
    for item in fields(Budget):
        got, mine = getattr(both, item.name), getattr(a, item.name)
        if isinstance(mine, int | float):
            assert got <= mine
    assert a.allowed_models is None or (
        both.allowed_models is not None and both.allowed_models <= a.allowed_models
    )
    assert a.max_cost_usd is None or both.max_cost_usd is not None
    assert both.retry.max_attempts <= a.retry.max_attempts
    for kind in both.retry.retry_on - both.retry.do_not_retry_on:
        assert a.retry.allows(kind, attempt=0)


def test_lists_of_allowed_models_meet_in_what_both_allow() -> None:
    a, b = Budget(allowed_models=frozenset({"x:1"})), Budget(allowed_models=frozenset({"y:2"}))
    assert a.narrow(b).allowed_models == frozenset()
    assert a.narrow(Budget()).allowed_models == frozenset({"x:1"})


@pytest.mark.parametrize(
    "name", [f.name for f in fields(Budget) if f.name not in ("allowed_models", "retry")]
)
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True])
def test_a_limit_that_is_no_limit_is_refused(name: str, value: float) -> None:
    changes: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=name):
        Budget(**changes)


def test_the_named_profiles() -> None:
    interactive, chat, workflow = Budget.interactive(), Budget.chat(), Budget.workflow()
    assert (interactive.timeout, interactive.model_timeout, interactive.tool_timeout) == (20.0, 8.0, 5.0)
    assert (interactive.max_steps, interactive.max_tool_calls, interactive.max_cost_usd) == (6, 4, 0.08)
    assert (interactive.max_input_tokens, interactive.max_output_tokens) == (24_000, 4_000)
    assert (interactive.retry.max_attempts, interactive.retry.backoff_ms) == (3, (200, 800))
    assert (chat.timeout, chat.model_timeout, chat.tool_timeout, chat.retry.max_attempts) == (
        15.0,
        10.0,
        5.0,
        3,
    )
    assert chat.tool_retry == chat.retry
    assert chat.breaker is not None
    assert (chat.breaker.consecutive_failures, chat.breaker.cool_down) == (3, 60.0)
    assert (workflow.timeout, workflow.model_timeout, workflow.max_steps) == (600.0, 30.0, 40)
    assert (workflow.max_tool_calls, workflow.max_input_tokens, workflow.max_output_tokens) == (
        30,
        200_000,
        20_000,
    )
    assert [workflow.retry.delay(n) for n in (1, 2)] == [0.2, 0.4]
    assert workflow == Budget()
    assert workflow.approval_timeout == 2 * 24 * 3_600
