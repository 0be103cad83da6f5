"""The state machine as runs live it: every way through the table, and what people may say."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PATIENCE, until
from tests.supervisor.scene import ONE, Clock, Desk, alice, bob, calls, check_moves, history, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Call, Decision
from pilotman.guardrails.errors import Conflict, InvalidRequest
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Supervisor, Task

OPEN = call("open_ticket", title="disk")


def states(run: Any) -> list[str]:
    return [move.to_state for move in run.transitions]


@pytest.mark.anyio
async def test_the_straight_way() -> None:
    desk = Desk([OPEN, "Done: ticket about disk."], policy=yes)
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        check_moves(run, await history(team, run))
    assert states(run) == ["PLANNED", "EXECUTING", "VALIDATING", "COMPLETED"]


@pytest.mark.anyio
async def test_a_slow_tool_shows_in_the_state() -> None:
    async def shown() -> bool:
        [run] = await team.runs(principal=alice)
        return run.state == "WAITING_FOR_TOOL"

    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host."""
        await until(shown)
        return f"{host} is fine"

    model = ScriptedChatModel([call("look", host="web-1"), "web-1 is fine"])
    async with Supervisor("t", [Specialist("operator", "Looks.", tools=[look])], models=model) as team:
        run = await team.run("web-1", principal=alice, plan=ONE)
        check_moves(run, await history(team, run))
    assert states(run)[2:4] == ["WAITING_FOR_TOOL", "EXECUTING"]


