"""No write starts after a switch: not between decision and intent, not between attempts, not after a yes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import create_engine, text
from tests.agents.bank import Service, credit, effects
from tests.agents.office import (
    ALICE,
    QUICK,
    Clock,
    Office,
    allow_all,
    allowed,
    ask_about_writes,
    deny_writes,
    office,
    proposed,
    result_of,
    tool_messages,
)

from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.desk import Desk
from pilotman.agents.failure import ToolFailure
from pilotman.agents.scope import NoActivity
from pilotman.agents.switches import PromptBody
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.level import Scope
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import Switched

pytestmark = pytest.mark.anyio
Before = Callable[[int], Awaitable[object]]


async def switch(place: Office, level: Any, **scope: Any) -> None:
    await place.journal.set_level(Scope(tenant="acme", **scope), level, principal=ALICE, reason="incident 42")


class Mail:
    """A tool that mails; ``sent`` is what was. ``first`` is awaited in each attempt, with its number."""

    def __init__(self, *, first: Before | None = None, facts: Before | None = None, fails: int = 0) -> None:
        self.sent: list[str] = []
        self.attempts = 0
        self.looked = 0

        @tool(effect="irreversible", retry=QUICK)
        async def send(to: str) -> str:
            """Send a mail."""
            self.attempts += 1
            if first is not None:
                await first(self.attempts)
            if self.attempts <= fails:
                raise ToolFailure("busy", kind="transient")
            self.sent.append(to)
            return "sent"

        self.tool: Tool[..., Any] = send
        if facts is not None:

            @send.precondition
            async def exists(to: str) -> dict[str, Any]:
                self.looked += 1
                await facts(self.looked)
                return {"exists": to}

    async def seat(self, place: Office, **fields: Any) -> Desk:
        return place.desk(await place.run(**fields.pop("run", {})), self.tool, **fields)


def mail(to: str = "bob") -> Any:
    return allowed("send", to=to)


async def drafts(place: Office) -> list[str]:
    return [event.data["tool"] for event in await place.events("run_1", "write_drafted")]


# the level that holds when it is decided


@pytest.mark.parametrize(
    ("level", "stage", "words"),
    [
        ("off", "done", "switched_off: send"),
        ("read_only", "done", "drafted, not done"),
        ("constrained", "waiting", ""),
        ("full", "allowed", ""),
    ],
)
@pytest.mark.parametrize("scope", [{}, {"tool": "send"}, {"effect": "irreversible"}, {"agent": "office"}])
async def test_what_each_level_makes_of_a_write(level: str, stage: str, words: str, scope: Any) -> None:
    async with office() as place:
        box = Mail()
        await switch(place, level, **scope)
        desk = await box.seat(place)
        [judged] = await desk.guard.guard([proposed("send", to="bob")])
        assert judged.stage == stage
        assert words in str(judged.result)
        done = await desk.act(judged)
        assert box.sent == (["bob"] if level == "full" else [])
        assert await drafts(place) == (["send"] if level == "read_only" else [])
        assert len(await place.open()) == (level == "constrained")
        assert "incident 42" not in str(done.result), "who said so and why is not for the model"


async def test_a_tool_that_is_off_is_not_read_either_nor_asked_for_facts() -> None:
    read: list[str] = []

    @tool(effect="read")
    async def look(host: str) -> str:
        """Look."""
        read.append(host)
        return host

    async def never(_: int) -> None:
        raise AssertionError("its precondition was asked")

    async with office() as place:
        box = Mail(facts=never)
        desk = place.desk(await place.run(), look, box.tool)
        await switch(place, "off")
        for name, args in (("look", {"host": "h"}), ("send", {"to": "bob"})):
            assert not await desk.guard.is_free(proposed(name, **args))
            [refused] = await desk.guard.guard([proposed(name, **args)])
            assert "switched_off" in str(refused.result)
        await switch(place, "read_only")
        await desk.guard.switches.look(age=0)
        assert await desk.guard.is_free(proposed("look", host="h"))
        assert (read, box.sent) == ([], [])


async def test_what_was_never_looked_at_is_off() -> None:
    async with office() as place:
        box = Mail()
        desk = await box.seat(place)
        assert desk.guard.switches.of(box.tool).level == "off"
        await desk.guard.switches.look()
        assert desk.guard.switches.of(box.tool).level == "full"


async def test_what_policies_deny_is_denied_and_no_draft() -> None:
    async with office() as place:
        desk = await Mail().seat(place, policies=[deny_writes])
        await switch(place, "read_only")
        [judged] = await desk.guard.guard([proposed("send", to="bob")])
        assert "denied_by_policy" in str(judged.result)
        assert await drafts(place) == []


async def test_a_run_that_is_read_only_drafts_whatever_the_level() -> None:
    async with office() as place:
        box = Mail()
        desk = await box.seat(place, run={"read_only": True})
        await switch(place, "full")
        [judged] = await desk.guard.guard([proposed("send", to="bob")])
        assert (judged.stage, box.sent) == ("done", [])
        [draft] = await place.events("run_1", "write_drafted")
        assert desk.task.run.recorder.body(draft.data, "args") == {"to": "bob"}
        assert draft.data["reason"] == "this run is read-only"
        assert desk.task.run.caveats == ["send: drafted, not done: this run is read-only"]


async def test_a_draft_stays_a_draft_also_after_a_crash_and_a_higher_level() -> None:
    async with office() as place:
        box = Mail()
        await switch(place, "read_only")
        first = await box.seat(place)
        await first.guard.guard([proposed("send", to="bob")])
        await switch(place, "full")
        again = await box.seat(place, run={"new": False})
        [judged] = await again.guard.guard([proposed("send", to="bob")])
        assert "drafted" in str(judged.result)
        assert "drafted" in str((await again.act(mail())).result)
        assert box.sent == []


async def test_a_draft_is_nothing_that_a_report_may_claim_as_done() -> None:
    async with office() as place:
        await switch(place, "read_only")
        truth = "A mail to bob was drafted, not sent."
        model = ScriptedChatModel([call("send", to="bob"), "I sent the mail to bob.", truth])
        state = await place.drive(await Mail().seat(place, models=model))
        report = state["report"]
        assert (report["text"], report["status"]) == (truth, "ok"), "what it claimed first was refused"
        assert '"status":"partial"' in tool_messages(state)[0]


# after the decision


async def test_between_the_permit_and_the_intent() -> None:
    async with office() as place:
        box = Mail()
        desk = await box.seat(place)
        await desk.permits.issue(mail(), None)
        await switch(place, "off")
        with pytest.raises(Switched):
            await desk.ledger.write(mail())
        assert (box.attempts, await effects(place)) == (0, [])


@pytest.mark.parametrize("level", ["off", "read_only", "constrained"])
async def test_a_switch_in_the_middle_of_the_decision_means_another_decision(level: str) -> None:
    async with office() as place:

        async def set_it(number: int) -> None:
            if number == 1:
                await switch(place, level)

        box = Mail(facts=set_it)
        desk = await box.seat(place)
        done = await desk.act(mail())
        assert (box.attempts, await effects(place)) == (0, [])
        assert done.stage == ("waiting" if level == "constrained" else "done")
        assert await drafts(place) == (["send"] if level == "read_only" else [])


@pytest.mark.parametrize("level", ["off", "read_only", "constrained"])
async def test_between_two_attempts(level: str) -> None:
    async with office() as place:

        async def set_it(number: int) -> None:
            await switch(place, level)

        box = Mail(first=set_it, fails=2)
        desk = await box.seat(place)
        done = await desk.act(mail())
        assert (box.attempts, box.sent) == (1, [])
        assert "busy; not tried again" in str(done.result)
        [effect] = await effects(place)
        assert effect.state == "not_applied"


async def test_attempts_go_on_where_nothing_was_switched() -> None:
    async with office() as place:
        box = Mail(fails=2)
        await (await box.seat(place)).act(mail())
        assert (box.attempts, box.sent) == (3, ["bob"])


async def test_a_lost_reply_is_not_asked_for_again_by_writing_again() -> None:
    async with office() as place:
        bank = Service(loses=1, lookup=False, knows_keys=True)

        class Gate(asyncio.Event):
            async def wait(self) -> Literal[True]:
                await switch(place, "off")
                return True

        bank.gate = Gate()
        desk = place.desk(await place.run(), bank.tool)
        await desk.act(credit())
        assert (bank.calls, bank.credits) == (1, ["a1"])
        [effect] = await effects(place)
        assert effect.state == "unknown"
        [asked] = await place.open()
        assert asked.kind == "outcome"


@pytest.mark.parametrize(
    ("level", "sent"), [("off", []), ("read_only", []), ("constrained", ["bob"]), ("full", ["bob"])]
)
async def test_a_yes_that_was_given_before_the_switch(level: str, sent: list[str]) -> None:
    async with office() as place:
        box = Mail()
        model = ScriptedChatModel([call("send", to="bob"), "Nothing else."])
        desk = await box.seat(place, policies=[ask_about_writes], models=model)
        await place.drive(desk)
        [asked] = await place.open()
        await place.answer(asked)
        await switch(place, level)
        again = await box.seat(place, run={"new": False}, policies=[ask_about_writes], models=model)
        state = await place.drive(again)
        assert state["report"] is not None
        assert box.sent == sent
        assert await drafts(place) == (["send"] if level == "read_only" else [])


async def test_constrained_asks_once_and_a_yes_is_enough() -> None:
    async with office() as place:
        box = Mail()
        model = ScriptedChatModel([call("send", to="bob"), "Sent."])
        await switch(place, "constrained")
        desk = await box.seat(place, policies=[allow_all], models=model)
        await place.drive(desk)
        [asked] = await place.open()
        assert "to constrained: incident 42" in asked.reasons[0]
        await place.answer(asked)
        await place.drive(await box.seat(place, run={"new": False}, models=model))
        assert box.sent == ["bob"]


async def test_arguments_that_an_approver_changed_are_stopped_too() -> None:
    async with office() as place:
        box = Mail()
        desk = await box.seat(place, policies=[ask_about_writes])
        [waiting] = await desk.guard.guard([proposed("send", to="bob")])
        [asked] = await place.open()
        await place.answer(asked, new_args={"to": "carol"})
        await switch(place, "read_only")
        done = await desk.act(waiting)
        assert ("drafted" in str(done.result), box.sent) == (True, [])
        [draft] = await place.events("run_1", "write_drafted")
        assert desk.task.run.recorder.body(draft.data, "args") == {"to": "carol"}


# the store


@asynccontextmanager
async def on_disk(folder: Path) -> AsyncGenerator[Office]:
    clock = Clock()
    journal = Journal(f"sqlite:///{folder}/j.db", clock=clock)
    await journal.start()
    yield Office(journal, clock)
    await journal.aclose()


def destroy(folder: Path) -> None:
    engine = create_engine(f"sqlite:///{folder}/j.db")
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE levels"))
    engine.dispose()


async def test_switches_that_cannot_be_read_are_off_for_reads_and_writes(tmp_path: Path) -> None:
    async with on_disk(tmp_path) as place:
        box = Mail()
        desk = await box.seat(place)
        destroy(tmp_path)
        [judged] = await desk.guard.guard([proposed("send", to="bob")])
        assert "switched_off" in str(judged.result)
        assert desk.task.run.caveats == ["send was not used: the switches cannot be read, which means off"]
        assert box.attempts == 0


async def test_switches_that_cannot_be_read_between_attempts_end_them(tmp_path: Path) -> None:
    async with on_disk(tmp_path) as place:

        async def gone(_: int) -> None:
            destroy(tmp_path)

        box = Mail(first=gone, fails=1)
        done = await (await box.seat(place)).act(mail())
        assert box.attempts == 1
        assert "cannot be read, which means off" in str(done.result)


# a process that is too busy


class Hog(NoActivity):
    """Keeps the event loop busy between the look and the attempt, some times."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self._left = list(seconds)

    def waiting(self, path: str, delta: int) -> None:
        if delta > 0 and self._left:
            time.sleep(self._left.pop(0))


