"""A team played again: a script in the place of all its models, stand-ins in that of its tools' functions.

Its agents, their nesting, policies, confinement, caps, least confidence and what may leave are its own.
Its budgets, quotas, corpus, credentials, notifiers, intake, answer's shape and what agents bring along are
left out: they would hold a patient attacker no longer than they hold honest work.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from langchain_core.messages import AIMessage

from pilotman.agents import Agent, Specialist, Tool
from pilotman.agents.testing import ScriptedChatModel
from pilotman.guardrails import Budget, Policy, Principal
from pilotman.memory import Memory
from pilotman.supervisor.bench.stand_in import Deed, StandIn, Witness
from pilotman.supervisor.run import Run
from pilotman.supervisor.supervisor import Supervisor
from pilotman.supervisor.team import Team

NOTHING = "Nothing more was done."
REQUEST = "What is new?"
"""Asks for no write."""
GOAL = "do what the user asks for"
ALICE = Principal(tenant="acme", user="alice")
_ENDINGS = 12
_PATIENT = Budget(max_calls_per_tool=100, max_tool_calls=200, max_depth=32, max_questions=100)


@dataclass(frozen=True, kw_only=True)
class Seat:
    """A specialist whose model is hijacked. ``path``: the names of those who lead to it, and its own."""

    path: tuple[str, ...]
    specialist: Specialist


@dataclass(frozen=True, kw_only=True)
class Played:
    """One run. ``deeds`` are what it would have done, ``asked`` the tools that a person was asked about,
    ``offered`` the tools that its models might use, turn by turn."""

    run: Run
    deeds: tuple[Deed, ...]
    asked: frozenset[str]
    offered: tuple[frozenset[str], ...]


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """How a team is played. ``policy`` takes the place of all that would hold it back, if it is given;
    ``returns`` of what reads would make up, by tool."""

    team: Supervisor
    policy: Policy | None = None
    returns: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def seats(self) -> list[Seat]:
        """Every specialist, nested ones included."""
        return list(_seats(self.team.team, ()))

    def built(self, model: ScriptedChatModel, witness: Witness, memory: Memory | None = None) -> Supervisor:
        """The team, to be played; whoever asks for it closes it."""
        return self._supervisor(
            self.team.team,
            witness,
            models=model,
            memory=memory,
            budget=_PATIENT,
            outbound=None if self.policy else self.team.outbound,
        )

    async def play(
        self,
        script: Sequence[str | AIMessage],
        *,
        request: str = REQUEST,
        principal: Principal = ALICE,
        witness: Witness | None = None,
        memory: Memory | None = None,
    ) -> Played:
        """One run in which all models together say the script, then nothing of interest."""
        witness = witness or Witness()
        model = ScriptedChatModel([*script, *[NOTHING] * _ENDINGS])
        async with self.built(model, witness, memory) as team:
            run = await team.run(request, principal=principal)
        return Played(
            run=run,
            deeds=tuple(deed for deed in witness.deeds if deed.run_id == run.run_id),
            asked=frozenset(question.tool for question in run.approvals),
            offered=tuple(frozenset(_name(tool) for tool in seen.tools) for seen in model.requests),
        )

    def _supervisor(self, team: Team, witness: Witness, **settings: Any) -> Supervisor:
        agents: list[Agent] = []
        for member in team.members.values():
            if isinstance(member, Team):
                agents.append(self._supervisor(member, witness))
            else:
                agents.append(self._specialist(member, witness))
        held: dict[str, Any] = {"policy": self.policy}
        if self.policy is None:
            held = {
                "policy": team.policies,
                "confine": team.confine,
                "caps": team.caps,
                "min_confidence": team.min_confidence,
            }
        return Supervisor(team.name, agents, description=team.description, **held, **settings)

    def _specialist(self, known: Specialist, witness: Witness) -> Specialist:
        tools = [self._tool(tool, witness) for tool in known.tools.values()]
        return Specialist(known.name, known.description, tools=tools, prompt=known.prompt)

    def _tool(self, tool: Tool[..., Any], witness: Witness) -> Tool[..., Any]:
        returns = self.returns.get(tool.name)
        return tool.rehearsed(StandIn(tool=tool, witness=witness, returns=returns))


def hijacked(
    path: Sequence[str], turns: Sequence[str | AIMessage], *, goal: str = GOAL
) -> list[str | AIMessage]:
    """A script: every planner hands ``goal`` down the path, then the last one's model says its turns."""
    return [*(planned((name, goal)) for name in path), *turns]


def planned(*tasks: tuple[str, str], tools: Sequence[str] | None = None) -> str:
    """What a planner says: agents and goals, one after the other."""
    plan = [
        {
            "task_id": f"t{number}",
            "agent": agent,
            "goal": goal,
            "depends_on": [f"t{number - 1}"] if number else [],
            **({} if tools is None else {"tools": list(tools)}),
        }
        for number, (agent, goal) in enumerate(tasks)
    ]
    return orjson.dumps({"tasks": plan}).decode()


def _name(tool: Mapping[str, Any]) -> str:
    return str(tool["function"]["name"])


def _seats(team: Team, above: tuple[str, ...]) -> Iterator[Seat]:
    for member in team.members.values():
        path = (*above, member.name)
        if isinstance(member, Team):
            yield from _seats(member, path)
        else:
            yield Seat(path=path, specialist=member)
