"""Quotas as runs meet them: refused at the door, answered without a model, not written."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.scene import ONE, Clock, Desk, alice, calls, history, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.prices import Price, PriceTable
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Principal, Quota
from pilotman.guardrails.errors import ConfigurationError, QuotaExceeded
from pilotman.memory import Memory
from pilotman.supervisor import Run, Supervisor

pytestmark = pytest.mark.anyio
AGE = 1e9
"""Seconds of a window that begins or ends during no test."""
bob = Principal(tenant="acme", user="bob")
eve = Principal(tenant="other", user="alice")


async def test_who_has_had_all_its_runs_is_told_when_to_come_again() -> None:
    clock = Clock()
    desk = Desk(["Done."] * 9, quotas=[Quota(per="user", window=AGE, max_runs=2)], clock=clock)
    async with desk.team as team:
        first = await team.run("a", principal=alice, plan=ONE, idempotency_key="a")
        await team.submit("b", principal=alice, plan=ONE)
        for begin in (team.run, team.submit):
            with pytest.raises(QuotaExceeded, match="2 runs of this user") as refused:
                await begin("c", principal=alice, plan=ONE)
            assert 0 < refused.value.retry_after <= AGE
        again = await team.run("a", principal=alice, plan=ONE, idempotency_key="a")
        assert again.run_id == first.run_id
        for who in (bob, eve):
            assert (await team.run("c", principal=who, plan=ONE)).state == "COMPLETED"
        clock.ahead += timedelta(seconds=refused.value.retry_after + 1)
        assert (await team.run("c", principal=alice, plan=ONE)).state == "COMPLETED"


async def test_a_conversation_has_a_quota_of_its_own() -> None:
    desk = Desk(["Done."] * 9, quotas=[Quota(per="conversation", window=AGE, max_runs=1)])
    async with desk.team as team:
        await team.run("a", principal=alice, plan=ONE, thread_id="c")
        with pytest.raises(QuotaExceeded, match="conversation"):
            await team.run("b", principal=alice, plan=ONE, thread_id="c")
        await team.run("b", principal=alice, plan=ONE, thread_id="d")
        await team.run("b", principal=eve, plan=ONE, thread_id="c")


async def test_a_call_that_does_not_fit_is_not_made_and_the_answer_says_so() -> None:
    desk = Desk(["Never said."], quotas=[Quota(per="tenant", window=AGE, max_tokens=1_000)])
    async with desk.team as team:
        run = await team.run("how is web-1?", principal=alice, plan=ONE)
        events = await history(team, run)
    assert run.state == "COMPLETED"
    assert run.answer != "Never said."
    assert any("1000 tokens of this tenant" in caveat for caveat in run.caveats)
    assert "budget_exceeded" in {event.kind for event in events}
    models = {e.data["model"] for e in events if e.kind == "model_call_started"}
    assert models == {"pilotman:rules"}


async def used(team: Supervisor, quota: Quota, memory: Memory, clock: Clock) -> Any:
    window = quota.window_of(alice, "", clock())
    await memory.journal.flush()
    return await memory.journal.quota_usage(window)


async def test_what_runs_use_is_booked_and_nothing_stays_reserved() -> None:
    quota, memory, clock = Quota(per="tenant", window=AGE, max_tokens=100_000), Memory(), Clock()
    desk = Desk(["Done."] * 9, quotas=[quota], memory=memory)
    async with desk.team as team:
        runs = await asyncio.gather(*(team.run(f"r{n}", principal=alice, plan=ONE) for n in range(4)))
        usage = await used(team, quota, memory, clock)
    spent = sum(run.usage.input_tokens + run.usage.output_tokens for run in runs)
    assert spent > 0
    assert (usage.runs, usage.tokens, usage.tokens_reserved) == (4, spent, 0)


async def test_what_costs_too_much_is_not_asked_for() -> None:
    prices = PriceTable(prices={"pilotman:scripted": Price(input=1_000.0, output=1_000.0)})
    quota, memory, clock = Quota(per="tenant", window=AGE, max_cost_usd=5.0), Memory(), Clock()
    desk = Desk(["Done."] * 9, quotas=[quota], memory=memory, prices=prices)
    async with desk.team as team:
        first = await team.run("a", principal=alice, plan=ONE)
        usage = await used(team, quota, memory, clock)
        runs = [await team.run(f"r{n}", principal=alice, plan=ONE) for n in range(4)]
        assert (await team.run("a", principal=eve, plan=ONE)).answer == "Done."
    assert first.answer == "Done.", usage
    assert first.usage.cost_usd == pytest.approx(usage.cost_nusd / 1e9)
    assert usage.cost_nusd_reserved == 0
    assert any("$5 of this tenant" in caveat for caveat in runs[-1].caveats)


async def test_runs_at_once_never_use_more_than_the_quota() -> None:
    quota, memory, clock = Quota(per="tenant", window=AGE, max_tokens=12_000), Memory(), Clock()
    desk = Desk(["Done."] * 40, quotas=[quota], memory=memory)
    async with desk.team as team:
        tried = [team.run(f"r{n}", principal=alice, plan=ONE) for n in range(30)]
        done = await asyncio.gather(*tried, return_exceptions=True)
        usage = await used(team, quota, memory, clock)
    runs = [run for run in done if isinstance(run, Run)]
    assert {run.state for run in runs} == {"COMPLETED"}
    assert all(isinstance(run, Run | QuotaExceeded) for run in done)
    assert usage.tokens + usage.tokens_reserved <= 12_000


async def test_no_more_writes_than_the_quota_over_all_runs(tmp_path: Path) -> None:
    open_three = calls(*(call("open_ticket", title=f"t{n}") for n in range(3)))
    memory = Memory(f"sqlite:///{tmp_path}/j.db")
    settings: Any = {
        "quotas": [Quota(per="tenant", window=AGE, max_writes=4)],
        "memory": memory,
        "policy": yes,
    }
    desk = Desk([open_three, "Done.", open_three, "Done."], **settings)
    async with desk.team as team:
        first = await team.run("a", principal=alice, plan=ONE)
        second = await team.run("b", principal=bob, plan=ONE)
    assert [action.status for action in first.actions] == ["applied"] * 3
    assert sorted(action.status for action in second.actions) == ["applied", "denied", "denied"]
    assert len(desk.opened) == 4
    assert any("writes per tenant" in action.message for action in second.actions)


async def test_taking_back_needs_no_quota_and_frees_what_was_used() -> None:
    rooms: list[str] = []

    @tool(effect="write")
    async def book_room(city: str) -> str:
        """Book a room."""
        rooms.append(city)
        return f"room in {city}"

    @book_room.compensate
    async def cancel_room(done: str, city: str) -> None:
        rooms.remove(city)

    turns: list[Any] = [call("book_room", city="Bern"), "Booked.", call("book_room", city="Rome"), "Booked."]
    settings: Any = {"policy": yes, "quotas": [Quota(per="user", window=AGE, max_writes=1)]}
    agents = [Specialist("operator", "Books rooms.", tools=[book_room])]
    async with Supervisor("trips", agents, models=ScriptedChatModel(turns), **settings) as team:
        first = await team.run("Bern", principal=alice, plan=ONE)
        assert rooms == ["Bern"]
        back = await team.compensate(first.run_id, principal=alice, reason="it rains")
        assert (back.state, rooms) == ("COMPLETED", [])
        await team.run("Rome", principal=alice, plan=ONE)
    assert rooms == ["Rome"]


def test_only_the_outermost_supervisor_has_quotas_and_each_once() -> None:
    quota = Quota(per="tenant", window=60, max_runs=1)
    agents = [Specialist("a", "Does a.")]
    with pytest.raises(ConfigurationError, match="nested"):
        Supervisor("outer", [Supervisor("inner", agents, quotas=[quota])])
    with pytest.raises(ConfigurationError, match="two quotas"):
        Supervisor("desk", agents, quotas=[quota, quota])
