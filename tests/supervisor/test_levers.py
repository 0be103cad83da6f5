"""Kill switches and levels as users meet them: set by a verb, seen by every process, told by the record."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from rich.console import Console
from tests.patience import PATIENCE
from tests.supervisor import switch_child
from tests.supervisor.scene import ONE, Desk, alice, bob, history, planned, yes

from pilotman.agents import Kit, Specialist, tool
from pilotman.agents.testing import call
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import InvalidRequest, PermissionDenied
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task
from pilotman.supervisor.card import html

OLGA = Principal(tenant="ops", user="olga", roles=frozenset({"operator"}))
EVE = Principal(tenant="globex", user="eve")
OPEN = call("open_ticket", title="disk")
DONE = "There is nothing else to say."
pytestmark = pytest.mark.anyio


def statuses(run: Run) -> list[str]:
    return [action.status for action in run.actions]


async def ask(team: Supervisor, **fields: Any) -> Run:
    asked: dict[str, Any] = {"principal": alice, "plan": ONE, **fields}
    return await team.run("disk", **asked)


# drafts


async def test_a_draft_is_on_the_record_with_its_arguments_and_the_answer_says_so() -> None:
    desk = Desk([OPEN, DONE], policy=yes)
    async with desk.team as team:
        await team.set_level("read_only", principal=alice, reason="incident 42", tool="open_ticket")
        run = await ask(team)
        events = await history(team, run)
    [action] = run.actions
    assert (action.tool, action.effect, action.status) == ("open_ticket", "write", "drafted")
    assert action.args == {"title": "disk"}
    assert (run.state, desk.opened) == ("COMPLETED", [])
    why = "alice set tool open_ticket in tenant acme to read_only: incident 42"
    assert action.message == why
    assert f"open_ticket: drafted, not done: {why}" in run.caveats
    assert [e.data["tool"] for e in events if e.kind == "write_drafted"] == ["open_ticket"]
    assert Run.from_json(run.to_json()) == run
    console = Console(width=200)
    with console.capture() as shown:
        console.print(run)
    for picture in (shown.get(), html(run)):
        assert "drafted" in picture
        assert "disk" in picture


async def test_an_answer_that_a_model_writes_is_told_what_was_drafted_and_may_not_claim_more() -> None:
    tasks = [Task(task_id=name, agent="operator", goal="open a ticket") for name in ("a", "b")]
    truth = "No ticket was opened: it is a draft."
    desk = Desk([OPEN, "Drafted.", OPEN, "Drafted.", "I opened a ticket.", truth], policy=yes)
    async with desk.team as team:
        run = await ask(team, plan=Plan(tuple(tasks)), read_only=True)
    assert run.answer == truth
    prompt = str(desk.model.requests[-1])
    assert '"status":"drafted"' in prompt.replace("\\", "").replace(" ", "")


async def test_a_run_that_is_asked_to_be_read_only_does_not_pass_for_the_one_that_writes() -> None:
    desk = Desk([OPEN, DONE] * 2, policy=yes)
    async with desk.team as team:
        tried = await ask(team, read_only=True, idempotency_key="k")
        again = await ask(team, read_only=True, idempotency_key="k")
        done = await ask(team, idempotency_key="k")
    assert tried.run_id == again.run_id != done.run_id
    assert (statuses(tried), statuses(done)) == (["drafted"], ["applied"])
    assert desk.opened == ["disk"]


async def test_a_queued_run_can_be_read_only() -> None:
    desk = Desk([OPEN, DONE], policy=yes)
    async with desk.team as team:
        queued = await team.submit("disk", principal=alice, plan=ONE, read_only=True)
        run = await team.resume(queued.run_id, principal=alice)
    assert (statuses(run), desk.opened) == (["drafted"], [])


async def test_a_host_that_does_not_say_who_asks_gets_drafts() -> None:
    desk = Desk(["no plan", OPEN, DONE], policy=yes)
    await desk.team.as_graph().ainvoke({"messages": [HumanMessage("open a ticket")]})
    assert desk.opened == []
    await desk.team.aclose()


async def test_an_agent_that_somebody_brings_is_held_back_too() -> None:
    said: list[str] = []

    def bring(kit: Kit) -> Any:
        async def work(_: Any) -> str:
            said.append(await kit.tools[0].ainvoke({"title": "disk"}))
            return DONE

        return RunnableLambda(work)

    desk = Desk([])
    operator = Specialist("operator", "Opens tickets.", tools=[desk.tool()], agent=bring)
    async with Supervisor("desk", [operator], policy=yes) as team:
        run = await ask(team, read_only=True)
    assert (statuses(run), desk.opened) == (["drafted"], [])
    assert "drafted, not done" in said[-1]


# who and what


@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"tool": "open_ticket"},
        {"effect": "write"},
        {"agent": "operator"},
        {"agent": "desk", "tool": "open_ticket"},
        {"tenant": "acme"},
    ],
)
async def test_each_scope_stops_what_it_names_and_full_lets_it_go_on(scope: Any) -> None:
    memory = Memory()
    one, other = [Desk([OPEN, DONE, DONE], policy=yes, memory=memory) for _ in range(2)]
    async with one.team, other.team:
        await one.team.set_level("off", principal=alice, reason="x", **scope)
        run = await ask(one.team)
        assert "applied" not in statuses(run)
        assert any("off: x" in caveat for caveat in run.caveats)
        await one.team.set_level("full", principal=alice, reason="x", **scope)
        assert statuses(await ask(other.team)) == ["applied"]
    assert (one.opened, other.opened) == ([], ["disk"])


async def test_an_agent_that_is_off_is_not_even_asked() -> None:
    desk = Desk([DONE], policy=yes)
    async with desk.team as team:
        await team.set_level("off", principal=alice, reason="hijacked", agent="operator")
        run = await ask(team)
    assert not any("Pilotman work prompt" in str(request) for request in desk.model.requests)
    assert (run.state, run.actions) == ("COMPLETED", ())
    caveat = "operator was not asked: alice set agent operator in tenant acme to off: hijacked"
    assert caveat in run.caveats


async def test_an_outer_agent_s_level_holds_for_all_that_it_delegates_to() -> None:
    inner = planned({"task_id": "t", "agent": "operator", "goal": "open a ticket"})
    desk = Desk([inner, OPEN, DONE, DONE], policy=yes)
    plan = Plan((Task(task_id="t", agent="desk", goal="open a ticket"),))
    async with Supervisor("house", [desk.team], policy=yes, models=desk.model) as house:
        await house.set_level("read_only", principal=alice, reason="x", agent="house")
        run = await house.run("disk", principal=alice, plan=plan)
        assert "drafted" in statuses(run)
        await house.set_level("full", principal=alice, reason="x", agent="house")
        await house.set_level("off", principal=alice, reason="x", agent="desk")
        run = await house.run("disk", principal=alice, plan=plan)
        assert any("desk was not asked" in caveat for caveat in run.caveats)
    assert desk.opened == []


async def test_a_switch_with_a_slip_in_its_name_is_refused() -> None:
    async with Desk([]).team as team:
        for wrong in ({"tool": "open_tickt"}, {"agent": "operater"}, {"effect": "wipe"}, {"tenant": ""}):
            with pytest.raises(InvalidRequest):
                await team.set_level("off", principal=alice, reason="x", **wrong)  # type: ignore[arg-type]
        with pytest.raises(InvalidRequest):
            await team.set_level("offf", principal=alice, reason="x")  # type: ignore[arg-type]
        assert (await team.levels(principal=alice)).settings == ()


async def test_tenants_are_apart_and_operators_are_above_them() -> None:
    desk = Desk([OPEN, DONE] * 3, policy=yes)
    async with desk.team as team:
        for tenant in ("globex", "*"):
            with pytest.raises(PermissionDenied):
                await team.set_level("off", principal=alice, reason="x", tenant=tenant)
        await team.set_level("off", principal=EVE, reason="theirs")
        assert statuses(await ask(team)) == ["applied"]
        assert (await team.levels(principal=alice)).settings == ()
        await team.set_level("read_only", principal=OLGA, reason="all", tenant="*")
        assert statuses(await ask(team)) == ["drafted"]
        assert [s.reason for s in (await team.levels(principal=alice)).settings] == ["all"]
        assert [s.reason for s in (await team.levels(principal=OLGA)).settings] == ["theirs", "all"]
        with pytest.raises(PermissionDenied):
            await team.set_level("full", principal=alice, reason="x", tenant="*")
        await team.set_level("full", principal=OLGA, reason="over", tenant="*")
        assert statuses(await ask(team)) == ["applied"]
        kept = (await team.levels(principal=OLGA, history=True)).settings
    assert [(s.by, s.level) for s in kept] == [("eve", "off"), ("olga", "read_only"), ("olga", "full")]


async def test_constrained_asks_a_person_although_the_policy_allows() -> None:
    desk = Desk([OPEN, DONE], policy=yes)
    async with desk.team as team:
        await team.set_level("constrained", principal=alice, reason="new model", agent="operator")
        run = await ask(team)
        [question] = run.pending
        assert "new model" in str(question.reasons)
        await team.approve(question.approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert (statuses(run), desk.opened) == (["applied"], ["disk"])


# runs under way


@pytest.mark.parametrize(("level", "status"), [("off", "denied"), ("read_only", "drafted")])
async def test_a_yes_given_before_the_switch_is_worth_nothing_in_another_process(
    tmp_path: Path, level: Any, status: str
) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    first = Desk([OPEN], memory=Memory(url))
    async with first.team as team:
        run = await ask(team)
        [question] = run.pending
        await team.approve(question.approval_id, principal=bob)
        await team.set_level(level, principal=alice, reason="too late", effect="write")
    second = Desk([DONE], memory=Memory(url))
    async with second.team as team:
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, statuses(run)) == ("COMPLETED", [status])
    assert (first.opened, second.opened) == ([], [])
    assert any("too late" in caveat for caveat in run.caveats)


async def test_writes_in_flight_are_listed_and_go_on() -> None:
    gate, began = asyncio.Event(), asyncio.Event()

    class Slow(Desk):
        def tool(self) -> Any:
            @tool(effect="write")
            async def open_ticket(title: str) -> str:
                """Open a ticket."""
                began.set()
                await gate.wait()
                self.opened.append(title)
                return "opened"

            return open_ticket

    desk = Slow([OPEN, DONE], policy=yes)
    async with desk.team as team:
        work = asyncio.create_task(ask(team))
        await began.wait()
        done = await team.set_level("off", principal=alice, reason="x")
        [write] = done.in_flight
        [run] = await team.runs(principal=alice)
        assert (write.tool, write.run_id, write.tenant) == ("open_ticket", run.run_id, "acme")
        assert write.since <= done.settings[0].at
        assert (await team.levels(principal=alice)).in_flight == (write,)
        assert (await team.levels(principal=EVE)).in_flight == ()
        gate.set()
        assert statuses(await work) == ["applied"], "what has begun is not torn"
        assert (await team.levels(principal=alice)).in_flight == ()


async def test_two_teams_that_share_a_memory_share_its_switches() -> None:
    memory = Memory()
    one, other = Desk([], memory=memory), Desk([OPEN, DONE], memory=memory, policy=yes)
    async with one.team, other.team:
        await one.team.set_level("read_only", principal=alice, reason="x")
        assert statuses(await ask(other.team)) == ["drafted"]


def child(url: str, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", switch_child.__name__, url, name]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


async def test_under_load_no_write_of_any_process_starts_a_second_after_the_switch(tmp_path: Path) -> None:
    """Two processes with many runs each write as fast as they can; a third one sets the switch."""
    url = f"sqlite:///{tmp_path}/j.db"
    async with Memory(url) as memory:
        children = [child(url, name) for name in ("one", "two")]
        said: list[list[str]] = [[], []]
        threads = [
            threading.Thread(target=_read, args=(process, lines))
            for process, lines in zip(children, said, strict=True)
        ]
        for thread in threads:
            thread.start()
        async with asyncio.timeout(3 * PATIENCE):  # two interpreters have to start
            while any(len(lines) < 20 for lines in said):
                await asyncio.sleep(0.05)
        team = Supervisor("any", [Specialist("nobody", "Does nothing.")], memory=memory)
        done = await team.set_level("off", principal=alice, reason="stop", effect="write")
        switched = time.monotonic()
        for thread in threads:
            await asyncio.to_thread(thread.join, 3 * PATIENCE)
        assert [process.wait() for process in children] == [0, 0]
        assert all(lines[-1].startswith("held") for lines in said)
        late = [float(line.split()[1]) - switched for lines in said for line in lines[:-1]]
        # a second is the promise, the other one is for the scheduler of a busy machine
        assert max(late) <= 2.0, f"of {len(late)} writes, {len(done.in_flight)} were in flight"
        assert (await team.levels(principal=alice)).in_flight == ()


def _read(process: subprocess.Popen[str], lines: list[str]) -> None:
    with process:
        assert process.stdout is not None
        while line := process.stdout.readline():
            lines.append(line.strip())