@pytest.mark.anyio
async def test_tools_that_take_about_as_long_as_the_state_needs_to_settle() -> None:
    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host."""
        await asyncio.sleep(0.018 + int(host) * 0.0007)
        return f"{host} is fine"

    turns: list[Any] = [call("look", host=str(n)) for n in range(12)]
    team = Supervisor(
        "t",
        [Specialist("operator", "Looks.", tools=[look])],
        models=ScriptedChatModel([*turns, "All are fine."]),
        budget=Budget(max_calls_per_tool=100),
    )
    async with team:
        run = await team.run("0 1 2 3 4 5 6 7 8 9 10 11", principal=alice, plan=ONE)
        check_moves(run, await history(team, run))
    assert run.state == "COMPLETED", run.last_error


@pytest.mark.anyio
async def test_a_yes_a_no_and_an_answer_of_one_s_own() -> None:
    for verb, opened, words in (("approve", ["disk"], "ticket"), ("reject", [], "not now")):
        desk = Desk([OPEN, f"{'Done: ticket about disk' if opened else 'bob said: not now'}."])
        async with desk.team as team:
            run = await team.run("disk", principal=alice, plan=ONE)
            assert states(run)[-1] == "ESCALATED"
            await getattr(team, verb)(run.pending[0].approval_id, principal=bob, comment="not now")
            run = await team.resume(run.run_id, principal=alice)
            check_moves(run, await history(team, run))
        assert desk.opened == opened
        assert states(run)[-4:] == ["ESCALATED", "EXECUTING", "VALIDATING", "COMPLETED"]
        assert words in str(run.answer)


def look_first(_: Call) -> Decision:
    return Decision.escalate("somebody is to look")


@pytest.mark.anyio
async def test_an_answer_that_may_not_leave_can_be_replaced_by_a_person() -> None:
    desk = Desk(["The disk is full."], answer_policy=look_first)
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        assert (run.state, run.answer) == ("ESCALATED", None), "a draft that waits does not show"
        with pytest.raises(InvalidRequest):
            await team.approve(run.pending[0].approval_id, principal=bob, args={"text": "x"})
        await team.approve(run.pending[0].approval_id, principal=bob, args={"answer": "We are on it."})
        run = await team.resume(run.run_id, principal=alice)
        check_moves(run, await history(team, run))
    assert states(run)[-2:] == ["ESCALATED", "COMPLETED"]
    assert (run.answer, run.outcome) == ("We are on it.", "closed by a person")


@pytest.mark.anyio
async def test_a_tool_s_argument_named_answer_does_not_close_the_run() -> None:
    sent: list[str] = []

    @tool(effect="write")
    async def reply(answer: str) -> str:
        """Reply to the customer."""
        sent.append(answer)
        return "sent"

    model = ScriptedChatModel([call("reply", answer="Hello"), "It was sent."])
    async with Supervisor("t", [Specialist("operator", "Replies.", tools=[reply])], models=model) as team:
        run = await team.run("say hello", principal=alice, plan=ONE)
        await team.approve(run.pending[0].approval_id, principal=bob, args={"answer": "Good day"})
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, run.answer, sent) == ("COMPLETED", "It was sent.", ["Good day"])


@pytest.mark.anyio
async def test_one_answer_of_two_lets_its_task_go_on() -> None:
    plan = Plan(tuple(Task(task_id=n, agent="operator", goal=f"open {n}") for n in ("a", "b")))
    desk = Desk([call("open_ticket", title="a"), call("open_ticket", title="b"), "Done.", "Done.", "Done."])
    async with desk.team as team:
        run = await team.run("open a and b", principal=alice, plan=plan)
        [asked] = run.pending
        first, second = asked.calls
        assert (await team.resume(run.run_id, principal=alice)).transitions == run.transitions
        await team.approve(asked.approval_id, principal=bob, only=[first.digest])
        run = await team.resume(run.run_id, principal=alice)
        assert (run.state, desk.opened) == ("ESCALATED", [first.args["title"]])
        await team.reject(asked.approval_id, principal=bob, only=[second.digest])
        run = await team.resume(run.run_id, principal=alice)
        check_moves(run, await history(team, run))
    assert run.state == "COMPLETED"
    assert desk.opened == [first.args["title"]]
    assert {a.status for a in run.actions} == {"applied", "denied"}


@pytest.mark.anyio
async def test_two_calls_of_one_question_are_answered_apart() -> None:
    both = calls(call("open_ticket", title="a"), call("open_ticket", title="b"))
    desk = Desk([both, "Done."])
    async with desk.team as team:
        run = await team.run("open a and b", principal=alice, plan=ONE)
        [asked] = run.pending
        await team.approve(asked.approval_id, principal=bob, only=[asked.calls[1].digest])
        run = await team.resume(run.run_id, principal=alice)
        assert (run.state, desk.opened) == ("ESCALATED", ["b"])
        await team.approve(asked.approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
        check_moves(run, await history(team, run))
    assert (run.state, desk.opened) == ("COMPLETED", ["b", "a"])


@pytest.mark.anyio
async def test_what_people_may_not_do() -> None:
    desk = Desk([OPEN, "Done: ticket about disk."])
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        asked = run.pending[0].approval_id
        with pytest.raises(Conflict, match="other arguments"):
            await team.approve(asked, principal=bob, digest="0" * 64)
        with pytest.raises(InvalidRequest, match="open_ticket"):
            await team.approve(asked, principal=bob, args={"name": "x"})
        await team.approve(asked, principal=bob, digest=run.pending[0].digest)
        for verb in (team.approve, team.reject):
            with pytest.raises(Conflict, match="approved already"):
                await verb(asked, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
        with pytest.raises(Conflict):
            await team.approve(asked, principal=bob)
    assert desk.opened == ["disk"]


@pytest.mark.anyio
async def test_a_question_of_a_run_that_has_ended_is_not_answered() -> None:
    desk = Desk([OPEN])
    async with desk.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
        ended = await team.cancel(run.run_id, principal=alice, reason="not needed")
        check_moves(ended, await history(team, ended))
        assert (ended.state, ended.last_error) == ("CANCELLED", "not needed")
        with pytest.raises(Conflict, match="CANCELLED"):
            await team.approve(run.pending[0].approval_id, principal=bob)
        assert (await team.resume(run.run_id, principal=alice)).state == "CANCELLED"
        assert (await team.cancel(run.run_id, principal=alice)).last_error == "not needed"
    assert desk.opened == []


@pytest.mark.anyio
async def test_a_running_run_is_cancelled_at_once() -> None:
    began = asyncio.Event()

    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host."""
        began.set()
        await asyncio.sleep(60)
        return host

    model = ScriptedChatModel([call("look", host="web-1")])
    async with Supervisor("t", [Specialist("operator", "Looks.", tools=[look])], models=model) as team:
        work = asyncio.create_task(team.run("web-1", principal=alice, plan=ONE, idempotency_key="k"))
        await began.wait()
        [found] = await team.runs(principal=alice)
        async with asyncio.timeout(PATIENCE):
            ended = await team.cancel(found.run_id, principal=alice)
            assert (await work).state == ended.state == "CANCELLED"
        check_moves(ended, await history(team, ended))


