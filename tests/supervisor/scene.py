"""What the scenario tests share: who asks, a clock that the test moves, a team that opens tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from langchain_core.messages import AIMessage
from tests.patience import pass_time

from pilotman.agents import Specialist, Tool, tool
from pilotman.agents.testing import ScriptedChatModel
from pilotman.guardrails import Decision, Principal
from pilotman.supervisor import Event, Plan, Run, Supervisor, Task
from pilotman.supervisor.state import TABLE

alice = Principal(tenant="acme", user="alice")
bob = Principal(tenant="acme", user="bob", roles=frozenset({"approver"}))
ONE = Plan((Task(task_id="t", agent="operator", goal="open a ticket"),))


def yes(_: Any) -> Decision:
    return Decision.allow()


class Clock:
    """The real time and what the test adds to it."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def forward(self, *, seconds: float) -> None:
        """For whoever waits on the running loop too."""
        self.ahead += timedelta(seconds=seconds)
        pass_time(seconds)


class Desk:
    """A team of one operator, who opens tickets; ``opened`` are their titles."""

    def __init__(self, turns: Sequence[str | AIMessage], **settings: Any) -> None:
        self.opened: list[str] = []
        self.model = ScriptedChatModel(turns)
        operator = Specialist("operator", "Opens tickets.", tools=[self.tool()])
        self.team = Supervisor("desk", [operator], models=self.model, **settings)

    def tool(self) -> Tool[..., Any]:
        @tool(effect="write")
        async def open_ticket(title: str) -> str:
            """Open a ticket."""
            self.opened.append(title)
            return f"ticket about {title}"

        return open_ticket


def calls(*turns: AIMessage) -> AIMessage:
    """Several calls in one turn."""
    return AIMessage(content="", tool_calls=[call for turn in turns for call in turn.tool_calls])


def planned(*tasks: dict[str, Any]) -> str:
    """A planner's turn."""
    return orjson.dumps({"tasks": list(tasks)}).decode()


def check_moves(run: Run, events: Sequence[Event]) -> None:
    """Every stored transition is in the table, in order, without gaps, and has its event."""
    assert [t.number for t in run.transitions] == list(range(1, len(run.transitions) + 1))
    state = "RECEIVED"
    for move in run.transitions:
        assert move.from_state == state
        assert (move.from_state, move.to_state) in TABLE
        state = move.to_state
    assert state == run.state
    told = [(e.data["from"], e.data["to"]) for e in events if e.kind == "state_changed"]
    assert told == [(move.from_state, move.to_state) for move in run.transitions]
    assert [e.seq for e in events] == list(range(1, len(events) + 1))


async def history(team: Supervisor, run: Run) -> list[Event]:
    return [event async for event in team.events(run.run_id, principal=run.principal)]