async def test_an_attempt_that_comes_too_late_after_its_look_does_not_start() -> None:
    async with office() as place:
        box = Mail()
        desk = await box.seat(place, run={"activity": Hog([1.0])})
        done = await desk.act(mail())
        assert result_of(done).value == "sent"
        assert (box.attempts, box.sent) == (1, ["bob"]), "the first attempt did not begin, the second did"
        failed = await place.events("run_1", "tool_call_failed")
        assert [event.data["failure"] for event in failed] == ["transient"]
        assert "too busy" in failed[0].data["message"]


class Elsewhere(Hog):
    """Another process sets a switch while this one's event loop is busy."""

    def __init__(self, folder: Path) -> None:
        super().__init__([1.0])
        self._folder = folder

    def waiting(self, path: str, delta: int) -> None:
        if delta > 0 and self._left:
            row = "1, 'acme', '', '', '', 'off', 'because', 'olga', 0, 0"
            engine = create_engine(f"sqlite:///{self._folder}/j.db")
            with engine.begin() as connection:
                connection.execute(text(f"INSERT INTO levels VALUES ({row})"))
            engine.dispose()
        super().waiting(path, delta)


async def test_a_switch_that_was_set_while_the_process_was_too_busy_is_seen(tmp_path: Path) -> None:
    async with on_disk(tmp_path) as place:
        box = Mail()
        desk = await box.seat(place, run={"activity": Elsewhere(tmp_path)})
        done = await desk.act(mail())
        assert box.attempts == 0
        assert "not tried again: it is switched off" in str(done.result)


