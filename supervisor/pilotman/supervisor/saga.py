"""Sagas: what a run has written is taken back, the last first, each by its own compensation.

A compensation is a task like any other: guarded, permitted, journaled, parked and gone on with.
(H. Garcia-Molina and K. Salem, "Sagas", 1987.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from pilotman.agents.result import ToolResult
from pilotman.agents.scope import TaskScope
from pilotman.agents.specialist import Specialist
from pilotman.agents.tool import Tool
from pilotman.agents.undo import undone_by
from pilotman.guardrails.errors import ConfigurationError, NotFound
from pilotman.guardrails.policy import Policy
from pilotman.memory.event import Event
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import EffectRow
from pilotman.supervisor.plan import Task
from pilotman.supervisor.team import Team


@dataclass(frozen=True, kw_only=True)
class Step:
    """One effect that can be taken back, with all that its compensation needs."""

    effect: EffectRow
    chain: tuple[str, ...]
    args: Mapping[str, Any]
    undo: Tool[..., Any]


async def compensations(journal: Journal, effects: Sequence[EffectRow], team: Team) -> list[Task]:
    """The tasks that take back what was applied, the last first, each after the one before."""
    tasks: list[Task] = []
    tools = team.tools()
    for effect in sorted(effects, key=lambda e: (e.intended_at, e.effect_id), reverse=True):
        tool = tools.get(effect.tool)
        if effect.state != "applied" or undone_by(effect.key) or tool is None or not tool.has_compensation:
            continue
        permit = await journal.permit(effect.permit_id)
        assert permit is not None  # no effect is stored without
        tasks.append(
            Task(
                task_id=f"undo-{len(tasks) + 1}",
                agent=permit.chain[1],
                goal=f"take back {effect.tool}",
                depends_on=(tasks[-1].task_id,) if tasks else (),
                undoes=effect.effect_id,
            )
        )
    return tasks


async def step(journal: Journal, effect_id: str, *, tenant: str, team: Team) -> Step:
    """What is to be taken back, as the journal has it.

    Raises:
        NotFound: there is no such effect in this tenant, or its tool is gone.
        ConfigurationError: it was not applied, or it cannot be taken back.
    """
    effect = await journal.effect(effect_id, tenant=tenant)
    permit = await journal.permit(effect.permit_id)
    tool = team.tools().get(effect.tool)
    if permit is None or tool is None:
        raise NotFound(f"the team has no tool {effect.tool} any more", hint="take it back by hand")
    if effect.state not in ("applied", "compensated"):
        raise ConfigurationError(f"{effect.tool} is {effect.state}: there is nothing to take back")
    events = await journal.events(effect.run_id, tenant=tenant)
    args = orjson.loads(await journal.payload(effect.run_id, _arguments(events, effect), tenant=tenant))
    done = None
    if effect.result is not None:
        done = ToolResult.from_json(await journal.payload(effect.run_id, effect.result, tenant=tenant)).value
    undo = tool.undoing(effect_id, done, attempt=effect.attempts)
    return Step(effect=effect, chain=permit.chain, args=args, undo=undo)


def _arguments(events: Sequence[Event], effect: EffectRow) -> str:
    """The digest of the arguments with which it was called."""
    for event in reversed(events):
        if event.kind == "tool_call_started" and event.data["path"] == effect.step:
            return str(event.data["args"]["payload"])
    raise NotFound(f"the record has no call of {effect.tool} at {effect.step}")


def narrowed(scope: TaskScope, taken: Step, team: Team) -> TaskScope:
    """The scope of a compensation: the chain, the agent and the policies of what it takes back.

    What was reserved for the effect comes free by it, so caps do not count it; and it is not the request
    that asks for it, so neither request nor gate judges it.
    """
    groups: list[tuple[Policy, ...]] = [scope.policies[0]]
    member: Specialist | Team = team
    for name in taken.chain[1:]:
        if isinstance(member, Team) and name in member.members:
            member = member.members[name]
            if isinstance(member, Team) and member.policies is not None:
                groups.append(member.policies)
    return replace(
        scope,
        agent=taken.chain[-1],
        chain=taken.chain,
        policies=tuple(groups),
        confined=False,
        caps=(),
        min_confidence=None,
        tools={taken.undo.name: taken.undo},
        foreign=None,
        errand=(taken.undo.name, taken.args),
    )