@pytest.mark.anyio
async def test_a_lost_write_is_settled_by_a_person_even_after_the_end() -> None:
    @tool(effect="write", timeout=0.2)
    async def open_ticket(title: str) -> str:
        """Open a ticket."""
        await asyncio.sleep(60)
        return "never"

    for happened, status in ((True, "applied"), (False, "not_applied")):
        model = ScriptedChatModel([OPEN, "I do not know whether there is a ticket."])
        agents = [Specialist("operator", "Opens tickets.", tools=[open_ticket])]
        async with Supervisor("t", agents, models=model, policy=yes) as team:
            run = await team.run("disk", principal=alice, plan=ONE)
            assert (run.state, run.actions[0].status) == ("COMPLETED", "unknown")
            [asked] = await team.approvals(principal=alice)
            assert asked.kind == "outcome"
            await (team.approve if happened else team.reject)(asked.approval_id, principal=bob)
            run = await team.get(run.run_id, principal=alice)
            assert run.actions[0].status == status
            assert await team.approvals(principal=alice) == []


@pytest.mark.anyio
async def test_approvals_expire_by_their_own_clock(tmp_path: Path) -> None:
    clock = Clock()
    url = f"sqlite:///{tmp_path}/j.db"

    def desk(turns: list[Any]) -> Desk:
        return Desk(turns, memory=Memory(url, clock=clock), clock=clock, budget=Budget(timeout=60.0))

    first = desk([OPEN])
    async with first.team as team:
        run = await team.run("disk", principal=alice, plan=ONE)
    clock.ahead = timedelta(days=1, hours=23)
    second = desk(["Nobody said yes in time."])
    async with second.team as team:
        assert (await team.resume(run.run_id, principal=alice)).state == "ESCALATED"
        clock.ahead = timedelta(days=2, seconds=1)
        with pytest.raises(Conflict, match="expired"):
            await team.approve(run.pending[0].approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
        check_moves(run, await history(team, run))
    assert (run.state, run.actions[0].status) == ("COMPLETED", "denied")
    assert first.opened == second.opened == []


@pytest.mark.anyio
async def test_an_answer_given_while_others_still_work_is_not_lost() -> None:
    asked = asyncio.Event()
    approved = asyncio.Event()

    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host, slowly."""
        asked.set()
        await approved.wait()
        return f"{host} is fine"

    opener = Desk([])
    script: list[Any] = [calls(OPEN), call("look", host="web-1"), "web-1 is fine.", "Done.", "Done."]
    agents = [
        Specialist("operator", "Opens tickets.", tools=[opener.tool()]),
        Specialist("looker", "Looks.", tools=[look]),
    ]
    plan = Plan((*ONE.tasks, Task(task_id="look", agent="looker", goal="look at web-1")))
    async with Supervisor("desk", agents, models=ScriptedChatModel(script)) as team:
        work = asyncio.create_task(team.run("disk of web-1", principal=alice, plan=plan))
        await asked.wait()
        while not (open_ := await team.approvals(principal=alice)):
            await asyncio.sleep(0.01)
        await team.approve(open_[0].approval_id, principal=bob)
        approved.set()
        run = await work
        check_moves(run, await history(team, run))
    assert (run.state, opener.opened) == ("COMPLETED", ["disk"])
