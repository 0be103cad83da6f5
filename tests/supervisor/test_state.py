"""A run's state may only move along the table, and never gets stuck in a live state."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import Conflict
from pilotman.supervisor.state import LIVE, STATES, TABLE, TERMINAL, RunState, check

states = st.sampled_from(STATES)


def test_the_table_is_that_of_the_design() -> None:
    fixed: set[tuple[RunState, RunState]] = {
        ("RECEIVED", "PLANNED"),
        ("PLANNED", "EXECUTING"),
        ("EXECUTING", "WAITING_FOR_TOOL"),
        ("WAITING_FOR_TOOL", "EXECUTING"),
        ("EXECUTING", "VALIDATING"),
        ("VALIDATING", "COMPLETED"),
        ("VALIDATING", "PLANNED"),
        ("RECEIVED", "ESCALATED"),
        ("PLANNED", "ESCALATED"),
        ("EXECUTING", "ESCALATED"),
        ("VALIDATING", "ESCALATED"),
        ("ESCALATED", "EXECUTING"),
        ("ESCALATED", "PLANNED"),
        ("ESCALATED", "COMPLETED"),
        ("FAILED", "PLANNED"),
    }
    ends: set[tuple[RunState, RunState]] = {(state, "FAILED") for state in LIVE}
    ends |= {(state, "CANCELLED") for state in LIVE}
    assert set(TABLE) == fixed | ends


def test_live_and_terminal_states_are_all_states() -> None:
    assert set(STATES) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
    assert {"COMPLETED", "FAILED", "CANCELLED"} == TERMINAL


@given(states, states)
def test_a_move_outside_the_table_is_refused_whatever_came_before(old: RunState, new: RunState) -> None:
    if (old, new) in TABLE:
        assert check({}, old, new, retry_safe=True) == 1
    else:
        with pytest.raises(Conflict, match=f"from {old} to {new}"):
            check({}, old, new, retry_safe=True)


@given(st.sampled_from(sorted(TABLE)))
def test_every_move_has_a_maximum_that_is_kept(move: tuple[RunState, RunState]) -> None:
    most = TABLE[move].maximum
    assert check({move: most - 1}, *move, retry_safe=True) == most
    with pytest.raises(Conflict, match="maximum"):
        check({move: most}, *move, retry_safe=True)


def test_a_failed_run_goes_on_only_if_that_is_safe() -> None:
    with pytest.raises(Conflict, match="effect"):
        check({}, "FAILED", "PLANNED")
    assert check({}, "FAILED", "PLANNED", retry_safe=True) == 1


def test_the_refusal_says_where_the_run_can_go() -> None:
    with pytest.raises(Conflict, match="it can go to PLANNED, ESCALATED, FAILED, CANCELLED"):
        check({}, "RECEIVED", "COMPLETED")
    with pytest.raises(Conflict, match="COMPLETED is final"):
        check({}, "COMPLETED", "PLANNED")


@given(st.lists(states, max_size=400))
def test_a_live_run_can_always_end(wishes: list[RunState]) -> None:
    """However a run wandered, its maxima never lock it into a live state."""
    state: RunState = "RECEIVED"
    counts: Counter[tuple[RunState, RunState]] = Counter()
    for wish in wishes:
        try:
            check(counts, state, wish, retry_safe=True)
        except Conflict:
            continue
        counts[state, wish] += 1
        state = wish
        if state in LIVE:
            assert check(counts, state, "FAILED") >= 1
            assert check(counts, state, "CANCELLED") == 1
