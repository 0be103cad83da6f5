"""The scenario of ``overhead.py`` as users of other libraries write it: what their runs cost.

Seven model calls each: the lead hands over, a specialist reads and reports, the lead hands over, a specialist
writes and reports, the lead answers. A library that is not installed is left out.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from pilotman.agents.testing import ScriptedChatModel, call

NEEDED = {"langchain": "create_agent", "langgraph_supervisor": "langgraph-supervisor"}
ROUNDS = 500
"""Rounds at most: scripts are so long."""


@dataclass(eq=False, kw_only=True)
class Variant:
    """One way to do the work: its model and its tools count, so that nobody is fast by doing less."""

    name: str
    model: ScriptedChatModel
    run: Callable[[str], Awaitable[None]]
    """One run, in a conversation of this name."""
    done: Counter[str]

    def assert_done(self, rounds: int) -> None:
        """Fail unless each run so far made seven model calls and called both tools."""
        asked = len(self.model.requests)
        assert asked == 7 * rounds, f"{self.name}: {asked} model calls in {rounds} runs"
        wanted = {"disk_usage": rounds, "open_ticket": rounds}
        assert self.done == wanted, f"{self.name}: called {dict(self.done)} in {rounds} runs"


@dataclass(eq=False)
class Desk:
    """The two tools, counting."""

    done: Counter[str] = field(default_factory=Counter[str])

    async def disk_usage(self, host: str) -> str:
        """Free space of a host."""
        self.done["disk_usage"] += 1
        return "97% used, disk full"

    async def open_ticket(self, title: str, host: str) -> str:
        """Open a ticket."""
        self.done["open_ticket"] += 1
        return "OPS-1"


def script(look: AIMessage, act: AIMessage) -> ScriptedChatModel:
    """A run's seven turns, over and over; ``look`` and ``act`` hand over to the specialists."""
    turns: list[str | AIMessage] = [
        look,
        call("disk_usage", host="web-1"),
        "The disk of web-1 is full.",
        act,
        call("open_ticket", title="disk full", host="web-1"),
        "Opened OPS-1.",
        "The disk of web-1 is full; opened OPS-1.",
    ]
    return ScriptedChatModel(turns * ROUNDS)


def missing() -> list[str]:
    """What to say of libraries that are not there."""
    return [
        f"left out {what}: pip install {package.replace('_', '-')}"
        for package, what in NEEDED.items()
        if importlib.util.find_spec(package) is None
    ]


def peers(saver: BaseCheckpointSaver[str]) -> Iterator[Variant]:
    """All of them, each in memory and with ``saver``."""
    has_agents = importlib.util.find_spec("langchain") is not None
    for where, kept in ((", in memory", None), (" + AsyncSqliteSaver", saver)):
        if has_agents and importlib.util.find_spec("langgraph_supervisor") is not None:
            yield _supervised(f"langgraph-supervisor{where}", kept)
        if has_agents:
            yield _nested(f"create_agent, agents as tools{where}", kept)
            yield _nested(f"the same, guarded{where}", kept, guards=True)
            yield _nested(f"the same, guarded, asks for the write{where}", kept, guards=True, asks=True)


def _supervised(name: str, saver: BaseCheckpointSaver[str] | None) -> Variant:
    """``create_supervisor`` with two agents that it hands over to."""
    create_agent: Any = importlib.import_module("langchain.agents").create_agent
    create_supervisor: Any = importlib.import_module("langgraph_supervisor").create_supervisor
    model, desk = script(call("transfer_to_diagnostician"), call("transfer_to_operator")), Desk()
    agents = [
        create_agent(model, [desk.disk_usage], name="diagnostician"),
        create_agent(model, [desk.open_ticket], name="operator"),
    ]
    graph = create_supervisor(agents, model=model, prompt="Solve it with your agents.").compile(
        checkpointer=saver
    )
    return Variant(name=name, model=model, run=Runner(graph), done=desk.done)


def _nested(
    name: str, saver: BaseCheckpointSaver[str] | None, *, guards: bool = False, asks: bool = False
) -> Variant:
    """``create_agent`` whose tools ask two other agents."""
    create_agent: Any = importlib.import_module("langchain.agents").create_agent
    model, desk = script(call("diagnose", goal="look"), call("operate", goal="act")), Desk()
    wrapped = _guards if guards else _nothing
    diagnostician = create_agent(model, [desk.disk_usage], middleware=wrapped(False), name="diagnostician")
    operator = create_agent(model, [desk.open_ticket], middleware=wrapped(asks), name="operator")

    async def diagnose(goal: str) -> str:
        """Looks at hosts."""
        return await _report(diagnostician, goal)

    async def operate(goal: str) -> str:
        """Opens tickets."""
        return await _report(operator, goal)

    kept = InMemorySaver() if asks and saver is None else saver
    lead = create_agent(model, [diagnose, operate], middleware=wrapped(False), checkpointer=kept, name="lead")
    return Variant(name=name, model=model, run=Runner(lead, stops=int(asks)), done=desk.done)


async def _report(agent: Any, goal: str) -> str:
    state = await agent.ainvoke({"messages": [("user", goal)]})
    return str(state["messages"][-1].content)


def _nothing(asks: bool) -> list[Any]:
    """No middleware, hence nobody who could ask."""
    assert not asks
    return []


def _guards(asks: bool) -> list[Any]:
    """LangChain's own middleware: limits, retries, PII, and a person for the write if ``asks``."""
    middleware: Any = importlib.import_module("langchain.agents.middleware")

    def when(request: Any) -> bool:
        return asks

    person = {"allowed_decisions": ["approve", "reject"], "when": when}
    return [
        middleware.ModelCallLimitMiddleware(run_limit=20),
        middleware.ToolCallLimitMiddleware(run_limit=20),
        middleware.ModelRetryMiddleware(max_retries=2),
        middleware.ToolRetryMiddleware(max_retries=2),
        middleware.HumanInTheLoopMiddleware(interrupt_on={"open_ticket": person}),
        middleware.PIIMiddleware("email", apply_to_output=True, apply_to_tool_results=True),
        middleware.PIIMiddleware("credit_card", apply_to_output=True, apply_to_tool_results=True),
    ]


@dataclass(eq=False)
class Runner:
    """Runs a graph to its answer; the person says yes at once, ``stops`` times."""

    graph: Any
    stops: int = 0

    async def __call__(self, thread_id: str) -> None:
        config: RunnableConfig = {"configurable": {"thread_id": thread_id}}
        state: Mapping[str, Any] = await self.graph.ainvoke(
            {"messages": [("user", "web-1: disk full, open a ticket")]}, config
        )
        for _ in range(self.stops):
            assert "__interrupt__" in state, "nobody was asked"
            yes: Command[Any] = Command(resume={"decisions": [{"type": "approve"}]})
            state = await self.graph.ainvoke(yes, config)
        assert state["messages"][-1].content == "The disk of web-1 is full; opened OPS-1."
