"""Laws of writes, over whole runs: nested teams, answers in any order, resumes, restarts, several at once."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from tests.supervisor.scene import alice, bob, calls

from pilotman.agents import Specialist, Tool, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Call, Decision
from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import Conflict, InvalidRequest
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

TOOLS = ("free", "asked", "never")
BUDGET = Budget(max_calls_per_tool=50, timeout=120)


def policy(shown: Call, /) -> Decision | None:
    if shown.tool == "never":
        return Decision.deny("never")
    return Decision.escalate("look") if shown.tool == "asked" else Decision.allow()


class Sink:
    """What left the process, whoever sent it. The first ``broken`` attempts fail."""

    def __init__(self, broken: int) -> None:
        self.written: Counter[tuple[str, int]] = Counter()
        self.broken = broken

    def tools(self) -> list[Tool[..., Any]]:
        return [self._tool(name) for name in TOOLS]

    def _tool(self, name: str) -> Tool[..., Any]:
        async def write(value: int) -> str:
            """Write a value."""
            await asyncio.sleep(0)
            if self.broken:
                self.broken -= 1
                raise ToolFailure("not now", kind="transient")
            self.written[name, value] += 1
            return "written"

        return tool(effect="write", name=name)(write)


wanted = st.tuples(st.sampled_from(TOOLS), st.integers(0, 2))
turns = st.lists(st.lists(wanted, min_size=1, max_size=3), min_size=1, max_size=3)
answers = st.lists(
    st.tuples(st.sampled_from(["yes", "no", "edit", "restart", "both"]), st.integers(0, 4)), max_size=8
)


def team(sink: Sink, script: list[list[tuple[str, int]]], depth: int, memory: Memory) -> Supervisor:
    """A worker under as many supervisors as ``depth`` says; each life of it says the same again."""
    said: list[str | AIMessage] = [calls(*(call(n, value=v) for n, v in turn)) for turn in script]
    worker = Specialist(
        "worker", "Writes.", tools=sink.tools(), models=ScriptedChatModel([*said, "Nothing."])
    )
    below: Any = worker
    for level in range(depth):
        plan = f'{{"tasks": [{{"task_id": "n", "agent": "{below.name}", "goal": "write"}}]}}'
        below = Supervisor(f"inner{level}", [below], models=ScriptedChatModel([plan, *["Nothing."] * 9]))
    model = ScriptedChatModel(["Nothing."] * 9)
    return Supervisor("outer", [below], policy=policy, models=model, budget=BUDGET, memory=memory)


class Story:
    """One run from beginning to end, as people and processes come and go."""

    def __init__(self, url: str, sink: Sink, script: list[list[tuple[str, int]]], depth: int) -> None:
        self._parts = (url, sink, script, depth)
        self.team = self._again()

    def _again(self) -> Supervisor:
        url, sink, script, depth = self._parts
        return team(sink, script, depth, Memory(url))

    async def begin(self) -> Run:
        (member,) = self.team.team.members
        plan = Plan((Task(task_id="t", agent=member, goal="write"),))
        return await self.team.run("write", principal=alice, plan=plan)

    async def step(self, run: Run, kind: str, number: int) -> Run:
        """What somebody does next, and what becomes of the run."""
        if kind == "restart":
            await self.team.aclose()
            self.team = self._again()
        questions = [a for a in run.approvals if a.state == "pending"]
        if questions and kind != "restart":
            asked = questions[number % len(questions)]
            one = asked.pending[number % len(asked.pending)].digest
            try:
                if kind == "no":
                    await self.team.reject(asked.approval_id, principal=bob)
                else:
                    args = {"value": number} if kind == "edit" else None
                    await self.team.approve(asked.approval_id, principal=bob, only=[one], args=args)
            except (
                Conflict,
                InvalidRequest,
            ):  # a call has joined meanwhile; it may only be repeated as it is
                pass
        if kind == "both":
            return (await asyncio.gather(*(self.team.resume(run.run_id, principal=alice) for _ in "12")))[0]
        return await self.team.resume(run.run_id, principal=alice)


def check(run: Run, written: Counter[tuple[str, int]]) -> None:
    """What left is what permits allowed and people agreed to, each once."""
    agreed: set[str] = set()
    for question in run.approvals:
        for one in question.calls:
            if one.state == "approved":
                agreed.add(_digest(question.tool, one.new_args or one.args))
    for (name, value), times in written.items():
        assert times == 1, "the same write in one run is one effect"
        assert name != "never"
        assert name != "asked" or _digest(name, {"value": value}) in agreed
    applied = Counter(action.tool for action in run.actions if action.status == "applied")
    assert applied == Counter(name for name, _ in written), "the record says what was done, no more, no less"


def _digest(name: str, args: Any) -> str:
    return digest({"tool": name, "args": dict(args)})


@settings(max_examples=12)
@given(turns, answers, st.integers(0, 2), st.integers(0, 2))
def test_runs_write_what_was_permitted_once_and_nothing_that_was_refused(
    script: list[list[tuple[str, int]]], steps: list[tuple[str, int]], depth: int, broken: int
) -> None:
    async def play() -> None:
        sink = Sink(broken)
        with tempfile.TemporaryDirectory() as folder:
            story = Story(f"sqlite:///{Path(folder) / 'runs.db'}", sink, script, depth)
            run = await story.begin()
            for kind, number in steps:
                run = await story.step(run, kind, number)
            check(await story.team.get(run.run_id, principal=alice), sink.written)
            await story.team.aclose()

    asyncio.run(play())
