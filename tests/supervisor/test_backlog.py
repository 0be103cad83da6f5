"""Requests that keep failing: given up, looked at, and sent again."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from tests.patience import PROCESS_PATIENCE, until
from tests.supervisor.scene import ONE, Desk, alice, check_moves, history, yes

from pilotman.agents import Specialist, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Capacity, Principal
from pilotman.guardrails.errors import Conflict, NotFound
from pilotman.memory import Memory
from pilotman.supervisor import Run, Supervisor

pytestmark = pytest.mark.anyio
OPEN = call("open_ticket", title="disk")
DONE = "Done: ticket about disk."


def tell(path: Path, statement: str, **values: Any) -> None:
    """Change the journal's file behind its back."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text(statement), values)
    engine.dispose()


async def ended(team: Supervisor, run: Run) -> Run:
    async def over() -> bool:
        return (await team.get(run.run_id, principal=run.principal)).ended

    await until(over)
    return await team.get(run.run_id, principal=run.principal)


async def test_a_request_that_cannot_be_driven_is_given_up_and_may_be_sent_again(tmp_path: Path) -> None:
    file = tmp_path / "j.db"
    settings: Any = {"memory": Memory(f"sqlite:///{file}"), "policy": yes}
    first = Desk([], capacity=Capacity(max_runs=0), **settings)
    async with first.team as team:
        run = await team.submit("disk", principal=alice, plan=ONE)
        assert [waiting.run_id for waiting in await team.queue(principal=alice)] == [run.run_id]
    kept = run.run_id
    engine = create_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        budget = json.loads(connection.execute(text("select budget from runs")).scalar_one())
    engine.dispose()
    tell(file, "update runs set budget = :b", b=json.dumps(budget | {"max_steps": 0}))
    desk = Desk([OPEN, DONE], capacity=Capacity(max_failures=3), **settings)
    async with desk.team as team:
        dead = await ended(team, run)
        assert (dead.state, dead.outcome) == ("FAILED", "given_up")
        assert "broke down 3 times: max_steps" in (dead.last_error or "")
        failed = [e for e in await history(team, dead) if e.kind == "drive_failed"]
        assert len(failed) == 3
        assert [letter.run_id for letter in await team.dead_letters(principal=alice)] == [kept]
        assert await team.queue(principal=alice) == []
        tell(file, "update runs set budget = :b", b=json.dumps(budget))
        again = await team.resend(kept, principal=alice)
        assert not again.ended
        done = await ended(team, run)
        check_moves(done, await history(team, done))
        assert await team.dead_letters(principal=alice) == []
    assert (done.state, done.outcome, desk.opened) == ("COMPLETED", "answered", ["disk"])
    assert [move.to_state for move in done.transitions[:2]] == ["FAILED", "PLANNED"]


CHILD = """
import asyncio, os, sys
from tests.supervisor.test_backlog import deadly
asyncio.run(deadly(sys.argv[1]))
"""


def poison(url: str, **settings: Any) -> Supervisor:
    """A team whose tool takes the process along."""

    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host."""
        import os

        os._exit(9)

    model = ScriptedChatModel([call("look", host="web-1")])
    agents = [Specialist("operator", "Looks.", tools=[look])]
    return Supervisor("desk", agents, models=model, memory=Memory(url), **settings)


async def deadly(url: str) -> None:
    """One life of a process that works on the queue of that team."""
    async with poison(url) as team:
        await until(lambda: False)
        print(team.name)


async def test_a_request_that_kills_its_process_is_given_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    async with poison(url, capacity=Capacity(max_runs=0)) as team:
        run = await team.submit("web-1", principal=alice, plan=ONE)
    for _ in range(2):
        command = [sys.executable, "-c", CHILD, url]
        done = await asyncio.to_thread(subprocess.run, command, timeout=PROCESS_PATIENCE, check=False)
        assert done.returncode == 9
    async with poison(url, capacity=Capacity(max_failures=2)) as team:
        dead = await ended(team, run)
        check_moves(dead, await history(team, dead))
        assert (dead.state, dead.outcome) == ("FAILED", "given_up")
        assert "broke down 2 times" in (dead.last_error or "")


async def test_only_what_has_failed_is_sent_again_and_only_by_its_tenant() -> None:
    desk = Desk(["Done."])
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        with pytest.raises(Conflict, match="is COMPLETED, not FAILED"):
            await team.resend(run.run_id, principal=alice)
        with pytest.raises(NotFound):
            await team.resend(run.run_id, principal=Principal(tenant="evil", user="alice"))
        assert await team.dead_letters(principal=alice) == []


async def test_a_write_in_doubt_is_not_sent_again_blindly(tmp_path: Path) -> None:
    file = tmp_path / "j.db"
    model = ScriptedChatModel([call("pay", amount=1), "It is not known."])

    @tool(effect="write")
    async def pay(amount: int) -> str:
        """Pay."""
        raise ToolFailure("no reply", kind="unknown_outcome")

    payer = Specialist("operator", "Pays.", tools=[pay])
    memory = Memory(f"sqlite:///{file}")
    async with Supervisor("desk", [payer], models=model, memory=memory, policy=yes) as team:
        run = await team.run("pay 1", principal=alice, plan=ONE)
        tell(file, "update runs set state = 'FAILED', active = false, owner = null")
        with pytest.raises(Conflict, match="may have left an effect behind"):
            await team.resend(run.run_id, principal=alice)
