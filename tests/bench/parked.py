"""What a parked run keeps in memory: the slope of resident memory over runs that wait for a person.

Each run reads a host's disk, wants to open a ticket and is parked with the question. The first runs only warm
up. With the journal in memory all that the run wrote down lies in this process, on SQLite it lies on disk.

    python -m tests.bench.parked [RUNS] [--trace]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import statistics
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import psutil
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from rich.console import Console
from rich.table import Table

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import call
from pilotman.guardrails import Decision, Principal
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Supervisor, Task

ME = Principal(tenant="t", user="u")
AT_ONCE = 16
READINGS = 20
TARGET = 25.0
"""KiB resident of a parked run."""
FEATURES = "budget, policy, approvals, loop detection, effect ledger, events with payloads, checkpoints"
PLAN = Plan((Task(task_id="act", agent="operator", goal="see to the disk"),))


class Operator(BaseChatModel):
    """Looks first, then writes. It remembers nothing: what grows is ours."""

    @property
    def _llm_type(self) -> str:
        return "operator"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        looked = any(message.type == "tool" for message in messages)
        turn = call("open_ticket", title="disk full") if looked else call("disk_usage", host="web-1")
        calls = [{**asked, "id": "call_1"} for asked in turn.tool_calls]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content="", tool_calls=calls))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return self._generate(messages, stop, None, **kwargs)


@tool(effect="read")
async def disk_usage(host: str) -> str:
    """Free space of a host."""
    return "97% used, disk full"


@tool(effect="write")
async def open_ticket(title: str) -> str:
    """Open a ticket."""
    return "OPS-1"


async def park(runs: int, url: str, *, trace: bool) -> list[tuple[int, int]]:
    """How many runs were parked, and the resident bytes then."""
    team = Supervisor(
        "bench",
        [Specialist("operator", "Opens tickets.", tools=[disk_usage, open_ticket])],
        models=Operator(),
        policy=lambda proposed: (
            Decision.escalate("a person must see it") if proposed.effect == "write" else Decision.allow()
        ),
        memory=Memory(url),
    )
    readings: list[tuple[int, int]] = []
    process, parked, warm_up = psutil.Process(), 0, max(AT_ONCE, runs // 10)
    before: tracemalloc.Snapshot | None = None

    async def one() -> None:
        run = await team.run("web-1: disk full, open a ticket", principal=ME, plan=PLAN)
        assert run.state == "ESCALATED", (run.state, run.last_error)

    async with team:
        for step in range(-warm_up, runs, max(AT_ONCE, runs // READINGS)):
            if step >= 0:
                gc.collect()
                readings.append((parked, process.memory_info().rss))
                if trace and before is None:
                    tracemalloc.start(12)
                    before = tracemalloc.take_snapshot()
            for _ in range(0, max(AT_ONCE, runs // READINGS), AT_ONCE):
                await asyncio.gather(*(one() for _ in range(AT_ONCE)))
                parked += AT_ONCE
        gc.collect()
        readings.append((parked, process.memory_info().rss))
        if before is not None:
            held(before, parked - readings[0][0])
    return readings


def held(before: tracemalloc.Snapshot, runs: int) -> None:
    """Print who holds what was allocated since."""
    after = tracemalloc.take_snapshot()
    for key in ("lineno", "traceback"):
        for stat in after.compare_to(before, key)[: 25 if key == "lineno" else 6]:
            print(f"{stat.size_diff / runs:8.0f} B, {stat.count_diff / runs:6.1f} objects a run")
            print("\n".join(stat.traceback.format()))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("runs", nargs="?", type=int, default=10_000)
    arguments.add_argument("--trace", action="store_true", help="say what holds the memory; slow")
    given = arguments.parse_args()
    table = Table(title=f"A parked run, {given.runs} of them", caption=f"On: {FEATURES}.")
    for column in ("journal", "KiB a run", f"of {TARGET:.0f} KiB", "MiB at first", "MiB at last", "r²"):
        table.add_column(column, justify="left" if column == "journal" else "right")
    with tempfile.TemporaryDirectory() as folder:
        for name, url in (
            ("in memory", "sqlite://"),
            ("on SQLite", f"sqlite:///{Path(folder) / 'journal.db'}"),
        ):
            with multiprocessing.get_context("spawn").Pool(1) as fresh:  # neither sees the other's memory
                readings = fresh.apply(measured, (given.runs, url, given.trace))
            counts, sizes = [n for n, _ in readings], [size / 1024 for _, size in readings]
            slope = statistics.linear_regression(counts, sizes).slope
            fit = statistics.correlation(counts, sizes) ** 2
            table.add_row(
                name,
                f"{slope:.1f}",
                f"{slope / TARGET:.2f}",
                f"{sizes[0] / 1024:.0f}",
                f"{sizes[-1] / 1024:.0f}",
                f"{fit:.2f}",
            )
    Console().print(table)


def measured(runs: int, url: str, trace: bool) -> list[tuple[int, int]]:
    """In a process of its own."""
    return asyncio.run(park(runs, url, trace=trace))


if __name__ == "__main__":
    main()
