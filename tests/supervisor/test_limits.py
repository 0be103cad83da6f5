"""Every limit ends in an answer that says which; repetition asks a person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from tests.supervisor.scene import ONE, Desk, alice, bob, check_moves, history, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.prices import Price, PriceTable
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Call, Decision, Policy, Principal
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task


@tool(effect="read")
async def look(host: str) -> str:
    """Look at a host."""
    return f"{host} is fine"


LOOKS: list[Any] = [call("look", host=f"web-{n}") for n in range(30)]


def dear(turn: AIMessage) -> AIMessage:
    usage: Any = {"input_tokens": 900, "output_tokens": 900, "total_tokens": 1_800}
    return turn.model_copy(update={"usage_metadata": usage})


async def run_until(budget: Budget, turns: list[Any], **settings: Any) -> tuple[Run, list[Any]]:
    agents = [Specialist("operator", "Looks.", tools=[look])]
    async with Supervisor("t", agents, models=ScriptedChatModel(turns), budget=budget, **settings) as team:
        run = await team.run("look at web-0 to web-29", principal=alice, plan=ONE)
        events = await history(team, run)
    check_moves(run, events)
    return run, events


@pytest.mark.anyio
@pytest.mark.parametrize(
    "budget",
    [
        Budget(max_steps=2, max_calls_per_tool=999),
        Budget(max_tool_calls=2, max_calls_per_tool=999),
        Budget(max_input_tokens=3_000, max_calls_per_tool=999),
        Budget(max_output_tokens=2_000, max_calls_per_tool=999),
        Budget(max_cost_usd=0.01, max_calls_per_tool=999),
    ],
    ids=["steps", "tool calls", "input tokens", "output tokens", "cost"],
)
async def test_a_limit_ends_in_an_answer_that_names_it(budget: Budget) -> None:
    prices = PriceTable(prices={"pilotman:scripted": Price(input=1.0, output=5.0)})
    run, events = await run_until(budget, [dear(turn) for turn in LOOKS], prices=prices)
    assert run.state == "COMPLETED"
    assert "web-0 is fine" in str(run.answer)
    limits = [e.data["limit"] for e in events if e.kind == "budget_exceeded"]
    [limit] = {limit for limit in limits if getattr(budget, limit) != getattr(Budget(), limit)}
    words = " ".join([str(run.answer), *run.caveats])
    assert limit.removeprefix("max_").replace("_usd", "").replace("_", " ") in words
    assert run.usage.steps <= budget.max_steps
    assert run.usage.tool_calls <= budget.max_tool_calls


@pytest.mark.anyio
async def test_no_time_to_plan_is_said() -> None:
    async with Supervisor("t", [Specialist("operator", "Looks.", tools=[look])]) as team:
        run = await team.run("look at web-1", principal=alice, budget=Budget(max_input_tokens=1))
    assert run.state == "COMPLETED"
    assert any("no plan was made" in caveat for caveat in run.caveats)


@pytest.mark.anyio
async def test_a_model_that_is_not_allowed_is_not_asked() -> None:
    model = ScriptedChatModel(["never"])
    budget = Budget(allowed_models=frozenset({"openai:gpt"}))
    agents = [Specialist("operator", "Looks.", tools=[look])]
    async with Supervisor("t", agents, models=model) as team:
        run = await team.run("look at web-1", principal=alice, plan=ONE, budget=budget)
    assert (run.state, model.requests) == ("COMPLETED", ())


@pytest.mark.anyio
@pytest.mark.parametrize(("verb", "state"), [("approve", "COMPLETED"), ("reject", "COMPLETED")])
async def test_identical_calls_ask_a_person(verb: str, state: str) -> None:
    same: list[Any] = [call("look", host="web-1")] * 3
    agents = [Specialist("operator", "Looks.", tools=[look])]
    async with Supervisor("t", agents, models=ScriptedChatModel([*same, "web-1 is fine"])) as team:
        run = await team.run("look at web-1", principal=alice, plan=ONE)
        assert (run.state, [a.kind for a in run.pending]) == ("ESCALATED", ["repeat"])
        await getattr(team, verb)(run.pending[0].approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert run.state == state
    assert run.answer == "web-1 is fine" or "web-1" in str(run.answer)


@pytest.mark.anyio
async def test_calls_are_counted_over_a_conversation(tmp_path: Path) -> None:
    budget = Budget(max_calls_per_tool=3)
    agents = [Specialist("operator", "Looks.", tools=[look])]
    turns = [*LOOKS[:2], "web-0 is fine, web-1 is fine", *LOOKS[2:4], "web-2 is fine, web-3 is fine"]
    async with Supervisor("t", agents, models=ScriptedChatModel(turns), budget=budget) as team:
        first = await team.run("look", principal=alice, plan=ONE, thread_id="c")
        second = await team.run("look again", principal=alice, plan=ONE, thread_id="c")
        assert (first.state, second.state) == ("COMPLETED", "ESCALATED")
        assert second.usage.tool_calls == 1
        await team.approve(second.pending[0].approval_id, principal=bob)
        assert (await team.resume(second.run_id, principal=alice)).state == "COMPLETED"


TWO = Plan(
    (
        Task(task_id="a", agent="operator", goal="look"),
        Task(task_id="b", agent="operator", goal="open a ticket", depends_on=("a",)),
    )
)


@pytest.mark.anyio
async def test_what_was_counted_and_used_before_a_pause_still_counts(tmp_path: Path) -> None:
    """A policy sees the tools used before the pause, limits the calls made, the writer the caveats said."""
    url = f"sqlite:///{tmp_path}/j.db"
    seen: list[tuple[str, ...]] = []

    def policy(proposed: Call) -> Decision:
        seen.append(proposed.tools_used)
        return Decision.allow() if proposed.effect == "read" else Decision.escalate("ask")

    def desk(turns: list[Any]) -> Supervisor:
        opener = Desk([])
        operator = Specialist("operator", "Does it.", tools=[look, opener.tool()])
        settings: Any = {"models": ScriptedChatModel(turns), "memory": Memory(url), "policy": policy}
        return Supervisor("desk", [operator], **settings, budget=Budget(max_calls_per_tool=3))

    first = [*LOOKS[:2], "web-0 is fine, web-1 is fine", call("open_ticket", title="disk")]
    async with desk(first) as team:
        run = await team.run("look and open", principal=alice, plan=TWO)
        assert run.state == "ESCALATED"
        await team.approve(run.pending[0].approval_id, principal=bob)
    seen.clear()
    async with desk([*LOOKS[2:4], "Done."]) as team:
        run = await team.resume(run.run_id, principal=alice)
        assert seen[0] == ("look", "look")
        assert (run.state, [a.kind for a in run.pending]) == ("ESCALATED", ["repeat"])
        assert run.usage.tool_calls == 4, "two looks, one ticket, one more look"


LOOK = LOOKS[0]
OPEN: Any = call("open_ticket", title="disk")


def ask_about_writes(proposed: Call) -> Decision:
    return Decision.allow() if proposed.effect == "read" else Decision.escalate("ask")


def desk_at(url: str, turns: list[Any], policy: Policy, limit: int) -> Supervisor:
    operator = Specialist("operator", "Does it.", tools=[look, Desk([]).tool()])
    settings: Any = {"models": ScriptedChatModel(turns), "memory": Memory(url), "policy": policy}
    budget = Budget(max_calls_per_tool=limit, max_parallel=1)
    return Supervisor("desk", [operator], budget=budget, **settings)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("before", "after", "limit"),
    [
        ([LOOK, LOOK, "web-0 is fine", OPEN], [LOOK, "Done."], 5),
        ([LOOK, LOOK, "web-0 is fine", OPEN], [*LOOKS[1:3], "Done."], 3),
        ([*LOOKS[:2], "They are fine.", OPEN], [*LOOKS[2:4], "Done."], 3),
        ([LOOK, "web-0 is fine", LOOKS[1], OPEN], [*LOOKS[2:4], "Done."], 3),
        ([*LOOKS[:2], "They are fine.", OPEN], [LOOKS[2], "Done."], 3),
    ],
    ids=["identical", "answered from the record", "another task", "the same task", "not too many"],
)
async def test_the_counts_are_the_same_with_and_without_a_pause(
    tmp_path: Path, before: list[Any], after: list[Any], limit: int
) -> None:
    async with desk_at("sqlite://", [*before, *after], yes, limit) as team:
        at_once = await team.run("look and open", principal=alice, plan=TWO)
    url = f"sqlite:///{tmp_path}/j.db"
    async with desk_at(url, before, ask_about_writes, limit) as team:
        run = await team.run("look and open", principal=alice, plan=TWO)
        await team.approve(run.pending[0].approval_id, principal=bob)
    async with desk_at(url, after, ask_about_writes, limit) as team:
        paused = await team.resume(run.run_id, principal=alice)
    seen = [(run.state, [a.kind for a in run.pending], run.usage.tool_calls) for run in (at_once, paused)]
    assert seen[0] == seen[1]


@pytest.mark.anyio
async def test_calls_of_a_task_that_still_waits_count(tmp_path: Path) -> None:
    url, plan = f"sqlite:///{tmp_path}/j.db", Plan((TWO.tasks[0], replace(TWO.tasks[1], depends_on=())))
    first = [*LOOKS[:2], OPEN, LOOKS[2], call("open_ticket", title="logs")]
    async with desk_at(url, first, ask_about_writes, 3) as team:
        run = await team.run("look and open", principal=alice, plan=plan)
        [asked] = [a for a in run.pending if a.kind == "call"]
        [ticket] = [c for c in asked.calls if c.step.startswith("task:b")]
        await team.approve(asked.approval_id, principal=bob, only=[ticket.digest])
    async with desk_at(url, [LOOKS[3], "Done."], ask_about_writes, 3) as team:
        run = await team.resume(run.run_id, principal=alice)
    assert [a.kind for a in run.pending] == ["call", "repeat"], "three looks were made, this is the fourth"


@pytest.mark.anyio
async def test_a_person_s_yes_starts_the_counts_again_also_after_a_pause(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    async with desk_at(url, [*LOOKS[:3], "They are fine.", OPEN], ask_about_writes, 2) as team:
        run = await team.run("look and open", principal=alice, plan=TWO)
        for kind in ("repeat", "call"):
            assert [a.kind for a in run.pending] == [kind]
            await team.approve(run.pending[0].approval_id, principal=bob)
            run = await team.resume(run.run_id, principal=alice) if kind == "repeat" else run
    async with desk_at(url, [*LOOKS[3:5], "Done."], ask_about_writes, 2) as team:
        assert (await team.resume(run.run_id, principal=alice)).state == "COMPLETED"


@pytest.mark.anyio
@pytest.mark.parametrize(("verb", "looks"), [("approve", 3), ("reject", 2)])
async def test_a_question_about_repetition_is_asked_once_if_the_parked_graphs_are_lost(
    tmp_path: Path, verb: str, looks: int
) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    async with desk_at(url, LOOKS[:3], yes, 2) as team:
        run = await team.run("look", principal=alice, plan=ONE)
        await getattr(team, verb)(run.pending[0].approval_id, principal=bob)
    for parked in tmp_path.glob("j.checkpoints*"):
        parked.unlink()
    async with desk_at(url, ["web-0 is fine"], yes, 2) as team:
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, run.usage.tool_calls, len(run.approvals)) == ("COMPLETED", looks, 1)


@pytest.mark.anyio
async def test_tenants_do_not_count_each_other_s_calls() -> None:
    other = Principal(tenant="other", user="alice")
    budget = Budget(max_calls_per_tool=2)
    agents = [Specialist("operator", "Looks.", tools=[look])]
    turns = [*LOOKS[:2], "web-0 is fine, web-1 is fine"] * 2
    async with Supervisor("t", agents, models=ScriptedChatModel(turns), budget=budget, policy=yes) as team:
        for who in (alice, other):
            run = await team.run("look", principal=who, plan=ONE, thread_id="c")
            assert run.state == "COMPLETED"