async def test_a_body_begins_in_time_or_not_at_all() -> None:
    box = Mail()
    ctx = ToolContext(
        run_id="r", principal=ALICE, idempotency_key="", deadline_at=Clock()(), credentials={}, attempt=1
    )
    late = PromptBody(inner=box.tool.body, until=time.monotonic() - 0.001)
    with pytest.raises(ToolFailure, match="did not start"):
        await late({"to": "bob"}, ctx, Threads())
    assert box.attempts == 0
    await PromptBody(inner=box.tool.body, until=time.monotonic() + 60)({"to": "bob"}, ctx, Threads())
    assert box.attempts == 1


@pytest.mark.parametrize("level", ["off", "read_only"])
async def test_nobody_is_asked_whether_an_agent_may_repeat_what_is_stopped_anyway(level: str) -> None:
    async with office() as place:
        box = Mail()
        desk = await box.seat(place)
        await switch(place, level)
        wanted = [{"id": str(n), "name": "send", "args": {"to": "bob"}} for n in range(4)]
        calls = [desk.guard.propose_one(one, path=f"p{one['id']}") for one in wanted]
        assert calls[-1].repeat is not None
        judged = await desk.guard.guard(calls)
        assert [call.stage for call in judged] == ["done"] * 4
        assert (await place.open(), box.attempts) == ([], 0)
