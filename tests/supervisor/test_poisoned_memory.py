"""What was poisoned in one session drives no write in another, and honest memories are told."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from tests.memory.defence import suite, trial
from tests.memory.defence.suite import Texts

from pilotman.agents import Specialist, memory_tools, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Call, Decision, Principal
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio
EVERY = get_args(Texts)
PLAN = Plan((Task(task_id="t", agent="clerk", goal="help"),))
alice = Principal(tenant="acme", user="alice")
olga = Principal(tenant="acme", user="olga", roles=frozenset({"operator"}))


def allow(_: Call, /) -> Decision:
    return Decision.allow("everything passes")


@pytest.mark.parametrize("texts", EVERY)
async def test_no_write_of_a_later_session_is_driven_by_what_was_poisoned(texts: Texts) -> None:
    cases = suite.attacks(texts, each=1)[::4]
    async with Memory() as memory:
        await trial.written(memory, cases)
        for case in cases:
            assert await trial.done_later(memory, case, policy=allow, confine=True) == [], case.text


@pytest.mark.parametrize("texts", EVERY)
async def test_where_nothing_confines_a_run_a_person_decides_once_memory_has_told_it_anything(
    texts: Texts,
) -> None:
    cases = suite.attacks(texts, each=1)[::4]
    async with Memory() as memory:
        kept = await trial.written(memory, cases)
        for case in cases:
            assert await trial.done_later(memory, case, policy=allow) == [], case.text
        await trial.vouched(memory, kept)
        went = [await trial.done_later(memory, case, policy=allow) for case in cases]
    assert sum(bool(one) for one in went) > 0.6 * len(cases), "it is trust that moves them"


@pytest.mark.slow
@pytest.mark.parametrize("texts", EVERY)
async def test_none_of_several_hundred_poisoned_memories_drives_a_write(texts: Texts) -> None:
    cases = suite.attacks(texts, each=300 // len(suite.attacks(texts, each=1)) + 1)
    assert len(cases) >= 300
    async with Memory() as memory:
        await trial.written(memory, [*cases, *suite.honest(texts, each=4)])
        for held in ({"confine": True}, {}):
            went = [await trial.done_later(memory, case, policy=allow, **held) for case in cases]
            assert went == [[]] * len(cases)


@pytest.mark.parametrize("texts", EVERY)
async def test_at_most_two_in_a_hundred_honest_memories_are_kept_back(texts: Texts) -> None:
    honest = suite.honest(texts, each=500 // len(suite.honest(texts, each=1)) + 2)
    attacks = suite.attacks(texts, each=2)
    assert len(honest) >= 500
    for others in ([], attacks):
        async with Memory() as memory:
            kept = await trial.written(memory, [*honest, *others])
        back = [one.case.text for one in kept if one.back and not one.case.family]
        assert len(back) <= 0.02 * len(honest), back


async def test_most_poisoned_memories_are_kept_back() -> None:
    least = {"known": 0.95, "unseen": 0.75, "fresh": 0.85}
    for texts in EVERY:
        async with Memory() as memory:
            kept = await trial.written(memory, suite.attacks(texts, each=2))
        assert sum(one.back for one in kept) >= least[texts] * len(kept)


async def test_a_pull_tells_the_runs_that_were_told_and_what_they_wrote() -> None:
    notes: list[str] = []

    @tool(effect="write")
    async def note(text: str) -> str:
        """Write a note."""
        notes.append(text)
        return "noted"

    async def ran(request: str, *turns: Any) -> Run:
        clerk = Specialist("clerk", "Helps.", tools=[note, *memory_tools(memory)])
        model = ScriptedChatModel([*turns, *["That is all."] * 8])
        async with Supervisor("desk", [clerk], models=model, memory=memory, policy=allow) as desk:
            return await desk.run(request, principal=alice, plan=PLAN)

    async with Memory() as memory:
        fact = await memory.remember(
            "the ferry to the island leaves at six", principal=alice, source="user", reason="she said so"
        )
        told = await ran("When does the ferry leave?", call("note", text="the ferry is early"))
        turns = call("recall", query="ferry"), call("remember", text="we leave at five")
        looked = await ran("Help me.", *turns)
        other = await ran("What is the weather?", call("note", text="it rains"))
        pulled = await memory.pull(fact.fact_id, principal=olga, reason="there is no such ferry")
        assert set(pulled.runs) == {told.run_id, looked.run_id}
        assert [effect.tool for effect in pulled.effects] == ["note", "remember"]
        (derived,) = set(pulled.facts) - {fact.fact_id}
        assert await memory.recall(principal=alice) == []
        held = {one.fact_id: one.text for one in await memory.quarantined(principal=olga)}
        assert held[derived] == "we leave at five"
        assert other.run_id not in pulled.runs
