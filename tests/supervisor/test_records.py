"""Reading runs: events from any number on, as they happen, without gaps; records; from threads."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from tests.patience import PATIENCE
from tests.supervisor.scene import ONE, Clock, Desk, alice, bob, history, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails.errors import NotFound
from pilotman.memory import Memory, Retention, Selector
from pilotman.supervisor import Supervisor


@pytest.mark.anyio
async def test_events_come_as_they_happen_and_end_with_the_run(tmp_path: Path) -> None:
    gate = asyncio.Event()

    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host."""
        await gate.wait()
        return f"{host} is fine"

    url = f"sqlite:///{tmp_path}/j.db"
    model = ScriptedChatModel([call("look", host="web-1"), "web-1 is fine"])
    agents = [Specialist("operator", "Looks.", tools=[look])]
    other = Supervisor("desk", agents, memory=Memory(url))  # as another process would look on
    async with Supervisor("desk", agents, models=model, memory=Memory(url)) as team, other:
        run = await team.submit("web-1", principal=alice, plan=ONE)
        seen: list[list[int]] = [[], []]

        async def follow(reader: Supervisor, numbers: list[int]) -> None:
            async for event in reader.events(run.run_id, principal=alice):
                numbers.append(event.seq)
                if event.kind == "tool_call_started":
                    gate.set()

        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(follow(team, seen[0]), follow(other, seen[1]))
        everything = await history(team, run)
        assert seen[0] == seen[1] == [event.seq for event in everything]
        assert everything[-1].kind == "run_completed"
        for after in (0, 3, len(everything), 10**9):
            rest = [e.seq async for e in team.events(run.run_id, principal=alice, after=after)]
            assert rest == list(range(after + 1, len(everything) + 1))


@pytest.mark.anyio
async def test_a_run_that_is_kept_no_longer_is_not_served_swept_or_not() -> None:
    clock = Clock()
    memory = Memory(retention=Retention(run_ttl=timedelta(days=1)), clock=clock)
    team = Supervisor("desk", [Specialist("looker", "Looks.")], memory=memory, clock=clock)
    async with team:
        old = await team.run("how is web-1?", principal=alice)
        clock.ahead += timedelta(days=1)
        new = await team.run("how is web-2?", principal=alice)
        assert [run.run_id for run in await team.runs(principal=alice)] == [new.run_id]
        with pytest.raises(NotFound):
            await team.get(old.run_id, principal=alice)
        with pytest.raises(NotFound):
            await history(team, old)
        kept = await memory.inventory(Selector(user="alice"), principal=alice)
        assert [one["id"] for one in kept if one["kind"] == "run"] == [new.run_id]


@pytest.mark.anyio
async def test_events_end_where_the_run_waits_and_go_on_from_there() -> None:
    desk = Desk([call("open_ticket", title="disk"), "Done: ticket about disk."])
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        first = await history(team, run)
        assert first[-1].data["to"] == "ESCALATED"
        await team.approve(run.pending[0].approval_id, principal=bob)
        await team.resume(run.run_id, principal=alice)
        rest = [e async for e in team.events(run.run_id, principal=alice, after=first[-1].seq)]
    assert [e.seq for e in rest] == list(range(first[-1].seq + 1, first[-1].seq + 1 + len(rest)))
    assert rest[-1].kind == "run_completed"


@pytest.mark.anyio
async def test_runs_are_listed_newest_first_and_by_state() -> None:
    desk = Desk(["Done.", call("open_ticket", title="disk")])
    async with desk.team as team:
        first = await team.run("disk", principal=alice, plan=ONE)
        second = await team.run("disk", principal=alice, plan=ONE)
        assert [r.run_id for r in await team.runs(principal=alice)] == [second.run_id, first.run_id]
        assert [r.run_id for r in await team.runs(principal=alice, limit=1)] == [second.run_id]
        [waiting] = await team.runs(principal=alice, state="ESCALATED")
        assert waiting == await team.get(second.run_id, principal=alice)
        with pytest.raises(NotFound):
            await team.get("run_0", principal=alice)


def test_a_portal_serves_threads_and_can_be_opened_again() -> None:
    desk = Desk([call("open_ticket", title="disk"), "Done: ticket about disk."])
    with desk.team.portal() as call_in:
        run = call_in(desk.team.run, "disk", principal=alice, plan=ONE)
    with desk.team.portal() as call_in:
        call_in(desk.team.approve, run.pending[0].approval_id, principal=bob)
        done = call_in(desk.team.resume, run.run_id, principal=alice)
    assert (done.state, desk.opened) == ("COMPLETED", ["disk"])
    assert any("in memory only" in caveat for caveat in run.caveats)


@pytest.mark.anyio
async def test_a_memory_on_disk_outlives_the_supervisor(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    desk = Desk(
        [call("open_ticket", title="disk"), "Done: ticket about disk."], memory=Memory(url), policy=yes
    )
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
    async with Desk([], memory=Memory(url)).team as team:
        assert await team.get(run.run_id, principal=alice) == run
