"""How much is taken on, and when who was turned away should come again."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Capacity
from pilotman.guardrails.capacity import MOST_SECONDS, UNKNOWN_SECONDS, retry_after
from pilotman.guardrails.errors import ConfigurationError


@pytest.mark.parametrize(
    "limits",
    [
        {"max_queued": 0},
        {"max_runs": -1},
        {"max_model_calls": 0},
        {"drain_timeout": -1},
        {"max_tool_calls": True},
    ],
)
def test_limits_that_nothing_could_pass_are_refused(limits: Any) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(limits))):
        Capacity(**limits)


def test_a_process_may_drive_nothing_and_wait_for_nothing() -> None:
    assert Capacity(max_runs=0, drain_timeout=0).max_runs == 0


def test_the_time_to_try_again_is_that_in_which_room_is_made() -> None:
    assert retry_after(excess=0, most=100, served=60, seconds=30) == 5.0  # ten places at two a second
    assert retry_after(excess=10, most=100, served=60, seconds=30) == 10.0
    assert retry_after(excess=0, most=100, served=0, seconds=60) == UNKNOWN_SECONDS
    assert retry_after(excess=0, most=10_000, served=1, seconds=60) == MOST_SECONDS


@given(
    excess=st.integers(0, 10_000),
    most=st.integers(1, 10_000),
    served=st.integers(1, 10_000),
    seconds=st.floats(1, 60),
)
def test_the_faster_requests_are_served_the_sooner_one_may_come_again(
    excess: int, most: int, served: int, seconds: float
) -> None:
    wait = retry_after(excess=excess, most=most, served=served, seconds=seconds)
    assert 1 <= wait <= MOST_SECONDS
    assert retry_after(excess=excess, most=most, served=served + 1, seconds=seconds) <= wait
    assert retry_after(excess=excess + 1, most=most, served=served, seconds=seconds) >= wait
