"""People who wait elsewhere are told what they are asked: at least once, and at nobody's cost."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from tests.patience import in_time, until
from tests.supervisor.scene import ONE, Clock, Desk, alice, bob, calls, history

from pilotman.agents.testing import call
from pilotman.guardrails import Approval, Budget, Principal
from pilotman.guardrails.retry import Retry
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Supervisor, Task
from pilotman.supervisor.notices import AGAIN, LEASE

pytestmark = pytest.mark.anyio
OPEN = call("open_ticket", title="disk")


class Pager:
    """A notifier that notes what it was given, and fails the first so many times."""

    def __init__(self, *, fails: int = 0, hangs: bool = False) -> None:
        self.told: list[Approval] = []
        self.tried = 0
        self._fails = fails
        self._hangs = hangs

    async def notify(self, question: Approval, /) -> None:
        self.tried += 1
        if self._hangs:
            await asyncio.Event().wait()
        if self.tried <= self._fails:
            raise ConnectionError("no route to the pager")
        self.told.append(question)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotman.supervisor.notices.POLL_SECONDS", 0.01)
    monkeypatch.setattr("pilotman.supervisor.notices.BRIEFLY", Retry(max_attempts=2, backoff_ms=(1,)))


async def kinds(team: Supervisor, run: Any) -> list[str]:
    return [event.kind for event in await history(team, run)]


async def test_a_question_is_told_once_as_it_stands() -> None:
    pager = Pager()
    desk = Desk([OPEN, "Done."], notify=pager)
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        await until(lambda: bool(pager.told))
        assert pager.told == list(run.pending)
        await until(lambda: _told(team, run))
        await team.approve(run.pending[0].approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, len(pager.told)) == ("COMPLETED", 1)


async def _told(team: Supervisor, run: Any) -> bool:
    return "approval_notified" in await kinds(team, run)


async def test_what_was_asked_last_is_told_before_the_supervisor_closes() -> None:
    pager = Pager()
    async with Desk([OPEN], notify=pager).team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
    assert [asked.approval_id for asked in pager.told] == [run.pending[0].approval_id]


async def test_what_a_dead_process_asked_is_told_by_the_next(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    async with Desk([OPEN], memory=Memory(url)).team as team:  # it has told nobody
        run = await team.run("disk", principal=alice, plan=ONE)
    pager = Pager()
    async with Desk([], memory=Memory(url), notify=pager).team:
        await until(lambda: bool(pager.told))
    assert [asked.approval_id for asked in pager.told] == [run.pending[0].approval_id]
    again = Pager()
    async with Desk([], memory=Memory(url), notify=again).team:
        pass
    assert again.told == []


async def test_what_a_teller_took_and_died_with_is_told_again(tmp_path: Path) -> None:
    clock = Clock()
    url = f"sqlite:///{tmp_path}/j.db"
    async with Desk([OPEN], memory=Memory(url, clock=clock), clock=clock).team as team:
        await team.run("disk", principal=alice, plan=ONE)
        memory = Memory(url, clock=clock)
        await memory.start()
        assert await memory.journal.take_untold(supervisor="desk", lease=LEASE, limit=9)
        await memory.aclose()
    pager = Pager()
    async with Desk([], memory=Memory(url, clock=clock), clock=clock, notify=pager).team:
        assert pager.told == []
        clock.ahead += LEASE
        await until(lambda: bool(pager.told))


async def test_a_notifier_that_fails_is_tried_again_and_the_run_says_so() -> None:
    pager, clock = Pager(fails=3), Clock()
    desk = Desk([OPEN, "Done."], notify=pager, clock=clock)
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        await until(lambda: _failed(team, run))
        assert (pager.tried, pager.told) == (2, [])
        seen = await team.get(run.run_id, principal=alice)
        assert any("nobody could be told" in caveat and "no route" in caveat for caveat in seen.caveats)
        clock.ahead += AGAIN
        await until(lambda: bool(pager.told))
        assert pager.tried == 4
        await team.approve(run.pending[0].approval_id, principal=bob)
        assert (await team.resume(run.run_id, principal=alice)).state == "COMPLETED"


async def _failed(team: Supervisor, run: Any) -> bool:
    return "notification_failed" in await kinds(team, run)


async def test_a_notifier_that_hangs_keeps_neither_the_run_nor_the_end_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pilotman.supervisor.notices.DRAIN_SECONDS", 0.05)
    desk = Desk([OPEN, "Done."], notify=Pager(hangs=True))
    with in_time():
        async with desk.team as team:
            run = await team.run("disk", principal=alice, plan=ONE)
            await team.approve(run.pending[0].approval_id, principal=bob)
            assert (await team.resume(run.run_id, principal=alice)).state == "COMPLETED"


async def test_waiting_for_an_answer_is_no_active_time_though_people_are_told_late() -> None:
    clock = Clock()
    pager = Pager(fails=2)
    desk = Desk([OPEN, "Done."], notify=pager, clock=clock, budget=Budget(timeout=30.0))
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        await until(lambda: _failed(team, run))
        clock.ahead += 60 * AGAIN
        await until(lambda: bool(pager.told))
        await until(lambda: _told(team, run))
        await team.approve(run.pending[0].approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, run.answer) == ("COMPLETED", "Done.")
    assert desk.opened == ["disk"]


async def test_calls_that_join_a_question_are_told_too() -> None:
    pager = Pager()
    gate = asyncio.Event()
    plan = Plan(tuple(Task(task_id=n, agent="operator", goal=f"open {n}") for n in ("a", "b")))
    turns: list[AIMessage | str] = [call("open_ticket", title=n) for n in ("a", "b")]

    class Slow(Pager):
        async def notify(self, question: Approval, /) -> None:
            await pager.notify(question)
            gate.set()

    desk = Desk(turns, notify=Slow(), budget=Budget(max_parallel=1))
    async with desk.team as team:
        run = await team.run("open a and b", principal=alice, plan=plan)
        await gate.wait()
        await until(lambda: len(pager.told[-1].calls) == 2)
    assert pager.told[-1].digest == run.pending[0].digest


async def test_every_tenant_is_told_though_one_asks_very_much() -> None:
    pager = Pager()
    many = calls(*(call("open_ticket", title=f"t{n}") for n in range(3)))
    desk = Desk([many, OPEN, many], notify=pager)
    async with desk.team as team:
        for tenant in ("acme", "other", "acme"):
            who = Principal(tenant=tenant, user="alice")
            await team.run("disk", principal=who, plan=ONE)
        await until(lambda: len(pager.told) >= 3)
    assert {asked.requested_by.tenant for asked in pager.told} == {"acme", "other"}


async def test_closing_twice_or_after_the_memory_is_no_trouble(tmp_path: Path) -> None:
    memory = Memory(f"sqlite:///{tmp_path}/j.db")
    desk = Desk([OPEN], memory=memory, notify=Pager())
    async with memory:
        await desk.team.run("disk", principal=alice, plan=ONE)
    await desk.team.aclose()
    await desk.team.aclose()
