"""The ledger when several runs want one write, or when whoever began it is dead: it happens once."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.agents.bank import Service, credit, effects, seat
from tests.agents.office import (
    OWNER,
    Office,
    deny_writes,
    office,
    result_of,
)
from tests.patience import in_time, pass_time, until

from pilotman.agents.result import ToolResult
from pilotman.guardrails.errors import Conflict
from pilotman.guardrails.permit import Permit
from pilotman.memory.journal.owner import owner_name

pytestmark = pytest.mark.anyio


# two at once


def watched(place: Office, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set once somebody who waits for a write of another looks how it is."""
    looked, effect = asyncio.Event(), place.journal.effect

    async def look(*args: Any, **kwargs: Any) -> Any:
        looked.set()
        return await effect(*args, **kwargs)

    monkeypatch.setattr(place.journal, "effect", look)
    return looked


@pytest.mark.parametrize("other_owner", [OWNER, owner_name()], ids=["same process", "another engine"])
async def test_two_runs_with_one_key_write_once(other_owner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with office() as place:
        service = Service(scope="tenant")
        service.gate = asyncio.Event()
        desks = [
            await seat(
                place, service, "run_1", run={"owner": owner_name() if other_owner != OWNER else OWNER}
            ),
            await seat(place, service, "run_2", run={"owner": other_owner}),
        ]
        looked = watched(place, monkeypatch)
        work = [asyncio.create_task(desk.act(credit())) for desk in desks]
        await until(service.began.is_set)
        await until(looked.is_set)
        assert service.calls == 1, "the other waits"
        service.gate.set()
        results = [result_of(await one) for one in work]
        assert [r.value for r in results] == ["credited a1"] * 2
        assert sorted(len(r.caveats) for r in results) == [0, 1]
        assert service.credits == ["a1"]
        joined = [e for run in ("run_1", "run_2") for e in await place.events(run, "effect_joined")]
        assert len(joined) == 1


async def test_two_tasks_of_one_run_with_one_key_write_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with office() as place:
        service = Service()
        service.gate = asyncio.Event()
        looked = watched(place, monkeypatch)
        run = await place.run()
        desks = [place.desk(run, service.tool, path=f"task:t{n}") for n in (1, 2)]
        work = [
            asyncio.create_task(desk.act(credit(path=f"{desk.task.path}/turn:0/call:0"))) for desk in desks
        ]
        await until(looked.is_set)
        service.gate.set()
        assert [result_of(await one).value for one in work] == ["credited a1"] * 2
        assert service.credits == ["a1"]


async def test_whoever_waits_too_long_says_so_and_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with office() as place:
        service = Service(scope="tenant", timeout=600.0)
        service.gate = asyncio.Event()
        first = await seat(place, service, "run_1")
        second = await seat(place, service, "run_2", run={"timeout": 60.0})
        looked = watched(place, monkeypatch)
        work = asyncio.create_task(first.act(credit()))
        await until(service.began.is_set)
        late = asyncio.create_task(second.act(credit()))
        await until(looked.is_set)
        pass_time(60)
        await until(late.done)
        error = result_of(late.result()).error
        assert error is not None
        assert "another run is doing this" in error.message
        service.gate.set()
        await work
        assert service.credits == ["a1"]


def dead() -> str:
    host, _, _, unique = owner_name().rsplit(":", 3)
    return f"{host}:999999999:1.00:{unique}"


async def begun(place: Office, service: Service, run_id: str = "run_1", owner: str = "") -> None:
    """A write that was intended by a process that is not there any more."""
    desk = await seat(place, service, run_id, run={"owner": owner or dead()})
    permit = await desk.permits.issue(credit(), None)
    assert isinstance(permit, Permit)
    effect = desk.ledger._effect(credit(), service.tool, permit)  # pyright: ignore[reportPrivateUsage]
    row, mine = await desk.ledger._intend(credit(), effect)  # pyright: ignore[reportPrivateUsage]
    assert (row.state, mine) == ("intended", True)


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("own", [True, False], ids=["the run itself", "another run"])
async def test_what_a_dead_owner_left_is_looked_up(applied: bool, own: bool) -> None:
    async with office() as place:
        service = Service(scope="tenant")
        await begun(place, service)
        if applied:
            service.credits.append("a1")
        run_id = "run_1" if own else "run_2"
        desk = await seat(place, service, run_id, run={"new": not own})
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert service.credits == ["a1"]
        assert service.calls == (0 if applied else 1)
        row = await place.journal.effect_by_key("acme", "tenant:acme:credit:a1")
        assert row is not None
        assert row.state == "applied"
        third = await seat(place, service, "run_3")
        assert result_of(await third.act(credit())).value == "credited a1", "whoever settled it"


async def test_many_who_find_a_dead_owner_s_write_make_it_once() -> None:
    async with office() as place:
        service = Service(scope="tenant")
        await begun(place, service)
        desks = [await seat(place, service, f"run_{n}", run={"owner": owner_name()}) for n in range(2, 6)]
        results = await asyncio.gather(*(desk.act(credit()) for desk in desks))
        assert {result_of(r).value for r in results} == {"credited a1"}
        assert (service.calls, service.credits) == (1, ["a1"])


async def test_without_a_look_up_a_dead_owner_s_write_is_for_a_person() -> None:
    async with office() as place:
        service = Service(lookup=False)
        await begun(place, service)
        desk = await seat(place, service, run={"new": False})
        error = result_of(await desk.act(credit())).error
        assert error is not None
        assert error.kind == "unknown_outcome"
        assert service.calls == 0
        (asked,) = await place.open()
        assert asked.kind == "outcome"


@pytest.mark.parametrize("applied", [True, False])
async def test_a_begun_write_that_may_not_go_on_is_still_settled(applied: bool) -> None:
    async with office() as place:
        service = Service()
        await begun(place, service)
        if applied:
            service.credits.append("a1")
        desk = await seat(place, service, policies=[deny_writes], run={"new": False})
        result = result_of(await desk.act(credit()))
        assert service.calls == 0
        assert (result.error is None) == applied, "what happened is said, whatever the policy says today"
        assert (await effects(place))[0].state == ("applied" if applied else "not_applied")


async def test_a_begun_write_that_may_not_go_on_and_cannot_be_looked_up_is_for_a_person() -> None:
    async with office() as place:
        service = Service(lookup=False)
        await begun(place, service)
        desk = await seat(place, service, policies=[deny_writes], run={"new": False})
        await desk.act(credit())
        assert (await effects(place))[0].state == "unknown"
        assert [a.kind for a in await place.open()] == ["outcome"]


async def test_a_write_of_a_run_that_nobody_drives_is_waited_for_only_as_long_as_it_may_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with office() as place:
        service = Service(scope="tenant", timeout=0.2)
        await begun(place, service, owner=owner_name())  # this process lives, but has left the run
        await place.journal.release(
            "run_1", owner=(await place.journal.run("run_1", tenant="acme")).owner or ""
        )
        desk = await seat(place, service, "run_2", run={"owner": owner_name()})
        looked = watched(place, monkeypatch)
        with in_time():
            assert result_of(await desk.act(credit())).value == "credited a1"
        assert looked.is_set()
        assert service.calls == 1


async def test_a_cancelled_write_is_settled_by_the_next_life() -> None:
    async with office() as place:
        service = Service()
        service.gate = asyncio.Event()
        desk = await seat(place, service)
        work = asyncio.create_task(desk.act(credit()))
        await service.began.wait()
        work.cancel()
        await asyncio.wait([work])
        service.gate.set()
        assert not desk.task.wallet.purse.reserved
        again = await seat(place, service, run={"new": False})
        assert result_of(await again.act(credit())).value == "credited a1"
        assert service.credits == ["a1"]


# what was recorded


async def test_a_person_s_word_is_the_result() -> None:
    async with office() as place:
        service = Service(loses=1, lookup=False)
        desk = await seat(place, service)
        await desk.act(credit())
        (row,) = await effects(place)
        await place.journal.settle(row.effect_id, state="applied", message="said bob")
        other = await desk.act(credit(path="task:t1/turn:1/call:0"))
        assert result_of(other) == ToolResult.ok(None, "applied: said bob")
        assert service.calls == 1


async def test_a_person_s_no_lets_the_next_call_write() -> None:
    async with office() as place:
        service = Service(drops=1, lookup=False)
        desk = await seat(place, service)
        await desk.act(credit())
        (row,) = await effects(place)
        await place.journal.settle(row.effect_id, state="not_applied", message="said bob")
        other = await desk.act(credit(path="task:t1/turn:1/call:0"))
        assert result_of(other).value == "credited a1"
        assert service.credits == ["a1"]


async def test_a_redacted_result_is_no_reason_to_write_again() -> None:
    async with office() as place:
        service = Service(scope="tenant")
        desk = await seat(place, service)
        await desk.act(credit())
        (row,) = await effects(place)
        await place.journal.redact_payload("run_1", row.result or "", tenant="acme", reason="asked for")
        other = await seat(place, service, "run_2")
        result = result_of(await other.act(credit()))
        assert result.status == "ok"
        assert "its result is not kept any more" in result.caveats[0]
        assert service.calls == 1


async def test_what_was_found_out_by_others_first_stands() -> None:
    async with office() as place:
        service = Service(drops=1, lookup=False)
        service.gate = asyncio.Event()
        desk = await seat(place, service)
        work = asyncio.create_task(desk.act(credit()))
        await service.began.wait()
        (row,) = await effects(place)
        await place.journal.settle(row.effect_id, state="applied", message="said bob")
        service.gate.set()
        assert result_of(await work) == ToolResult.ok(None, "applied: said bob")
        assert (await effects(place))[0].state == "applied"


async def test_a_run_that_was_taken_over_writes_nothing_any_more() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        await place.journal.release("run_1", owner=OWNER)
        await place.journal.claim("run_1", owner="thief", lease=timedelta(hours=1), is_dead=lambda _: True)
        with pytest.raises(Conflict, match="is driven by thief"):
            await desk.act(credit())
        assert service.calls == 0
