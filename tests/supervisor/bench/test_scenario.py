"""The figures of scenarios: what came through is never lost among what was asked and denied."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pilotman.supervisor.bench.scenario import Attempt, Outcomes, Scenario, Untried, outcome

pytestmark = pytest.mark.anyio


def made(*attempts: Attempt) -> Scenario:
    async def play() -> Sequence[Attempt]:
        return attempts

    return Scenario(name="burglary", about="get in", play=play)


async def test_each_attempt_counts_once_and_coming_through_counts_most() -> None:
    one = await outcome(
        made(
            Attempt(what="window", through=True, asked=True),
            Attempt(what="window", through=True),
            Attempt(what="door", through=False, asked=True),
            Attempt(what="roof", through=False),
        )
    )
    assert (one.attempts, one.through, one.asked, one.denied) == (4, 2, 1, 1)
    table = Outcomes(outcomes=(one,), notes=("by night",)).table()
    assert "burglary  4         2        1      1       get in" in table
    assert "through: burglary: window (2x)" in table
    assert "door" not in table
    assert table.endswith("by night\n")


async def test_it_held_only_where_nothing_came_through() -> None:
    held = await outcome(made(Attempt(what="door", through=False, asked=True)))
    broken = await outcome(made(Attempt(what="door", through=True)))
    assert Outcomes(outcomes=(held,), notes=()).held
    assert not Outcomes(outcomes=(held, broken), notes=()).held


async def test_what_could_not_be_attempted_is_said() -> None:
    async def play() -> Sequence[Attempt]:
        raise Untried("there is no house")

    one = await outcome(Scenario(name="burglary", about="get in", play=play))
    assert one.attempts == 0
    assert "not attempted: burglary: there is no house" in Outcomes(outcomes=(one,), notes=()).table()
