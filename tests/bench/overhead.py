"""What governance costs: CPU time of one run beside a hand-written flat LangGraph graph of the same work.

Seven model calls without latency, one read, one write, two specialists. Both sides call the same scripted
model. Rounds are interleaved; the table shows medians and ratios to the hand-written graph in memory.

The libraries that people take instead do the same work (``peers.py``).

    python -m tests.bench.overhead [ROUNDS]
"""

from __future__ import annotations

import asyncio
import gc
import operator
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from rich.console import Console
from rich.table import Table
from tests.bench.peers import ROUNDS, Desk, Variant, missing, peers

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
BASELINE = "flat, by hand, in memory"
WARM_UP = 3
ME = Principal(tenant="t", user="u")
FEATURES = (
    "ours: budget, strict arguments, policy twice a write, permit, effect ledger, loop detection, validation "
    "of reports and answer, events with payloads, no-op spans; guarded: limits, retries, PII, HITL whose "
    "predicate lets the write pass (asks: it interrupts and is resumed at once)"
)


class State(TypedDict):
    """The hand-written graph's state."""

    messages: Annotated[list[AnyMessage], operator.add]


class Flat:
    """The same work by hand, nothing governed; its routers are asynchronous."""

    def __init__(self, model: ScriptedChatModel, desk: Desk) -> None:
        self._model = model
        self._tools: dict[str, Any] = {"disk_usage": desk.disk_usage, "open_ticket": desk.open_ticket}

    async def think(self, state: State, config: RunnableConfig) -> dict[str, Any]:
        return {"messages": [await self._model.ainvoke(state["messages"])]}

    async def act(self, state: State, config: RunnableConfig) -> dict[str, Any]:
        last = state["messages"][-1]
        assert isinstance(last, AIMessage)
        asked = last.tool_calls[0]
        result = await self._tools[asked["name"]](**asked["args"])
        return {"messages": [ToolMessage(str(result), tool_call_id=str(asked["id"]))]}

    async def onward(self, state: State) -> str:
        return "next"


def flat(name: str, saver: AsyncSqliteSaver | None = None, **kwargs: Any) -> Variant:
    """plan, look, read, report, act, write, report, check, answer: with a router behind every model turn."""
    model, desk = ScriptedChatModel(TURNS * ROUNDS), Desk()
    nodes = Flat(model, desk)
    graph: StateGraph[State] = StateGraph(State)
    steps = ["plan", "look", "read", "looked", "act", "write", "acted", "check", "answer"]
    for step in steps:
        graph.add_node(step, nodes.act if step in ("read", "write") else nodes.think)
    graph.add_edge(START, "plan")
    for here, there in zip(steps, [*steps[1:], END], strict=True):
        if here in ("read", "write"):
            graph.add_edge(here, there)
        else:
            graph.add_conditional_edges(here, nodes.onward, {"next": there})
    compiled = graph.compile(checkpointer=saver)

    async def run(thread_id: str) -> None:
        config: RunnableConfig = {"configurable": {"thread_id": thread_id}}
        await compiled.ainvoke({"messages": [HumanMessage("web-1 is full")]}, config, **kwargs)

    return Variant(name=name, model=model, run=run, done=desk.done)


def team(name: str, memory: Memory | None) -> tuple[Supervisor, Variant]:
    """Ours, with everything on."""
    model, desk = ScriptedChatModel(TURNS * ROUNDS), Desk()
    disk_usage, open_ticket = tool(effect="read")(desk.disk_usage), tool(effect="write")(desk.open_ticket)
    supervisor = Supervisor(
        "bench",
        [
            Specialist("diagnostician", "Looks at hosts.", tools=[disk_usage]),
            Specialist("operator", "Opens tickets.", tools=[open_ticket]),
        ],
        models=model,
        policy=lambda _: Decision.allow(),
        memory=memory,
    )

    async def run(thread_id: str) -> None:
        done = await supervisor.run("web-1: disk full, open a ticket", principal=ME, thread_id=thread_id)
        assert done.state == "COMPLETED", done.last_error

    return supervisor, Variant(name=name, model=model, run=run, done=desk.done)


async def measure(rounds: int, folder: Path) -> dict[str, list[float]]:
    """CPU seconds of each variant in each round."""
    ours, in_memory = team("pilotman, in memory", None)
    durable, on_sqlite = team("pilotman, journal on SQLite", Memory(f"sqlite:///{folder}/journal.db"))
    async with AsyncSqliteSaver.from_conn_string(f"{folder}/saver.db") as saver, ours, durable:
        variants = [
            flat(BASELINE),
            flat("flat + AsyncSqliteSaver", saver),
            flat("flat + AsyncSqliteSaver, durability=exit", saver, durability="exit"),
            *peers(saver),
            in_memory,
            on_sqlite,
        ]
        spent: dict[str, list[float]] = {variant.name: [] for variant in variants}
        for turn in range(rounds + WARM_UP):
            for variant in variants:
                gc.collect()
                started = time.process_time()
                await variant.run(f"{variant.name} {turn}")
                took = time.process_time() - started
                variant.assert_done(turn + 1)
                if turn >= WARM_UP:
                    spent[variant.name].append(took)
        return spent


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    with tempfile.TemporaryDirectory() as folder:
        spent = asyncio.run(measure(rounds, Path(folder)))
    base = statistics.median(spent[BASELINE])
    table = Table(title=f"CPU of one run, {rounds} interleaved rounds", caption=f"On: {FEATURES}.")
    for column in ("variant", "median ms", "p95 ms", "x by hand"):
        table.add_column(column, justify="left" if column == "variant" else "right")
    for name, times in spent.items():
        middle, high = statistics.median(times), sorted(times)[int(len(times) * 0.95)]
        table.add_row(name, f"{middle * 1e3:.1f}", f"{high * 1e3:.1f}", f"{middle / base:.2f}")
    console = Console()
    console.print(table)
    for line in missing():
        console.print(line)


if __name__ == "__main__":
    main()
