"""At the soft limit the supervisor stops delegating, and a model still writes the best partial answer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.patience import until
from tests.supervisor.scene import Clock, alice

from pilotman.agents import Specialist, ToolContext, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio
BUDGET = Budget(timeout=400.0, tool_timeout=400.0, model_timeout=30.0)
PLAN = Plan(
    (
        Task(task_id="first", agent="looker", goal="look at web-1"),
        Task(task_id="second", agent="other", goal="look at web-2", depends_on=("first",)),
    )
)


class Scene:
    """Two agents; the first one's tool lets the time pass that it is told to, or hangs."""

    def __init__(self, *, passes: float | None) -> None:
        self.clock = Clock()
        self.begun = asyncio.Event()
        self.deadline_in = 0.0

        @tool(effect="read", timeout=400.0)
        async def look(host: str, ctx: ToolContext) -> str:
            """Look at a host."""
            self.deadline_in = (ctx.deadline_at - self.clock()).total_seconds()
            self.begun.set()
            if passes is None:
                await asyncio.Event().wait()
            self.clock.forward(seconds=passes or 0.0)
            return f"{host} is fine"

        self.looker = Specialist("looker", "Looks.", tools=[look])
        self.other = Specialist("other", "Looks elsewhere.")

    def team(self, *turns: Any, agents: Any = None, **settings: Any) -> Supervisor:
        model = ScriptedChatModel([call("look", host="web-1"), *turns])
        given: Any = {"budget": BUDGET, "models": model, **settings}
        return Supervisor("t", agents or [self.looker, self.other], clock=self.clock, **given)


async def written(run: Run, team: Supervisor) -> list[tuple[str, str]]:
    events = [event async for event in team.events(run.run_id, principal=alice)]
    return [(e.data["path"], e.data["model"]) for e in events if e.kind == "model_call_completed"]


@pytest.mark.parametrize(("seconds", "started"), [(360.0, True), (372.0, False)])
async def test_past_the_soft_limit_no_task_starts_and_the_answer_says_so(
    seconds: float, started: bool
) -> None:
    scene = Scene(passes=seconds)
    last = ["web-2 is fine", "Both are fine."] if started else ["web-1 is fine; web-2 was not looked at."]
    async with scene.team("web-1 is fine", *last) as team:
        run = await team.run("look at both", principal=alice, plan=PLAN)
    assert run.state == "COMPLETED"
    skipped = "other did not work on second: it was not started: no time was left"
    assert (skipped in run.caveats) != started


async def test_who_hangs_is_cut_at_the_soft_limit_and_a_model_writes_what_there_is() -> None:
    scene = Scene(passes=None)
    async with scene.team("Nothing could be looked at in time.") as team:
        work = asyncio.create_task(team.run("look at both", principal=alice, plan=PLAN))
        await until(scene.begun.is_set)
        scene.clock.forward(seconds=371)
        await until(work.done)
        run = work.result()
        calls = await written(run, team)
    assert run.state == "COMPLETED"
    assert run.answer == "Nothing could be looked at in time."
    assert calls[-1] == ("answer:0", "pilotman:scripted")
    assert any(caveat.startswith("looker could not finish") for caveat in run.caveats)
    assert "other did not work on second: it was not started: no time was left" in run.caveats


async def test_rules_need_no_time_for_the_answer() -> None:
    scene = Scene(passes=0.0)
    plan = Plan((Task(task_id="first", agent="looker", goal="look at web-1"),))
    async with scene.team(models="pilotman:rules") as team:
        await team.run("look at web-1", principal=alice, plan=plan)
    assert 398.0 < scene.deadline_in <= 400.0


@pytest.mark.parametrize("own", [None, Budget(timeout=10.0)])
async def test_a_nested_supervisor_keeps_a_part_of_its_own_time(own: Budget | None) -> None:
    scene = Scene(passes=0.0)
    inner = Supervisor("inner", [scene.looker], description="Looks.", budget=own)
    plan = Plan((Task(task_id="first", agent="inner", goal="look at web-1"),))
    async with scene.team("web-1 is fine", agents=[inner, scene.other]) as team:
        run = await team.run("look at web-1", principal=alice, plan=plan)
    assert run.state == "COMPLETED"
    most = 340.0 if own is None else 8.1
    assert most - 20.0 < scene.deadline_in <= most + 1.0
