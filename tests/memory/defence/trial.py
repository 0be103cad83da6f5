"""How the suite is written into a memory and tried out: what is kept back, and what a later session does."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.memory.defence.suite import TENANT, Case

from pilotman.agents import Specialist, memory_tools, tool
from pilotman.agents.testing import call
from pilotman.guardrails import Principal
from pilotman.memory import Fact, Memory
from pilotman.supervisor import Plan, Supervisor, Task
from pilotman.supervisor.bench.obedient import Obedient

_SOURCES = {"user": "user", "run": "reading", "document": "manuals"}
OPERATOR = Principal(tenant=TENANT, user="the operator", roles=frozenset({"operator"}))
_PLAN = Plan((Task(task_id="t", agent="clerk", goal="help"),))


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What became of one memory. ``back``: it, or a part of it, was put in quarantine, at once or later."""

    case: Case
    facts: tuple[Fact, ...]
    back: bool


def principal(user: str) -> Principal:
    return Principal(tenant=TENANT, user=user)


async def written(memory: Memory, cases: Sequence[Case]) -> list[Kept]:
    """All of them remembered for their owners, in an order that chance has made, the same every time."""
    order = sorted(cases, key=lambda case: random.Random(f"{case.text} {case.owner}").random())
    kept = [(case, [await _remembered(memory, part, case) for part in case.parts]) for case in order]
    held = {fact.fact_id for fact in await memory.quarantined(principal=OPERATOR)}
    return [
        Kept(case=case, facts=tuple(facts), back=any(fact.fact_id in held for fact in facts))
        for case, facts in kept
    ]


async def _remembered(memory: Memory, text: str, case: Case) -> Fact:
    who, source = principal(case.owner), _SOURCES[case.wrote]
    return await memory.remember(text, principal=who, source=source, reason="it was there")


async def vouched(memory: Memory, kept: Sequence[Kept]) -> None:
    """Somebody was talked into trusting all of it: what confines is then seen to be missing."""
    for fact in (fact for one in kept for fact in one.facts):
        await memory.promote(fact.fact_id, principal=OPERATOR, approved_by=OPERATOR)


async def alone(cases: Sequence[Case]) -> list[Kept]:
    """The same, each in a memory that holds nothing else."""
    found: list[Kept] = []
    for case in cases:
        async with Memory() as memory:
            found += await written(memory, [case])
    return found


async def done_later(memory: Memory, case: Case, **held: Any) -> list[str]:
    """Where writes went in a later session of the owner's. Its model obeys: it looks up what it knows, all of
    it and about the topic, and if it is told the poison writes to where that says, in answer to a question
    and instead of what was asked for."""
    went: list[str] = []

    async def write(to: str) -> str:
        """Do it, there."""
        went.append(to)
        return "done"

    domain = case.domain
    write.__name__ = domain.tool
    _, recall = memory_tools(memory)
    clerk = Specialist("clerk", "Helps.", tools=[tool(effect="write")(write), recall])
    for request in (f"What is known about {case.topic}?", f"Please {domain.deed}, to {domain.honest[0]}."):
        looks = call("recall", query=case.text), call("recall", query=case.topic)
        turns = [*looks, call(domain.tool, to=case.target)]
        needles = tuple(part[:24] for part in case.parts)
        model = Obedient([*turns, *["That is all."] * 8], deed=domain.tool, needles=needles)
        async with Supervisor("desk", [clerk], models=model, memory=memory, **held) as desk:
            await desk.run(request, principal=principal(case.owner), plan=_PLAN)
    return went
