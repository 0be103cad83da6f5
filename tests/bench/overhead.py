"""What governance costs: CPU time of one run beside a hand-written flat LangGraph graph of the same work.

Seven model calls without latency, one read, one write, two specialists. Both sides call the same scripted
model. Rounds are interleaved; the table shows medians and ratios to the hand-written graph in memory.

    python tests/bench/overhead.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import gc
import operator
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from rich.console import Console
from rich.table import Table

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Decision, Principal
from pilotman.memory import Memory
from pilotman.supervisor import Supervisor

PLAN = (
    '{"tasks": [{"task_id": "look", "agent": "diagnostician", "goal": "look"},'
    ' {"task_id": "act", "agent": "operator", "goal": "act", "depends_on": ["look"]},'
    ' {"task_id": "check", "agent": "diagnostician", "goal": "check", "depends_on": ["act"]}]}'
)
TURNS: list[str | AIMessage] = [
    PLAN,
    call("disk_usage", host="web-1"),
    "The disk of web-1 is full.",
    call("open_ticket", title="disk full", host="web-1"),
    "Opened OPS-1.",
    "Nothing more to see.",
    "The disk of web-1 is full; opened OPS-1.",
]
ME = Principal(tenant="t", user="u")
FEATURES = (
    "budget, strict arguments, policy twice a write, permit, effect ledger, loop detection, validation of "
    "reports and answer, events with payloads, no-op spans"
)


@tool(effect="read")
async def disk_usage(host: str) -> str:
    """Free space of a host."""
    return "97% used, disk full"


@tool(effect="write")
async def open_ticket(title: str, host: str) -> str:
    """Open a ticket."""
    return "OPS-1"


class State(TypedDict):
    """The hand-written graph's state."""

    messages: Annotated[list[AnyMessage], operator.add]


class Flat:
    """The same work by hand, nothing governed; its routers are asynchronous."""

    def __init__(self, model: ScriptedChatModel) -> None:
        self._model = model

    async def think(self, state: State, config: RunnableConfig) -> dict[str, Any]:
        return {"messages": [await self._model.ainvoke(state["messages"])]}

    async def act(self, state: State, config: RunnableConfig) -> dict[str, Any]:
        last = state["messages"][-1]
        assert isinstance(last, AIMessage)
        asked = last.tool_calls[0]
        fn: Any = {"disk_usage": disk_usage.fn, "open_ticket": open_ticket.fn}[asked["name"]]
        return {"messages": [ToolMessage(str(await fn(**asked["args"])), tool_call_id=str(asked["id"]))]}

    async def onward(self, state: State) -> str:
        return "next"


def flat(
    model: ScriptedChatModel, saver: AsyncSqliteSaver | None = None
) -> CompiledStateGraph[Any, Any, Any, Any]:
    """plan, look, read, report, act, write, report, check, answer: with a router behind every model turn."""
    nodes = Flat(model)
    graph: StateGraph[State] = StateGraph(State)
    steps = ["plan", "look", "read", "looked", "act", "write", "acted", "check", "answer"]
    for name in steps:
        graph.add_node(name, nodes.act if name in ("read", "write") else nodes.think)
    graph.add_edge(START, "plan")
    for here, there in zip(steps, [*steps[1:], END], strict=True):
        if here in ("read", "write"):
            graph.add_edge(here, there)
        else:
            graph.add_conditional_edges(here, nodes.onward, {"next": there})
    return graph.compile(checkpointer=saver)


def team(model: ScriptedChatModel, memory: Memory | None) -> Supervisor:
    """Ours, with everything on."""
    return Supervisor(
        "bench",
        [
            Specialist("diagnostician", "Looks at hosts.", tools=[disk_usage]),
            Specialist("operator", "Opens tickets.", tools=[open_ticket]),
        ],
        models=model,
        policy=lambda _: Decision.allow(),
        memory=memory,
    )


async def measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    """CPU seconds of each variant in each round."""
    model = ScriptedChatModel(TURNS * 700)
    raw = flat(model)
    ours = team(model, None)
    durable = team(model, Memory(f"sqlite:///{folder}/journal.db"))
    number = 0

    async def by_hand(graph: CompiledStateGraph[Any, Any, Any, Any], **kwargs: Any) -> None:
        nonlocal number
        number += 1
        config: RunnableConfig = {"configurable": {"thread_id": str(number)}}
        await graph.ainvoke({"messages": [HumanMessage("web-1 is full")]}, config, **kwargs)

    async def governed(supervisor: Supervisor) -> None:
        run = await supervisor.run("web-1: disk full, open a ticket", principal=ME)
        assert run.state == "COMPLETED", run.last_error
        assert run.usage.steps == 7, run.usage

    async with AsyncSqliteSaver.from_conn_string(f"{folder}/saver.db") as saver, ours, durable:
        saved = flat(model, saver)
        variants: dict[str, Callable[[], Awaitable[None]]] = {
            "flat, by hand, in memory": lambda: by_hand(raw),
            "flat + AsyncSqliteSaver": lambda: by_hand(saved),
            "flat + AsyncSqliteSaver, durability=exit": lambda: by_hand(saved, durability="exit"),
            "pilotman, in memory": lambda: governed(ours),
            "pilotman, journal on SQLite": lambda: governed(durable),
        }
        spent: dict[str, list[float]] = {name: [] for name in variants}
        for turn in range(rounds + 3):
            for name, run in variants.items():
                gc.collect()
                started = time.process_time()
                await run()
                if turn >= 3:
                    spent[name].append(time.process_time() - started)
        return spent


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        spent = asyncio.run(measure(rounds, Path(folder)))
    base = statistics.median(spent["flat, by hand, in memory"])
    table = Table(title=f"CPU of one run, {rounds} interleaved rounds", caption=f"On: {FEATURES}.")
    for column in ("variant", "median ms", "p95 ms", "x by hand"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for name, times in spent.items():
        middle, high = statistics.median(times), sorted(times)[int(len(times) * 0.95)]
        table.add_row(name, f"{middle * 1e3:.1f}", f"{high * 1e3:.1f}", f"{middle / base:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
