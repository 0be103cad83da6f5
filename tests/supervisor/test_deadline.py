"""Whatever hangs, the run ends inside its deadline with an honest answer, and the process exits."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from tests.patience import PATIENCE, PROCESS_PATIENCE, in_time, until
from tests.supervisor.scene import Clock, yes

from pilotman.agents import Specialist, ToolContext, tool
from pilotman.agents.testing import FaultyChatModel, ScriptedChatModel, call
from pilotman.guardrails import Budget, Decision, Principal
from pilotman.memory import Memory
from pilotman.retrieval import Corpus, Snapshot
from pilotman.supervisor import Plan, Supervisor, Task, setup

alice = Principal(tenant="acme", user="alice")
PLAN = Plan((Task(task_id="look", agent="looker", goal="look at web-1"),))
DEADLINE = 1.5


async def endless(host: str) -> str:
    """Look at a host."""
    await asyncio.Event().wait()
    return host


async def stubborn(host: str) -> str:
    """Look at a host."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            continue


def blocking(host: str) -> str:
    """Look at a host."""
    time.sleep(3600)
    return host


async def broken(host: str) -> str:
    """Look at a host."""
    raise RuntimeError("the looker is broken")


class Sleeper(BaseChatModel):
    """A model that only has a synchronous side, which never returns."""

    @property
    def _llm_type(self) -> str:
        return "sleeper"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        time.sleep(3600)
        raise AssertionError


@pytest.mark.anyio
@pytest.mark.parametrize("fn", [endless, stubborn, blocking, broken], ids=lambda fn: fn.__name__)
async def test_a_tool_does_not_keep_the_run(fn: Callable[..., Any]) -> None:
    look = tool(effect="read", name="look")(fn)
    model = ScriptedChatModel([call("look", host="web-1"), "web-1 could not be looked at."])
    team = Supervisor(
        "t", [Specialist("looker", "Looks.", tools=[look])], models=model, budget=Budget(timeout=DEADLINE)
    )
    with in_time():
        async with team:
            run = await team.run("look at web-1", principal=alice, plan=PLAN)
    assert run.state == "COMPLETED"
    assert any("look" in caveat or "time" in caveat for caveat in run.caveats)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "model",
    [Sleeper(), FaultyChatModel(ScriptedChatModel(["x"]), faults=("hang", "hang", "hang", "hang"))],
    ids=["sync model", "async model"],
)
async def test_a_model_does_not_keep_the_run(model: BaseChatModel) -> None:
    team = Supervisor("t", [Specialist("looker", "Looks.")], models=model, budget=Budget(timeout=DEADLINE))
    with in_time():
        async with team:
            run = await team.run("look at web-1", principal=alice)
    assert run.state == "COMPLETED"
    assert run.caveats


@pytest.mark.anyio
async def test_credentials_that_never_come_do_not_keep_the_run() -> None:
    asked = threading.Event()

    def vault(_: Principal) -> dict[str, str]:
        asked.set()
        time.sleep(60)
        return {}

    clock = Clock()
    model = ScriptedChatModel(["web-1 is there."])
    settings: Any = {"models": model, "credentials": vault, "budget": Budget(timeout=60.0), "clock": clock}
    async with Supervisor("t", [Specialist("looker", "Looks.")], **settings) as team:
        work = asyncio.create_task(team.run("look at web-1", principal=alice, plan=PLAN))
        await until(asked.is_set)
        clock.forward(seconds=30)
        await until(work.done)
        run = work.result()
    assert (run.state, run.answer) == ("COMPLETED", "web-1 is there.")
    assert "there are no credentials: TimeoutError" in run.caveats


class Hanging:
    """Documents that never come."""

    name = "hanging"
    max_staleness = timedelta(days=1)

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        await asyncio.sleep(3600)
        yield "never", "never"

    async def fetch(self, document_id: str) -> Document:
        raise AssertionError(document_id)


