"""The ledger when replies get lost: looked up, asked again by key, or asked of a person; never blindly."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.bank import Service, credit, effects, seat
from tests.agents.office import (
    office,
    result_of,
)

from pilotman.agents.result import ToolResult

pytestmark = pytest.mark.anyio


# lost replies


async def test_a_lost_reply_is_looked_up() -> None:
    async with office() as place:
        service = Service(loses=1)
        desk = await seat(place, service)
        call = await desk.act(credit())
        assert result_of(call) == ToolResult.ok("credited a1")
        assert (service.calls, service.credits) == (1, ["a1"])
        assert (await effects(place))[0].state == "applied"
        assert desk.task.run.caveats == []


async def test_a_timeout_is_a_lost_reply() -> None:
    async with office() as place:
        service = Service(timeout=0.05)
        service.gate = asyncio.Event()
        desk = await seat(place, service)
        service.credits.append("a1")
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert service.calls == 1


async def test_what_the_look_up_does_not_find_is_made_exactly_once_more() -> None:
    async with office() as place:
        service = Service(drops=1)
        desk = await seat(place, service)
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert (service.calls, service.credits) == (2, ["a1"])
        (row,) = await effects(place)
        assert (row.state, row.attempts) == ("applied", 2)
        kinds = await place.kinds()
        assert kinds.count("effect_intended") == 2, "each attempt is written down before it happens"
        assert kinds.count("effect_not_applied") == 1


async def test_twice_dropped_is_not_tried_a_third_time() -> None:
    async with office() as place:
        service = Service(drops=9)
        desk = await seat(place, service)
        error = result_of(await desk.act(credit())).error
        assert error is not None
        assert "a look-up says that it was not applied" in error.message
        assert service.calls == 2
        assert (await effects(place))[0].state == "not_applied"
        assert any("credit failed" in caveat for caveat in desk.task.run.caveats)


@pytest.mark.parametrize("lookup", [False, True])
async def test_where_nobody_can_tell_it_is_for_a_person_and_never_made_again(lookup: bool) -> None:
    async with office() as place:
        service = Service(loses=1, lookup=lookup)
        service.blind = True
        desk = await seat(place, service)
        call = await desk.act(credit())
        error = result_of(call).error
        assert error is not None
        assert error.kind == "unknown_outcome"
        assert service.calls == 1
        assert (await effects(place))[0].state == "unknown"
        (asked,) = await place.open()
        assert (asked.kind, asked.digest) == ("outcome", call.digest)
        assert "Has it happened?" in asked.question
        assert any("it is not known whether credit was applied" in c for c in desk.task.run.caveats)
        again = await seat(place, service, run={"new": False})
        assert await again.act(credit()) == call
        assert service.calls == 1


async def test_a_target_that_knows_our_key_may_be_asked_again() -> None:
    async with office() as place:
        service = Service(loses=1, lookup=False, knows_keys=True)
        desk = await seat(place, service)
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert (service.calls, service.credits) == (2, ["a1"])
        assert (await effects(place))[0].state == "applied"


async def test_a_second_failure_of_a_target_that_knows_our_key_is_for_a_person() -> None:
    async with office() as place:
        service = Service(loses=2, lookup=False, knows_keys=True)
        desk = await seat(place, service)
        assert result_of(await desk.act(credit())).error is not None
        assert (await effects(place))[0].state == "unknown"
        (asked,) = await place.open()
        assert asked.kind == "outcome"


@settings(max_examples=30)
@given(
    lookup=st.booleans(),
    knows_keys=st.booleans(),
    faults=st.lists(st.sampled_from(["loses", "drops", "ok"]), max_size=4),
    blind=st.booleans(),
    lives=st.integers(1, 3),
)
def test_however_replies_get_lost_an_account_is_credited_once_at_most(
    lookup: bool, knows_keys: bool, faults: list[str], blind: bool, lives: int
) -> None:
    async def scenario() -> None:
        async with office() as place:
            service = Service(
                loses=faults.count("loses"), drops=faults.count("drops"), lookup=lookup, knows_keys=knows_keys
            )
            service.blind = blind
            states: list[str] = []
            for life in range(lives):
                desk = await seat(place, service, run={"new": life == 0})
                call = await desk.act(credit())
                assert call.stage == "done"
                states.append((await effects(place))[0].state)
            assert len(service.credits) <= 1
            assert set(states) <= {"applied", "not_applied", "unknown"}
            if states[-1] == "applied":
                assert service.credits == ["a1"]
            if states[-1] == "not_applied":
                assert service.credits == []

    asyncio.run(scenario())
