"""The ladder: what ill surroundings cost, and that each rung costs at least as much as those above."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Budget
from pilotman.guardrails.ladder import RUNGS, Health, Rung, at_or_below, ladder, lowered

SHARES = st.floats(min_value=0, max_value=1)


@pytest.mark.parametrize(
    ("health", "rung"),
    [
        (Health(), "full"),
        (Health(models=0.5), "full"),
        (Health(models=0.0), "read_only"),
        (Health(models=0.0, queue=1.0), "read_only"),
        (Health(queue=0.9), "fewer_steps"),
        (Health(tools=0.0), "full"),
    ],
)
def test_what_surroundings_cost(health: Health, rung: Rung) -> None:
    found, why = ladder(health)
    assert found == rung
    assert bool(why) == (rung != "full")


@given(SHARES, SHARES, SHARES, SHARES)
def test_worse_surroundings_never_cost_less(models: float, worse: float, queue: float, longer: float) -> None:
    well = ladder(Health(models=models, queue=queue))[0]
    ill = ladder(Health(models=min(models, worse), queue=max(queue, longer)))[0]
    assert at_or_below(ill, well)


def test_rungs_are_in_order() -> None:
    for place, rung in enumerate(RUNGS):
        assert [other for other in RUNGS if at_or_below(rung, other)] == list(RUNGS[: place + 1])


def test_fewer_steps_is_half_of_them_and_at_least_one() -> None:
    assert lowered(Budget(max_steps=7, max_tool_calls=1)).max_steps == 3
    assert lowered(Budget(max_steps=7, max_tool_calls=1)).max_tool_calls == 1