class Asked(Corpus):
    """Tells when a run asks it."""

    def __init__(self, source: Hanging) -> None:
        super().__init__([source], embedding=None)
        self.asked = asyncio.Event()

    async def search(self, query: str, *, principal: Principal, k: int = 4) -> Snapshot:
        self.asked.set()
        return await super().search(query, principal=principal, k=k)


@pytest.mark.anyio
async def test_a_corpus_does_not_keep_the_run() -> None:
    clock, corpus = Clock(), Asked(Hanging())
    model = ScriptedChatModel(["web-1 is there."])
    settings: Any = {"models": model, "corpus": corpus, "budget": Budget(timeout=60.0), "clock": clock}
    async with Supervisor("t", [Specialist("looker", "Looks.")], **settings) as team:
        work = asyncio.create_task(team.run("look at web-1", principal=alice, plan=PLAN))
        await until(corpus.asked.is_set)
        clock.forward(seconds=30)
        await until(work.done)
        run = work.result()
    assert (run.state, run.answer) == ("COMPLETED", "web-1 is there.")
    assert any("corpus could not be searched" in caveat for caveat in run.caveats)


@pytest.mark.anyio
async def test_a_slow_write_at_the_deadline_is_not_done_twice_and_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(setup, "MAX_GRACE", PATIENCE)
    begun: list[str] = []
    clock = Clock()

    @tool(effect="write", timeout=400)
    async def open_ticket(title: str) -> str:
        """Open a ticket."""
        begun.append(title)
        clock.forward(seconds=400 - PATIENCE)  # what is left is for the answer
        await asyncio.sleep(3600)
        return "never"

    model = ScriptedChatModel([call("open_ticket", title="disk"), "I do not know."])
    agents = [Specialist("looker", "Opens.", tools=[open_ticket])]
    budget = Budget(timeout=400.0, tool_timeout=400.0)
    settings: Any = {"models": model, "policy": yes, "budget": budget, "clock": clock}
    async with Supervisor("t", agents, **settings) as team:
        with in_time():
            run = await team.run("open a ticket", principal=alice, plan=PLAN)
        [asked] = await team.approvals(principal=alice)
    assert (run.state, run.actions[0].status, asked.kind, begun) == (
        "COMPLETED",
        "unknown",
        "outcome",
        ["disk"],
    )


@pytest.mark.anyio
async def test_dead_time_does_not_count_and_used_time_does(tmp_path: Path) -> None:
    clock = Clock()
    left: list[float] = []

    @tool(effect="read")
    async def look(host: str, ctx: ToolContext) -> str:
        """Look at a host."""
        left.append((ctx.deadline_at - clock()).total_seconds())
        await asyncio.sleep(3600)
        return host

    def team() -> Supervisor:
        model = ScriptedChatModel([call("look", host="web-1"), "I could not look."])
        memory = Memory(f"sqlite:///{tmp_path}/j.db", clock=clock)
        agents = [Specialist("looker", "Looks.", tools=[look])]
        budget = Budget(timeout=100.0, model_timeout=1.0)
        return Supervisor("t", agents, models=model, memory=memory, clock=clock, budget=budget)

    first = team()
    work = asyncio.create_task(first.run("look at web-1", principal=alice, plan=PLAN))
    await until(lambda: len(left) == 1)
    clock.ahead = timedelta(seconds=60)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    await first.aclose()
    clock.ahead = timedelta(hours=5)
    async with team() as second:
        [run] = await second.runs(principal=alice)
        work = asyncio.create_task(second.resume(run.run_id, principal=alice))
        await until(lambda: len(left) == 2)
        clock.forward(seconds=100)
        await until(work.done)
        run = work.result()
    assert run.state == "COMPLETED"
    assert 100 - PATIENCE < left[0] <= 100
    assert 40 - PATIENCE < left[1] <= 40, "the first life's time counts"
    assert run.deadline_at - run.created_at > timedelta(hours=4)


