"""Who drives a run: joined while its owner lives, taken over when it is dead, never driven by two."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.patience import PATIENCE, PROCESS_PATIENCE, until
from tests.supervisor.scene import ONE, Desk, alice, bob, check_moves, history, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails.errors import Conflict, Unavailable
from pilotman.memory import Memory
from pilotman.supervisor import Supervisor


class Slow:
    """A team whose one tool waits until the test lets it go on; ``began`` counts its calls."""

    def __init__(self, url: str = "sqlite://", *, memory: Memory | None = None) -> None:
        self.began = 0
        self.gate = asyncio.Event()

        @tool(effect="read")
        async def look(host: str) -> str:
            """Look at a host."""
            self.began += 1
            await self.gate.wait()
            return f"{host} is fine"

        self.model = ScriptedChatModel([call("look", host="web-1"), "web-1 is fine", "web-1 is fine"])
        self.memory = memory or Memory(url)
        agents = [Specialist("operator", "Looks.", tools=[look])]
        self.team = Supervisor("desk", agents, models=self.model, memory=self.memory)

    def start(self, **kwargs: Any) -> asyncio.Task[Any]:
        return asyncio.create_task(self.team.run("web-1", principal=alice, plan=ONE, **kwargs))

    async def working(self) -> bool:
        return self.began > 0


@pytest.mark.anyio
async def test_many_callers_share_one_drive() -> None:
    slow = Slow()
    async with slow.team as team:
        works = [slow.start(idempotency_key="k") for _ in range(5)]
        await until(slow.working)
        [run] = await team.runs(principal=alice)
        works += [asyncio.create_task(team.resume(run.run_id, principal=alice)) for _ in range(5)]
        await asyncio.sleep(0.05)
        slow.gate.set()
        runs = await asyncio.gather(*works)
        check_moves(runs[0], await history(team, runs[0]))
    assert {r.run_id for r in runs} == {run.run_id}
    assert {r.state for r in runs} == {"COMPLETED"}
    assert slow.began == 1


@pytest.mark.anyio
async def test_a_caller_that_goes_away_leaves_the_others_their_run() -> None:
    slow = Slow()
    async with slow.team as team:
        first, second = slow.start(idempotency_key="k"), slow.start(idempotency_key="k")
        await until(slow.working)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        slow.gate.set()
        assert (await second).state == "COMPLETED"
        assert (slow.began, len(await team.runs(principal=alice))) == (1, 1)


@pytest.mark.anyio
async def test_a_run_whose_caller_was_cancelled_can_be_resumed() -> None:
    slow = Slow()
    async with slow.team as team:
        work = slow.start()
        await until(slow.working)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        [run] = await team.runs(principal=alice)
        assert run.state in ("EXECUTING", "WAITING_FOR_TOOL")
        slow.gate.set()
        run = await team.resume(run.run_id, principal=alice)
        check_moves(run, await history(team, run))
    assert (run.state, slow.began) == ("COMPLETED", 2)


@pytest.mark.anyio
async def test_closing_the_supervisor_leaves_its_runs_resumable_and_it_can_be_used_again(
    tmp_path: Path,
) -> None:
    slow = Slow(f"sqlite:///{tmp_path}/j.db")
    work = slow.start()
    await until(slow.working)
    await slow.team.aclose()
    with pytest.raises(Unavailable, match="resume"):
        await work
    slow.gate.set()
    async with slow.team as team:
        [run] = await team.runs(principal=alice)
        run = await team.resume(run.run_id, principal=alice)
    assert run.state == "COMPLETED"


@pytest.mark.anyio
async def test_another_instance_waits_for_a_living_owner(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    slow, other = Slow(url), Slow(url)
    async with slow.team, other.team as second:
        work = slow.start()
        await until(slow.working)
        [run] = await second.runs(principal=alice)
        joined = asyncio.create_task(second.resume(run.run_id, principal=alice))
        await asyncio.sleep(0.5)
        assert not joined.done()
        slow.gate.set()
        assert (await joined).state == (await work).state == "COMPLETED"
    assert (slow.began, other.began) == (1, 0)


@pytest.mark.anyio
async def test_a_fenced_owner_stops_and_joins_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    slow, other = Slow(f"sqlite:///{path}"), Slow(f"sqlite:///{path}")
    async with slow.team as first, other.team as second:
        work = slow.start()
        await until(slow.working)
        [run] = await first.runs(principal=alice)
        engine = create_engine(f"sqlite:///{path}")
        with engine.begin() as connection:  # as if its lease had run out
            connection.execute(text("update runs set owner = null, lease_until = null"))
        engine.dispose()
        taken = asyncio.create_task(second.resume(run.run_id, principal=alice))
        await until(other.working)
        slow.gate.set()
        await asyncio.sleep(0.3)
        assert not work.done(), "the first one has lost it and waits for the second"
        other.gate.set()
        mine, theirs = await work, await taken
        check_moves(theirs, await history(second, theirs))
    assert mine.state == theirs.state == "COMPLETED"


@pytest.mark.anyio
async def test_joining_a_run_that_has_ended_does_not_block_its_conversation() -> None:
    desk = Desk(["Done."] * 3, policy=yes)
    async with desk.team as team:
        first = await team.run("disk", principal=alice, plan=ONE, idempotency_key="k", thread_id="c")
        again = await team.run("disk", principal=alice, plan=ONE, idempotency_key="k", thread_id="c")
        other = await team.run("more", principal=alice, plan=ONE, thread_id="c")
    assert first.run_id == again.run_id != other.run_id
    assert other.state == "COMPLETED"


@pytest.mark.anyio
async def test_another_team_s_run_is_not_driven_with_this_team() -> None:
    memory = Memory()
    desk = Desk([call("open_ticket", title="disk")], memory=memory)
    other = Supervisor("other", [Specialist("x", "Does x.")], memory=memory)
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE, idempotency_key="k")
        for begin in (other.run, other.submit):
            with pytest.raises(Conflict, match="desk"):
                await begin("disk", principal=alice, idempotency_key="k")
        for go_on in (other.resume, other.cancel):
            with pytest.raises(Conflict, match="desk"):
                await go_on(run.run_id, principal=alice)
        assert (await team.get(run.run_id, principal=alice)).state == "ESCALATED"


@pytest.mark.anyio
async def test_two_supervisors_may_share_a_memory_that_one_of_them_opened() -> None:
    memory = Memory()
    first, second = Desk(["Done."], memory=memory), Desk(["Done."], memory=memory)
    run = await first.team.run("disk", principal=alice, plan=ONE)
    assert (await second.team.get(run.run_id, principal=alice)).state == "COMPLETED"
    await second.team.aclose()
    assert memory.journal.started, "the second one found it open"
    await first.team.aclose()
    assert not memory.journal.started, "the first one had opened it"


CHILD = """
import asyncio, sys
from datetime import timedelta
from pilotman.supervisor import engine
from tests.supervisor.test_takeover import Slow
engine.LEASE = timedelta(hours=1)  # nobody waits for its end
slow = Slow(sys.argv[1])
async def main():
    work = slow.start(idempotency_key="k")
    await asyncio.sleep(0.05)
    while not slow.began and not work.done():
        await asyncio.sleep(0.02)
    await slow.memory.journal.flush()  # also what it wrote down without waiting
    print("began", slow.began, flush=True)
    if sys.argv[2] == "go on":
        await asyncio.sleep(0.5)
        slow.gate.set()
    print((await work).state, slow.began, flush=True)
    await slow.team.aclose()
