"""A specialist's graph: ``think → guard → [approve] → write → think``.

Whoever drives it may walk its ways (``walk``) up to ``approve``: a task that asks nobody needs no graph.
The only edges into ``write`` come from ``guard`` and ``approve``. ``think`` holds the model and the reads
that policies allow at once, in a loop; a write, or a read that needs a decision, leaves it for ``guard``.
Every node takes the config, whether it looks at it or not: so does Temporal's plugin.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from pilotman.agents.calls import ProposedCall
from pilotman.agents.desk import Desk
from pilotman.agents.walk import Step, Walk
from pilotman.guardrails.errors import ConfigurationError

Next = Literal["think", "guard", "approve", "write", "__end__"]


class SpecialistState(TypedDict, total=False):
    """JSON-able. ``calls`` are those of the last model turn, ``report`` is set when the task is done."""

    run_id: str
    path: str
    turn: int
    messages: Annotated[list[dict[str, Any]], operator.add]
    calls: list[dict[str, Any]]
    report: dict[str, Any] | None


class Desks:
    """Who is at work: finds the live desk of a task by run and step path."""

    def __init__(self) -> None:
        self._desks: dict[str, dict[str, Desk]] = {}

    def seat(self, desk: Desk) -> None:
        self._desks.setdefault(desk.task.run.run_id, {})[desk.task.path] = desk

    def clear(self, run_id: str) -> None:
        """Forget all desks of a run that is not driven any more."""
        self._desks.pop(run_id, None)

    def find(self, state: Mapping[str, Any]) -> Desk:
        """The desk of the task that ``state`` belongs to.

        Raises:
            ConfigurationError: nobody drives this run here.
        """
        desk = self._desks.get(str(state.get("run_id")), {}).get(str(state.get("path")))
        if desk is None:
            raise ConfigurationError(
                "this graph runs only inside a run of its supervisor",
                hint="use supervisor.run(), or supervisor.as_graph() inside another app",
            )
        return desk


class SpecialistNodes:
    """The nodes. Each finds its task's desk and does one thing."""

    def __init__(self, desks: Desks) -> None:
        self._desks = desks

    async def think(self, state: SpecialistState, config: RunnableConfig) -> dict[str, Any]:
        """Model turns and free reads, until a call needs a decision or the report is there."""
        return await self._desks.find(state).think(state)

    async def guard(self, state: SpecialistState, config: RunnableConfig) -> dict[str, Any]:
        """Decide about every proposed call."""
        desk = self._desks.find(state)
        calls = await desk.guard.guard(_calls(state), state.get("messages") or ())
        return {"calls": [call.to_dict() for call in await desk.look_up_answers(calls)]}

    async def approve(self, state: SpecialistState, config: RunnableConfig) -> dict[str, Any]:
        """Wait for people. What they answered is read from the journal, never from what a resume carries."""
        interrupt({"approvals": [c.approval_id for c in _calls(state) if c.stage == "waiting"]})
        return {}

    async def write(self, state: SpecialistState, config: RunnableConfig) -> dict[str, Any]:
        """Execute what was allowed or approved, each under its permit."""
        desk = self._desks.find(state)
        return {"calls": [(await desk.act(call)).to_dict() for call in _calls(state)]}

    async def after_think(self, state: SpecialistState) -> Next:
        return "__end__" if state.get("report") else "guard"

    async def after_guard(self, state: SpecialistState) -> Next:
        stages = {call.stage for call in _calls(state)}
        if stages & {"allowed", "answered"}:
            return "write"
        return "approve" if "waiting" in stages else "think"

    async def after_write(self, state: SpecialistState) -> Next:
        stages = {call.stage for call in _calls(state)}
        if "proposed" in stages:
            return "guard"
        return "approve" if "waiting" in stages else "think"


def walk(desks: Desks, *, most: int) -> Walk:
    """The same ways without an engine, but for where people are asked; at most ``most`` steps."""
    nodes = SpecialistNodes(desks)
    steps = {
        "think": Step(node=nodes.think, after=nodes.after_think),
        "guard": Step(node=nodes.guard, after=nodes.after_guard),
        "write": Step(node=nodes.write, after=nodes.after_write),
    }
    return Walk(steps=steps, reducers={"messages": operator.add}, most=most)


def build(desks: Desks) -> StateGraph[SpecialistState]:
    """A fresh builder of the specialist's graph."""
    nodes = SpecialistNodes(desks)
    graph = StateGraph(SpecialistState)
    graph.add_node("think", nodes.think, metadata={"execute_in": "activity"})
    graph.add_node("guard", nodes.guard, metadata={"execute_in": "activity"})
    graph.add_node("approve", nodes.approve, metadata={"execute_in": "workflow"})
    graph.add_node("write", nodes.write, metadata={"execute_in": "activity"})
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", nodes.after_think, {"guard": "guard", "__end__": END})
    graph.add_conditional_edges(
        "guard", nodes.after_guard, {"approve": "approve", "write": "write", "think": "think"}
    )
    graph.add_edge("approve", "write")
    graph.add_conditional_edges(
        "write", nodes.after_write, {"guard": "guard", "approve": "approve", "think": "think"}
    )
    return graph


def _calls(state: SpecialistState) -> list[ProposedCall]:
    return [ProposedCall.from_dict(call) for call in state.get("calls") or ()]
