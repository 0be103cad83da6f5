"""Runs that are under way when they are forgotten stop, wherever they are, and break nothing."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select
from tests.patience import PATIENCE, PROCESS_PATIENCE, until
from tests.retrieval.conftest import HashEmbeddings
from tests.retrieval.test_sealing import Notes, note
from tests.supervisor import forget_child
from tests.supervisor.remains import asks, corpus_at, desk, left, mark, marks, olga, plan, who
from tests.supervisor.scene import alice, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import NotFound
from pilotman.guardrails.seal import Subject
from pilotman.memory import Memory, Selector
from pilotman.memory.checkpoints.checkpoints import threads
from pilotman.memory.storage.schema import items
from pilotman.retrieval import Corpus
from pilotman.supervisor import Run, Supervisor
from pilotman.supervisor.forgetting import corpus_stores

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


async def test_neither_does_a_run_that_a_process_of_its_own_drives_leave_anything(tmp_path: Path) -> None:
    context: Any = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=forget_child.drives, args=(tmp_path, theirs))
    process.start()
    theirs.close()
    try:
        assert await asyncio.to_thread(ours.recv) == "begun"
        async with Memory(forget_child.url_at(tmp_path)) as memory:
            async with desk(memory, "alice") as team:
                receipt = await soon(team.forget(ALICE, principal=alice))
                assert receipt.is_complete, receipt.open
                assert receipt.erased["runs"] >= 1
                assert await asyncio.to_thread(ours.recv) in ("CANCELLED", "gone")
                await _gone(memory)
            process.join(PROCESS_PATIENCE)
            assert process.exitcode == 0
            assert memory.seal.keys is not None
            assert memory.seal.keys.find(Subject("acme", "alice")) is None, "nothing made her another key"
            assert not left([tmp_path], marks("alice"))
            assert (await memory.verify()).sound
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize(
    "what",
    [
        Selector(user="nobody"),
        Selector(user="nobody", source="wiki"),
        Selector(source="nowhere"),
        Selector(run_id="run_none"),
        Selector(fact_id="fact_none"),
        Selector(before=datetime(2000, 1, 1, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("tenant", ["acme", "unknown"])
async def test_where_there_is_nothing_the_receipt_is_complete_and_empty(
    tmp_path: Path, what: Selector, tenant: str
) -> None:
    asking = Principal(tenant=tenant, user="olga", roles=frozenset({"operator"}))
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        corpus = corpus_at(tmp_path)
        await corpus.reconcile()
        await memory.remember("bob likes tea", principal=who("bob"), source="user", reason="said so")
        async with desk(memory, "bob", corpus) as team:
            receipt = await team.forget(what, principal=asking)
            assert (receipt.is_complete, receipt.held, receipt.left) == (True, {}, {})
            assert set(receipt.erased.values()) == {0}
            assert await memory.receipts(principal=asking) == [receipt]
            assert len(await memory.recall(principal=who("bob"))) == 1
            assert memory.seal.keys is not None
            assert memory.seal.keys.find(Subject(tenant, "nobody")) is None, "nobody gets a key by that"
        assert (await memory.verify()).sound


async def test_a_parked_and_a_queued_run_go_and_their_conversation_is_free(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        team = desk(memory, "alice")
        parked = await asks(team, "alice", thread_id="t1")
        queued = await team.submit("later", principal=who("alice"), thread_id="t1", plan=plan("alice"))
        other = desk(memory, "alice", name="other")  # nobody works for it any more
        third = await asks(other, "alice", thread_id="t2")
        await other.aclose()
        receipt = await soon(team.forget(ALICE, principal=alice))
        assert receipt.is_complete
        for run in (parked, queued, third):
            with pytest.raises(NotFound):
                await team.resume(run.run_id, principal=alice)
        (question,) = third.approvals
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


# what came of a source


class Reads:
    """A team that reads notes about a lamp and a fuse, and says what it found."""

    def __init__(self, memory: Memory, folder: Path, *, asks: bool = False) -> None:
        texts = {
            name: f"The {name} lies in the drawer: {mark(name, 'document')}" for name in ("lamp", "fuse")
        }
        kept = {name: note(text, None, readers=["tenant:acme"]) for name, text in texts.items()}
        corpus = Corpus([Notes(**kept)], path=folder / "corpus", embedding=HashEmbeddings(), objective=None)

        @tool(effect="write", idempotency_key="{what}")
        async def fetch(what: str) -> str:
            """Fetch."""
            return "done"

        self.memory, self.corpus = memory, corpus_stores([corpus])[0].name
        turns = [call("fetch", what=mark("lamp", "argument"))] if asks else []
        agents = [Specialist("operator", "Looks.", tools=[fetch] if asks else [])]
        model = ScriptedChatModel([*turns, f"It is {mark('lamp', 'answer')}."] * 9)
        policy = None if asks else yes
        self.team = Supervisor("desk", agents, models=model, policy=policy, memory=memory, corpus=corpus)

    async def ask(self, text: str, **more: Any) -> Run:
        return await self.team.run(text, principal=who("alice"), plan=plan("alice"), **more)

    async def forget(self) -> Any:
        receipt = await self.team.forget(Selector(source="notes/lamp"), principal=olga)
        assert receipt.is_complete, receipt.open
        return receipt

    async def says(self, run: Run) -> str:
        """All that is kept of a run, but its request."""
        journal = self.memory.journal
        story = await journal.story(run.run_id, tenant="acme")
        bodies = await journal.payloads(run.run_id)
        wrote = await journal.read(
            lambda c: c.execute(select(items.c.digest).where(items.c.run_id == run.run_id)).all()
        )
        return str((story.events[1:], story.approvals, bodies, wrote))


async def test_answers_that_stand_on_a_forgotten_source_go_and_so_do_those_that_were_told_them(
    tmp_path: Path,
) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        reads = Reads(memory, tmp_path)
        async with reads.team:
            first = await reads.ask("where does the lamp lie", thread_id="t1")
            assert mark("lamp", "answer") in str(first.answer)
            assert "lamp" in str(first.retrieved)
            told = await reads.ask("xyzzy", thread_id="t1")  # finds nothing, but knows what was said before
            assert mark("lamp", "answer") in str(told.answer)
            assert "xyzzylamp" in await reads.says(told)
            receipt = await reads.forget()
            assert receipt.erased[reads.corpus] == 1
            for run in (first, told):
                now = await reads.team.get(run.run_id, principal=who("alice"))
                assert (now.state, now.answer, now.request) == ("COMPLETED", None, run.request)
                assert "forgotten" in str(now.caveats)
                assert "xyzzylamp" not in await reads.says(run)
            again = await reads.ask("and now", thread_id="t1")
            history = await memory.journal.events(again.run_id, tenant="acme")
            assert "conversation_recalled" not in {event.kind for event in history}
            erased = (await reads.forget()).erased
            assert (erased["facts"], erased[reads.corpus]) == (0, 0)
        assert (await memory.verify()).sound


async def test_a_run_that_waits_and_has_read_the_source_is_cancelled_with_its_questions_and_graphs(
    tmp_path: Path,
) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        reads = Reads(memory, tmp_path, asks=True)
        async with reads.team:
            run = await reads.ask("where does the lamp lie")
            assert run.state == "ESCALATED"
            inner: Any = memory.checkpointer.inner
            saver = await inner._store.saver()
            assert await threads(saver, run.run_id)
            assert "xyzzylamp" in await reads.says(run)
            await reads.forget()
            now = await reads.team.get(run.run_id, principal=who("alice"))
            assert (now.state, now.pending, now.answer) == ("CANCELLED", (), None)
            assert await threads(saver, run.run_id) == []
            assert "xyzzylamp" not in await reads.says(run)
        assert (await memory.verify()).sound
