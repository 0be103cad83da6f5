"""The compiled graphs of one supervisor, and how one of them is driven to its next stop."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from pilotman.agents import graph as specialist_graph
from pilotman.agents.graph import Desks
from pilotman.agents.isolation import isolated
from pilotman.agents.report import Report
from pilotman.agents.scope import TaskScope
from pilotman.agents.walk import Walk
from pilotman.memory.checkpoints.parking import ParkingSaver
from pilotman.supervisor import graph as supervisor_graph
from pilotman.supervisor.drawing import showable
from pilotman.supervisor.team import Team

RECURSION_LIMIT = 1_000
"""Supersteps of one graph. The purse ends a run long before."""


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A graph waits for people: these questions are open."""

    approvals: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Ways:
    """A graph, the same without an engine, where it starts, and the key of the state that says it is over."""

    graph: CompiledStateGraph[Any, Any, Any, Any]
    walk: Walk
    start: str
    end: str


class Graphs:
    """Compiled once each; a run's graphs share nothing but the saver, under threads of their own."""

    def __init__(self, desks: Desks, find_lead: supervisor_graph.FindLead, saver: ParkingSaver) -> None:
        self._saver = saver
        self._stopped: dict[str, set[str]] = {}
        self._over: set[str] = set()
        self._specialist = _Ways(
            graph=specialist_graph.build(desks).compile(checkpointer=saver),
            walk=specialist_graph.walk(desks, most=RECURSION_LIMIT),
            start="think",
            end="report",
        )
        self._supervisor = _Ways(
            graph=supervisor_graph.build(find_lead).compile(checkpointer=saver),
            walk=supervisor_graph.walk(find_lead, most=RECURSION_LIMIT),
            start="supervise",
            end="answer",
        )

    async def specialist(self, scope: TaskScope) -> Report | Stopped:
        """Drive a specialist to its report or to a question."""
        state = await self._drive(self._specialist, scope)
        return state if isinstance(state, Stopped) else Report.from_dict(state["report"])

    async def lead(self, scope: TaskScope) -> Report | Stopped:
        """Drive a nested supervisor to its report or to a question."""
        state = await self._drive(self._supervisor, scope)
        return state if isinstance(state, Stopped) else Report.from_dict(state["answer"]["report"])

    async def root(self, scope: TaskScope) -> dict[str, Any] | Stopped:
        """Drive the run's own supervisor: its last state, or the questions that are open."""
        state = await self._drive(self._supervisor, scope)
        if not isinstance(state, Stopped):
            self._over.add(scope.run.run_id)
        return state

    async def park(self, run_id: str) -> None:
        """Store the graphs' states of a run that waits, so that another process can go on."""
        for thread in sorted(self._stopped.get(run_id, ())):
            await self._saver.park(thread)

    async def end(self, run_id: str) -> None:
        """The run is over: drop its graphs' states, here and where they are stored."""
        left = self._stopped.pop(run_id, set())
        if run_id not in self._over:  # else its own graph is gone, and the store need not be asked for it
            left.add(f"{run_id}/")
        self._over.discard(run_id)
        for thread in left:
            await self._saver.drop(thread)

    async def _drive(self, ways: _Ways, scope: TaskScope) -> dict[str, Any] | Stopped:
        """In a context of its own: a graph of ours is nobody's subgraph, and hears no host's callbacks."""
        return await asyncio.create_task(self._driven(ways, scope), context=isolated())

    async def _driven(self, ways: _Ways, scope: TaskScope) -> dict[str, Any] | Stopped:
        """Walk, and enter the graph only where it is needed."""
        run_id, thread = scope.run.run_id, _thread(scope)
        config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": RECURSION_LIMIT}
        request: Any = {"run_id": run_id, "path": scope.path}
        if scope.run.fresh and not self._saver.holds(thread):
            reached, last = await ways.walk.go(request, ways.start)
            if reached.get(ways.end):
                return reached
            self._saver.begin(thread)
            await ways.graph.aupdate_state(config, reached, as_node=last)
            request = None
        elif (await ways.graph.aget_state(config)).next:
            request = Command(resume=True)
        state: dict[str, Any] = await ways.graph.ainvoke(request, config, durability="exit")
        if "__interrupt__" in state:
            self._stopped.setdefault(run_id, set()).add(thread)
            asked = [name for stop in state["__interrupt__"] for name in stop.value.get("approvals", ())]
            return Stopped(approvals=tuple(asked))
        self._stopped.get(run_id, set()).discard(thread)
        await self._saver.drop(thread)
        return state


def _thread(scope: TaskScope) -> str:
    """The name under which a graph's state is kept."""
    return f"{scope.run.run_id}/{scope.path}"


def drawn(team: Team) -> CompiledStateGraph[Any, Any, Any, Any]:
    """A team's graph with its agents' graphs beside it, fresh: to look at, driven by nobody."""
    agents = {
        member.name: drawn(member)
        if isinstance(member, Team)
        else specialist_graph.build(Desks()).compile(name=member.name)
        for member in team.members.values()
    }
    own = supervisor_graph.build(lambda _run_id, _path: None).compile(name=team.name)
    return showable(own, children={"delegate": agents})
