"""Runs that are under way when they are forgotten stop, wherever they are, and break nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.patience import PATIENCE, until
from tests.supervisor.remains import asks, desk, mark, plan, who
from tests.supervisor.scene import alice, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails.errors import NotFound
from pilotman.memory import Memory, Selector
from pilotman.supervisor import Supervisor

pytestmark = pytest.mark.anyio
T = TypeVar("T")
ALICE = Selector(user="alice")


async def soon(awaited: Awaitable[T]) -> T:
    async with asyncio.timeout(PATIENCE):
        return await awaited


class Slow:
    """A team whose only tool hangs until it is let go."""

    def __init__(self, memory: Memory) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()

        @tool(effect="read")
        async def look(what: str) -> str:
            """Look."""
            self.begun.set()
            await self.go.wait()
            return mark("alice", "result")

        model = ScriptedChatModel([call("look", what="x"), mark("alice", "answer")])
        agents = [Specialist("operator", "Looks.", tools=[look])]
        self.team = Supervisor("desk", agents, models=model, policy=yes, memory=memory)

    async def ask(self) -> Any:
        return await self.team.run(mark("alice", "request"), principal=who("alice"), plan=plan("alice"))


async def _gone(memory: Memory) -> None:
    assert await memory.journal.runs(tenant="acme") == []


async def test_a_run_that_is_driven_here_is_cancelled_and_whoever_waits_hears_that_it_is_gone(
    tmp_path: Path,
) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        slow = Slow(memory)
        async with slow.team:
            waiting = asyncio.create_task(slow.ask())
            await soon(slow.begun.wait())
            receipt = await soon(slow.team.forget(ALICE, principal=alice))
            assert receipt.is_complete
            assert receipt.erased["runs"] >= 1
            await soon(asyncio.wait({waiting}))
            error = waiting.exception()
            assert isinstance(error, NotFound) or waiting.result().state == "CANCELLED"
            await _gone(memory)
        assert (await memory.verify()).sound


async def test_a_run_that_another_process_drives_is_cancelled_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/desk.db"
    async with Memory(url) as there, Memory(url) as here:
        slow = Slow(there)
        async with slow.team, desk(here, "alice") as team:
            waiting = asyncio.create_task(slow.ask())
            await soon(slow.begun.wait())
            receipt = await soon(team.forget(ALICE, principal=alice))
            assert receipt.is_complete
            await soon(asyncio.wait({waiting}))
            assert isinstance(waiting.exception(), NotFound) or waiting.result().state == "CANCELLED"
            await _gone(here)
            await _gone(there)


async def test_a_parked_and_a_queued_run_go_and_their_conversation_is_free(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        team = desk(memory, "alice")
        parked = await asks(team, "alice", thread_id="t1")
        queued = await team.submit("later", principal=who("alice"), thread_id="t1", plan=plan("alice"))
        other = desk(memory, "alice", name="other")  # nobody works for it any more
        left = await asks(other, "alice", thread_id="t2")
        await other.aclose()
        receipt = await soon(team.forget(ALICE, principal=alice))
        assert receipt.is_complete
        for run in (parked, queued, left):
            with pytest.raises(NotFound):
                await team.resume(run.run_id, principal=alice)
        (question,) = left.approvals
        with pytest.raises(NotFound):
            await team.approve(question.approval_id, principal=who("bob"))
        assert await team.queue(principal=alice) == []
        for thread in ("t1", "t2"):
            await team.submit("anew", principal=who("alice"), thread_id=thread, plan=plan("alice"))
        await team.aclose()


async def test_a_run_that_is_erased_under_its_driver_ends_without_a_word(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        slow = Slow(memory)
        async with slow.team:
            waiting = asyncio.create_task(slow.ask())
            await soon(slow.begun.wait())
            (row,) = await memory.journal.runs(tenant="acme")
            await memory.journal.erase_run(row.run_id, tenant="acme")
            slow.go.set()
            await soon(asyncio.wait({waiting}))
            assert isinstance(waiting.exception(), NotFound)
            await until(lambda: not slow.team._station._engine._holds)  # type: ignore[union-attr]
        taken = await memory.journal.take_over(
            supervisor="desk", owner="me", lease=timedelta(seconds=9), is_dead=lambda _: True
        )
        assert taken is None
        assert (await memory.verify()).sound
    assert mark("alice", "answer").encode() not in (tmp_path / "desk.db").read_bytes()
