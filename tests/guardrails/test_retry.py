"""Retries end, wait longer each time, and never repeat what must not be repeated."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Retry
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.retry import BURST, BURST_SECONDS, Allowance, FailureKind


def test_by_default_only_what_may_pass_by_itself_is_tried_again() -> None:
    again = {kind for kind in get_args(FailureKind) if Retry().allows(kind, attempt=1)}
    assert again == {"timeout", "rate_limit", "transient"}


@given(st.integers(1, 9))
def test_attempts_end(most: int) -> None:
    allowed = [n for n in range(1, 20) if Retry(max_attempts=most).allows("timeout", attempt=n)]
    assert allowed == list(range(1, most))


def test_a_prohibition_wins_over_a_permission() -> None:
    retry = Retry(retry_on=frozenset({"timeout"}), do_not_retry_on=frozenset({"timeout"}))
    assert not retry.allows("timeout", attempt=1)


def test_delays_follow_the_list_and_then_double() -> None:
    assert [Retry(backoff_ms=(200, 800)).delay(n) for n in range(1, 5)] == [0.2, 0.8, 1.6, 3.2]
    assert Retry(backoff_ms=()).delay(3) == 0.0


@given(st.lists(st.integers(0, 5_000), max_size=4), st.integers(1, 30), st.floats(0, 1, exclude_max=True))
def test_jitter_adds_up_to_a_half(delays: list[int], attempt: int, jitter: float) -> None:
    retry = Retry(backoff_ms=tuple(delays))
    plain = retry.delay(attempt)
    assert plain <= retry.delay(attempt, jitter=jitter) <= 1.5 * plain * (1 + 1e-12)


def test_a_tool_is_tried_three_times_more_by_default() -> None:
    assert [Retry().delay(n) for n in range(1, 4)] == [0.2, 0.4, 0.8]
    assert [n for n in range(1, 9) if Retry().allows("transient", attempt=n)] == [1, 2, 3]


@given(
    st.floats(0, 1),
    st.floats(0, 5),
    st.lists(st.tuples(st.integers(0, 30), st.floats(0, 20), st.integers(0, 60)), max_size=30),
)
def test_a_retry_budget_is_never_exceeded(
    share: float, rate: float, story: list[tuple[int, float, int]]
) -> None:
    """However calls and retries come: no more retries than the share of the calls, the rate and one burst."""
    retry = Retry(budget_share=share, budget_per_second=rate)
    allowance, calls, retries, now, unseen = Allowance(at=0.0), 0, 0, 0.0, 0
    for more, seconds, wanted in story:
        calls, unseen, now = calls + more, unseen + more, now + seconds
        for _ in range(wanted):
            left = allowance.take(retry, calls=unseen, now=now)
            if left is not None:
                allowance, unseen, retries = left, 0, retries + 1
        assert retries <= max(BURST, rate * BURST_SECONDS) + share * calls + rate * now + 1e-6


def test_a_retry_budget_that_is_used_up_comes_back_with_calls_and_with_time() -> None:
    retry = Retry(budget_share=0.5, budget_per_second=1.0)
    empty = Allowance(at=0.0, tokens=0.0)
    assert empty.take(retry, calls=1, now=0.0) is None
    assert empty.take(retry, calls=2, now=0.0) is not None
    assert empty.take(retry, calls=0, now=1.0) is not None


@pytest.mark.parametrize(
    "wrong", [{"max_attempts": 0}, {"backoff_ms": (-1,)}, {"budget_share": 1.1}, {"budget_per_second": -1}]
)
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Retry(**wrong)  # type: ignore[arg-type]