asyncio.run(main())
"""


def child(url: str, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", CHILD, url, what], stdout=subprocess.PIPE, text=True)


@pytest.mark.anyio
async def test_a_dead_process_s_run_is_taken_over_at_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    with child(url, "hang") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began 1\n"
        os.kill(process.pid, signal.SIGKILL)
    slow = Slow(url)
    slow.gate.set()
    async with slow.team as team:
        [run] = await team.runs(principal=alice)
        async with asyncio.timeout(PATIENCE):
            run = await team.resume(run.run_id, principal=alice)
        events = await history(team, run)
        check_moves(run, events)
    assert (run.state, slow.began) == ("COMPLETED", 1)
    assert [e.data["reason"] for e in events if e.kind == "run_resumed"] == ["taken over"]


@pytest.mark.anyio
async def test_who_starts_goes_on_with_the_runs_of_a_dead_process_unasked(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    with child(url, "hang") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "began 1\n"
        os.kill(process.pid, signal.SIGKILL)
    slow = Slow(url)
    slow.gate.set()
    async with slow.team as team:

        async def over() -> bool:
            return all(run.ended for run in await team.runs(principal=alice))

        await until(over)
        [run] = await team.runs(principal=alice)
        check_moves(run, await history(team, run))
    assert (run.state, slow.began) == ("COMPLETED", 1)


NEWBORN = """
import asyncio, os, sys
from pilotman.supervisor.engine import Engine
from tests.supervisor.test_takeover import Slow
Engine.advance = lambda *_: os._exit(9)  # it dies when the run is stored and nothing of it is done
slow = Slow(sys.argv[1])
async def main():
    await slow.start()
asyncio.run(main())
"""


@pytest.mark.anyio
async def test_a_run_whose_process_died_before_it_began_is_gone_on_with(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    command = [sys.executable, "-c", NEWBORN, url]
    done = await asyncio.to_thread(subprocess.run, command, timeout=PROCESS_PATIENCE, check=False)
    assert done.returncode == 9
    slow = Slow(url)
    slow.gate.set()
    async with slow.team as team:

        async def over() -> bool:
            return all(run.ended for run in await team.runs(principal=alice))

        await until(over)
        [run] = await team.runs(principal=alice)
    assert (run.state, slow.began) == ("COMPLETED", 1)


@pytest.mark.anyio
async def test_two_processes_that_send_the_same_request_share_one_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    async with Memory(url):
        pass
    children = [child(url, "go on") for _ in range(2)]
    told = [await asyncio.to_thread(c.communicate, timeout=PROCESS_PATIENCE) for c in children]
    said = [out.splitlines()[-1] for out, _ in told]
    assert sorted(said) == ["COMPLETED 0", "COMPLETED 1"]
    slow = Slow(url)
    async with slow.team as team:
        [run] = await team.runs(principal=alice)
        check_moves(run, await history(team, run))


def test_two_event_loops_one_after_the_other() -> None:
    desk = Desk([call("open_ticket", title="disk"), "Done: ticket about disk.", "Done."])

    async def first() -> Any:
        found = await asyncio.gather(*(desk.team.runs(principal=alice) for _ in range(4)))
        assert found == [[], [], [], []]
        run = await desk.team.run("disk", principal=alice, plan=ONE)
        await desk.team.submit("more", principal=alice, plan=ONE, thread_id=run.thread_id)
        return run

    async def second(run: Any) -> Any:
        await desk.team.approve(run.pending[0].approval_id, principal=bob)
        run = await desk.team.resume(run.run_id, principal=alice)
        queued = await desk.team.submit("again", principal=alice, plan=ONE, idempotency_key="x")
        await desk.team.cancel(queued.run_id, principal=alice)
        await desk.team.aclose()
        return run

    run = asyncio.run(second(asyncio.run(first())))
    assert (run.state, desk.opened) == ("COMPLETED", ["disk"])