@pytest.mark.parametrize("name", ["stubborn", "blocking"])
def test_the_process_exits(name: str) -> None:
    script = f"""
import asyncio, runpy
scene = runpy.run_path({str(Path(__file__))!r})
look = scene["tool"](effect="read", name="look")(scene[{name!r}])
model = scene["ScriptedChatModel"]([scene["call"]("look", host="web-1"), "No."])
team = scene["Supervisor"]("t", [scene["Specialist"]("looker", "Looks.", tools=[look])], models=model,
                           budget=scene["Budget"](timeout=1.0))
run = asyncio.run(team.run("look at web-1", principal=scene["alice"], plan=scene["PLAN"]))
print(run.state)
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PROCESS_PATIENCE
    )
    assert ended.stdout.strip() == "COMPLETED", ended.stderr


@pytest.mark.anyio
async def test_waiting_for_a_person_is_not_active_time(tmp_path: Path) -> None:
    opened: list[str] = []

    @tool(effect="write")
    async def open_ticket(title: str) -> str:
        """Open a ticket."""
        opened.append(title)
        return "OPS-1"

    def desk(clock: Clock, turns: list[Any]) -> Supervisor:
        return Supervisor(
            "desk",
            [Specialist("looker", "Opens tickets.", tools=[open_ticket])],
            models=ScriptedChatModel(turns),
            memory=Memory(f"sqlite:///{tmp_path}/j.db", clock=clock),
            budget=Budget(timeout=60.0),
            clock=clock,
        )

    clock = Clock()
    async with desk(clock, [call("open_ticket", title="disk")]) as first:
        run = await first.run("open a ticket", principal=alice, plan=PLAN)
        deadline = run.deadline_at
    assert run.state == "ESCALATED"
    clock.ahead = timedelta(days=1)
    async with desk(clock, ["Opened OPS-1."]) as second:  # as another process would
        await second.approve(run.pending[0].approval_id, principal=alice)
        run = await second.resume(run.run_id, principal=alice)
    assert (run.state, opened) == ("COMPLETED", ["disk"])
    assert run.deadline_at - deadline >= timedelta(hours=23)


@pytest.mark.anyio
async def test_an_approval_that_nobody_gives_expires_as_a_no() -> None:
    opened: list[str] = []

    @tool(effect="write")
    async def open_ticket(title: str) -> str:
        """Open a ticket."""
        opened.append(title)
        return "OPS-1"

    clock = Clock()
    model = ScriptedChatModel([call("open_ticket", title="disk"), "Nobody approved the ticket in time."])
    team = Supervisor(
        "desk", [Specialist("looker", "Opens tickets.", tools=[open_ticket])], models=model, clock=clock
    )
    async with team:
        run = await team.run("open a ticket", principal=alice, plan=PLAN)
        clock.ahead = timedelta(days=3)
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, opened) == ("COMPLETED", [])
    assert [action.status for action in run.actions] == ["denied"]


@pytest.mark.anyio
async def test_every_limit_ends_in_an_answer_that_says_why() -> None:
    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host."""
        return f"{host} is fine"

    for budget in (Budget(max_steps=1), Budget(max_tool_calls=1), Budget(max_output_tokens=64)):
        turns: list[Any] = [call("look", host=f"web-{n}") for n in range(4)]
        team = Supervisor(
            "t",
            [Specialist("looker", "Looks.", tools=[look])],
            models=ScriptedChatModel([*turns, "All are fine."]),
            policy=lambda _: Decision.allow(),
            budget=budget,
        )
        async with team:
            run = await team.run("look at web-0, web-1, web-2 and web-3", principal=alice, plan=PLAN)
        assert run.state == "COMPLETED"
        assert run.answer
        assert run.usage.steps <= budget.max_steps
        assert run.usage.tool_calls <= budget.max_tool_calls
