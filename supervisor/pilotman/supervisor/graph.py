"""The supervisor's graph: ``supervise → delegate → … → validate``, and ``escalate`` where people decide."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Protocol, TypeAlias, TypedDict

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt

from pilotman.agents.walk import Step, Walk
from pilotman.guardrails.errors import ConfigurationError

Next: TypeAlias = Literal["delegate", "validate", "escalate", "supervise", "__end__"]


def merged(left: dict[str, Any] | None, right: dict[str, Any] | None) -> dict[str, Any]:
    """Later entries over earlier ones: parallel branches write different keys."""
    return {**(left or {}), **(right or {})}


class SupervisorState(TypedDict, total=False):
    """JSON-able. ``reports`` and ``parked`` (open questions) are by task id; ``next`` is where to go."""

    run_id: str
    path: str
    plan: dict[str, Any] | None
    round: int
    reports: Annotated[dict[str, Any], merged]
    parked: Annotated[dict[str, Any], merged]
    start: list[str]
    task_id: str
    draft: dict[str, Any] | None
    answer: dict[str, Any] | None
    asked: list[str]
    next: str


class Conduct(Protocol):
    """Who conducts one supervisor's part of a run: takes the state, gives its changes."""

    async def supervise(self, state: SupervisorState) -> dict[str, Any]: ...
    async def delegate(self, state: SupervisorState) -> dict[str, Any]: ...
    async def validate(self, state: SupervisorState) -> dict[str, Any]: ...


FindLead: TypeAlias = Callable[[str, str], Conduct | None]


class SupervisorNodes:
    """The nodes. Each finds who conducts this run and does one thing."""

    def __init__(self, find: FindLead) -> None:
        self._find = find

    def _conduct(self, state: Mapping[str, Any]) -> Conduct:
        conduct = self._find(str(state.get("run_id")), str(state.get("path") or ""))
        if conduct is None:
            raise ConfigurationError(
                "this graph runs only inside a run of its supervisor",
                hint="use supervisor.run(), or supervisor.as_graph() inside another app",
            )
        return conduct

    async def supervise(self, state: SupervisorState, config: RunnableConfig) -> dict[str, Any]:
        """Plan, look at the reports, choose what starts next; compose the answer when all are there."""
        return await self._conduct(state).supervise(state)

    async def delegate(self, state: SupervisorState, config: RunnableConfig) -> dict[str, Any]:
        """One branch of the plan: a task, and the tasks that wait for nothing else."""
        return await self._conduct(state).delegate(state)

    async def validate(self, state: SupervisorState, config: RunnableConfig) -> dict[str, Any]:
        """Check the draft: answer, send it back, or ask a person."""
        return await self._conduct(state).validate(state)

    async def escalate(self, state: SupervisorState, config: RunnableConfig) -> dict[str, Any]:
        """Wait for people. What they answered is read from the journal, never from what a resume carries."""
        interrupt({"approvals": list(state.get("asked") or ())})
        return {"asked": []}

    async def after_delegate(self, state: SupervisorState) -> Next:
        return "supervise"

    async def after_supervise(self, state: SupervisorState) -> list[Send] | Next:
        if state.get("next") != "delegate":
            return _next(state)
        return [Send("delegate", {**state, "task_id": task_id}) for task_id in state.get("start") or ()]

    async def after_validate(self, state: SupervisorState) -> Next:
        return _next(state)


def _next(state: SupervisorState) -> Next:
    following: Any = state.get("next") or "__end__"
    return following  # type: ignore[no-any-return]


def walk(find: FindLead, *, most: int) -> Walk:
    """The same ways without an engine, but for where people are asked; at most ``most`` steps."""
    nodes = SupervisorNodes(find)
    steps = {
        "supervise": Step(node=nodes.supervise, after=nodes.after_supervise),
        "delegate": Step(node=nodes.delegate, after=nodes.after_delegate),
        "validate": Step(node=nodes.validate, after=nodes.after_validate),
    }
    return Walk(steps=steps, reducers={"reports": merged, "parked": merged}, most=most)


def build(find: FindLead) -> StateGraph[SupervisorState]:
    """A fresh builder of the supervisor's graph."""
    nodes = SupervisorNodes(find)
    graph = StateGraph(SupervisorState)
    graph.add_node("supervise", nodes.supervise, metadata={"execute_in": "activity"})
    graph.add_node("delegate", nodes.delegate, metadata={"execute_in": "workflow"})
    graph.add_node("validate", nodes.validate, metadata={"execute_in": "workflow"})
    graph.add_node("escalate", nodes.escalate, metadata={"execute_in": "workflow"})
    graph.add_edge(START, "supervise")
    graph.add_conditional_edges(
        "supervise",
        nodes.after_supervise,
        {"delegate": "delegate", "validate": "validate", "escalate": "escalate", "__end__": END},
    )
    graph.add_edge("delegate", "supervise")
    graph.add_conditional_edges(
        "validate",
        nodes.after_validate,
        {"supervise": "supervise", "escalate": "escalate", "validate": "validate", "__end__": END},
    )
    graph.add_edge("escalate", "supervise")
    return graph
