"""Plans: refused ones, amended ones, what runs beside what, and what each task is shown."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.patience import PATIENCE, until
from tests.supervisor.scene import alice, bob, check_moves, history, planned, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import FaultyChatModel, ScriptedChatModel, call
from pilotman.guardrails import Budget
from pilotman.guardrails.errors import ConfigurationError, InvalidRequest
from pilotman.supervisor import Plan, Run, Supervisor, Task

GOOD = planned({"task_id": "t", "agent": "looker", "goal": "look at web-1"})
BAD = {
    "unknown agent": planned({"task_id": "t", "agent": "nobody", "goal": "look"}),
    "unknown tool": planned({"task_id": "t", "agent": "looker", "goal": "look", "tools": ["rm"]}),
    "circle": planned(
        {"task_id": "a", "agent": "looker", "goal": "look", "depends_on": ["b"]},
        {"task_id": "b", "agent": "looker", "goal": "look", "depends_on": ["a"]},
    ),
    "too many": planned(*({"task_id": f"t{n}", "agent": "looker", "goal": "look"} for n in range(13))),
    "no plan": "I would rather not.",
    "another shape": '{"tasks": [{"id": 1}]}',
}


@tool(effect="read")
async def look(host: str) -> str:
    """Look at a host."""
    return f"{host} is fine"


LOOKER = Specialist("looker", "Looks at hosts.", tools=[look])


async def run_with(planner: Any, worker: Any, **kwargs: Any) -> tuple[Run, list[Any]]:
    team = Supervisor("t", [LOOKER], models={"planner": planner, "worker": worker}, **kwargs)
    async with team:
        run = await team.run("look at web-1", principal=alice)
        events = await history(team, run)
    check_moves(run, events)
    return run, events


@pytest.mark.anyio
@pytest.mark.parametrize("bad", BAD)
async def test_a_refused_plan_gets_a_second_try_with_its_errors(bad: str) -> None:
    planner = ScriptedChatModel([BAD[bad], GOOD])
    run, events = await run_with(planner, ScriptedChatModel([call("look", host="web-1"), "web-1 is fine"]))
    assert run.state == "COMPLETED", run.last_error
    assert run.plan == Plan((Task(task_id="t", agent="looker", goal="look at web-1"),))
    first, second = ("\n".join(str(m.text) for m in request.messages) for request in planner.requests)
    assert first != second
    refused = [e for e in events if e.kind in ("plan_refused", "model_call_failed")]
    assert refused, "the refusal is on record"
    if refused[0].kind == "plan_refused":
        assert all(error.split(":")[0] in second for error in refused[0].data["errors"])


@pytest.mark.anyio
async def test_after_two_tries_the_next_tier_plans() -> None:
    stubborn = ScriptedChatModel([BAD["unknown agent"]] * 2)
    other = ScriptedChatModel([GOOD])
    run, events = await run_with([stubborn, other], ScriptedChatModel(["web-1 is there."]))
    assert run.state == "COMPLETED"
    assert sum(e.kind == "plan_refused" for e in events) == 2
    stubborn.assert_exhausted()
    other.assert_exhausted()


@pytest.mark.anyio
async def test_at_last_the_rule_based_tier_plans() -> None:
    run, _ = await run_with(ScriptedChatModel([BAD["circle"]] * 2), ScriptedChatModel(["web-1 is there."]))
    assert run.state == "COMPLETED"
    assert run.plan is not None
    assert [task.agent for task in run.plan.tasks] == ["looker"]


@pytest.mark.anyio
async def test_a_hanging_planner_costs_one_call_s_time() -> None:
    hanging = FaultyChatModel(ScriptedChatModel([]), faults=("hang",) * 9)
    budget = Budget(timeout=60.0, model_timeout=0.3)
    run, _ = await run_with(hanging, ScriptedChatModel(["web-1 is there."]), budget=budget)
    assert run.state == "COMPLETED"
    assert any("did not answer" in caveat for caveat in run.caveats)


@pytest.mark.anyio
@pytest.mark.parametrize("bad", ["unknown agent", "unknown tool", "circle"])
async def test_a_given_plan_that_cannot_be_run_is_refused_at_once(bad: str) -> None:
    import orjson

    async with Supervisor("t", [LOOKER]) as team:
        with pytest.raises(ConfigurationError, match="given plan"):
            await team.run("look", principal=alice, plan=Plan.from_dict(orjson.loads(BAD[bad])))
        with pytest.raises(ConfigurationError, match="at least one"):
            await team.submit("look", principal=alice, plan=Plan(()))
        assert await team.runs(principal=alice) == []


class Works:
    """Agents whose tools say when they began and wait until they may end."""

    def __init__(self, *names: str) -> None:
        self.log: list[str] = []
        self.gates = {name: asyncio.Event() for name in names}
        self.busy = 0
        self.most = 0

    def agent(self, name: str) -> Specialist:
        @tool(effect="read", name=f"do_{name}")
        async def work() -> str:
            """Do the work."""
            self.busy += 1
            self.most = max(self.most, self.busy)
            self.log.append(f"+{name}")
            await self.gates[name].wait()
            self.log.append(f"-{name}")
            self.busy -= 1
            return f"{name} is done"

        return Specialist(name, f"Does {name}.", tools=[work])

    def models(self) -> list[Any]:
        return [
            ScriptedChatModel([call(f"do_{name}"), f"{name} is done"] * 3, agent=name) for name in self.gates
        ]

    def team(self, **kwargs: Any) -> Supervisor:
        agents = [self.agent(name) for name in self.gates]
        return Supervisor("t", agents, models=self.models(), **kwargs)


def task(name: str, *after: str, **kwargs: Any) -> Task:
    return Task(task_id=name, agent=name, goal=f"do {name}", depends_on=after, **kwargs)


@pytest.mark.anyio
async def test_a_task_waits_for_its_dependencies_and_for_nothing_else() -> None:
    works = Works("a", "b", "c", "d")
    plan = Plan((task("a"), task("b"), task("c", "b"), task("d", "a", "c")))
    for name in ("b", "c", "d"):
        works.gates[name].set()

    async def c_is_done() -> bool:
        return "-c" in works.log

    async with works.team() as team:
        work = asyncio.create_task(team.run("do it", principal=alice, plan=plan))
        await until(c_is_done)
        assert "-a" not in works.log
        assert "+d" not in works.log
        works.gates["a"].set()
        run = await work
    assert run.state == "COMPLETED"
    assert works.log[-4:] == ["-c", "-a", "+d", "-d"]


@pytest.mark.anyio
async def test_no_more_at_once_than_the_budget_allows() -> None:
    works = Works(*"abcdef")
    for gate in works.gates.values():
        gate.set()
    async with works.team(budget=Budget(max_parallel=2)) as team:
        run = await team.run("do it", principal=alice, plan=Plan(tuple(map(task, "abcdef"))))
    assert run.state == "COMPLETED"
    assert works.most <= 2


@pytest.mark.anyio
async def test_a_task_sees_the_reports_that_it_depends_on_and_no_others() -> None:
    told = {name: ScriptedChatModel([f"report-{name}-x"], agent=name) for name in "abc"}
    agents = [Specialist(name, f"Does {name}.") for name in "abc"]
    async with Supervisor("t", agents, models=list(told.values())) as team:
        plan = Plan((task("a"), task("b"), task("c", "b")))
        await team.run("do it", principal=alice, plan=plan)
    shown = str(told["c"].requests[0].messages)
    assert "report-b-x" in shown
    assert "report-a-x" not in shown


@pytest.mark.anyio
async def test_optional_tasks_are_not_started_when_all_others_went_well() -> None:
    works = Works("a", "b")
    works.gates["a"].set()
    works.gates["b"].set()
    plan = Plan((task("b", optional=True), task("a")))
    async with works.team() as team:
        run = await team.run("do it", principal=alice, plan=plan)
        events = await history(team, run)
    assert (run.state, works.log) == ("COMPLETED", ["+a", "-a"])
    assert [e.data["task_id"] for e in events if e.kind == "task_skipped"] == ["b"]
    assert run.answer == "a is done", "what was not needed is not talked about, nor does it cost a model call"


@pytest.mark.anyio
async def test_while_a_person_is_asked_optional_tasks_wait() -> None:
    @tool(effect="write")
    async def note(text: str) -> str:
        """Write a note."""
        return "noted"

    works = Works("b")
    works.gates["b"].set()
    models = [ScriptedChatModel([call("note", text="x"), "Noted."], agent="a"), *works.models()]
    agents = [Specialist("a", "Notes.", tools=[note]), works.agent("b")]
    plan = Plan((task("b", optional=True), task("a")))
    async with Supervisor("t", agents, models=models) as team:
        run = await team.run("note x", principal=alice, plan=plan)
        assert (run.state, works.log) == ("ESCALATED", [])
        await team.approve(run.pending[0].approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, run.answer, works.log) == ("COMPLETED", "Noted.", [])


@pytest.mark.anyio
async def test_optional_tasks_are_started_when_something_is_left_open() -> None:
    @tool(effect="read")
    async def broken(host: str) -> str:
        """Look at a host."""
        raise RuntimeError("no way in")

    works = Works("b")
    works.gates["b"].set()
    models = [ScriptedChatModel([call("broken", host="web-1"), "I could not look."], agent="a")]
    agents = [Specialist("a", "Looks.", tools=[broken]), works.agent("b")]
    plan = Plan((task("b", optional=True), task("a")))
    async with Supervisor("t", agents, models=[*models, *works.models()]) as team:
        run = await team.run("look at web-1", principal=alice, plan=plan)
    assert (run.state, works.log) == ("COMPLETED", ["+b", "-b"])


@pytest.mark.anyio
async def test_a_required_task_may_depend_on_an_optional_one() -> None:
    works = Works("a", "b")
    works.gates["a"].set()
    works.gates["b"].set()
    async with works.team() as team:
        run = await team.run("do", principal=alice, plan=Plan((task("b", optional=True), task("a", "b"))))
    assert (run.state, works.log) == ("COMPLETED", ["+b", "-b", "+a", "-a"])


@pytest.mark.anyio
async def test_a_failed_task_may_be_made_good_by_an_amended_plan() -> None:
    more = planned({"task_id": "u", "agent": "helper", "goal": "look at web-1 otherwise"})
    planner = ScriptedChatModel([GOOD, more])
    helper = Specialist("helper", "Helps out.")
    workers: list[Any] = [
        FaultyChatModel(ScriptedChatModel([]), faults=("timeout",) * 3),
        ScriptedChatModel(["web-1 is fine."], agent="helper"),
    ]
    failing = ScriptedChatModel(["The host web-99 says 777."] * 2, agent="looker")
    models: Any = {"planner": planner, "worker": [failing, workers[1]]}
    async with Supervisor("t", [LOOKER, helper], models=models) as team:
        run = await team.run("look at web-1", principal=alice)
        events = await history(team, run)
    check_moves(run, events)
    [amended] = [e for e in events if e.kind == "plan_amended"]
    assert [t["task_id"] for t in amended.data["tasks"]] == ["t", "u"]
    assert run.plan is not None
    assert [t.task_id for t in run.plan.tasks] == ["t", "u"]
    assert "web-1 is fine" in str(run.answer)


class Speechless(ScriptedChatModel):
    """Stands in for the rule-based tier too: there is nobody else who could plan."""


@pytest.mark.anyio
async def test_when_nobody_finds_a_plan_a_person_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotman.agents.rules.model import ChatRules

    def no_plan(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no idea")

    monkeypatch.setattr(ChatRules, "_generate", no_plan)
    worker = ScriptedChatModel(["web-1 is fine."] * 4)
    for said, answer in (
        ({"tasks": [{"task_id": "t", "agent": "looker", "goal": "look"}]}, "web-1 is fine."),
        ({"answer": "Leave it."}, "Leave it."),
    ):
        models: Any = {"planner": ScriptedChatModel(["no"] * 20), "worker": worker, "writer": worker}
        async with Supervisor("t", [LOOKER], models=models) as team:
            run = await team.run("look at web-1", principal=alice)
            assert run.state == "ESCALATED", run.last_error
            [asked] = run.pending
            assert asked.kind == "plan"
            with pytest.raises(InvalidRequest, match="say what to do"):
                await team.approve(asked.approval_id, principal=bob)
            with pytest.raises(InvalidRequest, match="nobody"):
                wrong = {"tasks": [{"task_id": "t", "agent": "nobody", "goal": "look"}]}
                await team.approve(asked.approval_id, principal=bob, args=wrong)
            await team.approve(asked.approval_id, principal=bob, args=said)
            run = await team.resume(run.run_id, principal=alice)
            check_moves(run, await history(team, run))
        assert (run.state, run.answer) == ("COMPLETED", answer)


def nested(depth: int, leaf: Specialist) -> Any:
    agent: Any = leaf
    for level in range(depth):
        agent = Supervisor(f"level{level}", [agent], description="Goes deeper.")
    return agent


@pytest.mark.anyio
async def test_how_deep_supervisors_may_be_nested() -> None:
    for most, reached in ((2, False), (3, True)):
        top = nested(2, LOOKER)
        outer = Supervisor("top", [top], budget=Budget(max_depth=most))
        plan = Plan((Task(task_id="t", agent="level1", goal="look at web-1"),))
        async with outer as team:
            run = await team.run("look at web-1", principal=alice, plan=plan)
        assert run.state == "COMPLETED"
        assert ("look" in run.tools_called) is reached
        assert any("max_depth" in caveat for caveat in run.caveats) is not reached


@pytest.mark.anyio
async def test_nested_budgets_take_the_minimum() -> None:
    model = ScriptedChatModel([call("look", host=f"web-{n}") for n in range(9)], agent="looker")
    narrow = Budget(max_tool_calls=2, max_steps=30, max_calls_per_tool=100)
    inner = Supervisor("inner", [LOOKER], budget=narrow, models=[model])
    plan = Plan((Task(task_id="t", agent="inner", goal="look at hosts"),))
    async with Supervisor("outer", [inner], budget=Budget(max_steps=10, max_calls_per_tool=100)) as team:
        run = await team.run("look at web-0 to web-8", principal=alice, plan=plan)
        events = await history(team, run)
    assert run.state == "COMPLETED"
    assert run.usage.tool_calls == 2
    assert run.usage.steps <= 10
    assert any(e.kind == "budget_exceeded" and e.data["limit"] == "max_tool_calls" for e in events)


@pytest.mark.anyio
async def test_a_nested_team_has_its_own_time() -> None:
    @tool(effect="read")
    async def endless(host: str) -> str:
        """Look for ever."""
        await asyncio.Event().wait()
        return host

    model = ScriptedChatModel([call("endless", host="web-1"), "I could not look."], agent="slow")
    inner = Supervisor("inner", [Specialist("slow", "Looks.", tools=[endless])], budget=Budget(timeout=0.5))
    quick = Specialist("quick", "Says it.")
    models: list[Any] = [model, ScriptedChatModel(["quick is done"], agent="quick")]
    plan = Plan(
        (
            Task(task_id="s", agent="inner", goal="look at web-1"),
            Task(task_id="q", agent="quick", goal="say it", depends_on=("s",)),
        )
    )
    async with Supervisor("outer", [inner, quick], models=models, budget=Budget(timeout=60.0)) as team:
        async with asyncio.timeout(PATIENCE):
            run = await team.run("look at web-1", principal=alice, plan=plan)
    assert run.state == "COMPLETED"
    assert "quick is done" in str(run.answer)


@pytest.mark.anyio
async def test_nested_policies_conjoin() -> None:
    @tool(effect="write")
    async def note(text: str) -> str:
        """Write a note."""
        return "noted"

    cases: list[tuple[Any, Any, str]] = [
        (yes, yes, "COMPLETED"),
        (yes, None, "COMPLETED"),
        (None, yes, "ESCALATED"),
    ]
    planned_by = planned({"task_id": "n", "agent": "scribe", "goal": "note x"})
    for outer_policy, inner_policy, state in cases:
        planner = ScriptedChatModel([planned_by], agent="inner")
        model = ScriptedChatModel([call("note", text="x"), "Noted."], agent="scribe")
        inner = Supervisor("inner", [Specialist("scribe", "Notes.", tools=[note])], policy=inner_policy)
        plan = Plan((Task(task_id="t", agent="inner", goal="note x"),))
        async with Supervisor("outer", [inner], models=[model, planner], policy=outer_policy) as team:
            run = await team.run("note x", principal=alice, plan=plan)
        assert run.state == state, (outer_policy, inner_policy)


@pytest.mark.anyio
async def test_a_nested_team_with_a_memory_of_its_own_is_refused() -> None:
    from pilotman.memory import Memory

    with pytest.raises(ConfigurationError, match="memory of its own"):
        Supervisor("outer", [Supervisor("inner", [LOOKER], memory=Memory())])


@pytest.mark.anyio
async def test_a_tool_s_name_stands_for_one_tool_in_a_team() -> None:
    @tool(effect="read", name="look")
    async def another(network: str) -> str:
        """Look at a network."""
        return f"{network} is slow"

    clash = Specialist("netter", "Looks at networks.", tools=[another])
    for others in ([clash], [Supervisor("inner", [clash])]):
        with pytest.raises(ConfigurationError, match="two different tools named look"):
            Supervisor("t", [LOOKER, *others])
    Supervisor("t", [LOOKER, Specialist("netter", "Looks too.", tools=[look])])
