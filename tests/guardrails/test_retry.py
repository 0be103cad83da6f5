"""Retries end, wait longer each time, and never repeat what must not be repeated."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Retry
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.retry import FailureKind


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


@pytest.mark.parametrize("wrong", [{"max_attempts": 0}, {"backoff_ms": (-1,)}])
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError):
        Retry(**wrong)  # type: ignore[arg-type]
