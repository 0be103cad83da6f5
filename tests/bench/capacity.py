"""What two cores carry: requests that arrive whether or not earlier ones are done, on one durable journal.

A request is given its plan: one task. The corpus is searched (0.65 s), a model thinks for 2.2 s and asks for
a read (0.7 s) and, in four of five requests, a write (0.75 s): 1.8 tools, 1.3 s. A second turn without
latency reports, the answer is validated: 4.15 s whole, all of it waiting. Whatever a request takes longer is
overhead, ours and the event loop's, counted from the instant at which it should have arrived. The load comes
from the same processes, each with a supervisor of its own.

    python -m tests.bench.capacity [--rate 120] [--seconds 600] [--processes 2] [--even]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import random
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
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
from pilotman.guardrails import Budget, Decision, Principal
from pilotman.memory import Memory
from pilotman.retrieval import Corpus, FolderSource, Snapshot
from pilotman.supervisor import Plan, Supervisor, Task

SEARCHES, THINKS, READS, WRITES = 0.65, 2.2, 0.7, 0.75
TO_WRITE = ", tell the service desk"
WRITING = 0.8
"""Share of the requests that write."""
ME = Principal(tenant="t", user="u")
PLAN = Plan((Task(task_id="act", agent="operator", goal="see to the disk"),))
FEATURES = (
    "journal on SQLite, budget, policy twice a write, permit, effect ledger, retrieval (BM25), validation of "
    "report and answer, loop detection, events with payloads"
)
TARGET = 0.150
"""Seconds of overhead that 95 % of the requests may have."""
TOPICS = (
    "disk",
    "memory",
    "network",
    "deploy",
    "queue",
    "cache",
    "certificate",
    "backup",
    "login",
    "printer",
)


@dataclass(frozen=True, kw_only=True)
class Load:
    """What each process is to do. ``rate`` is requests a second, all processes together."""

    folder: Path
    rate: float
    seconds: float
    processes: int
    even: bool


@dataclass(kw_only=True)
class Seen:
    """What one process saw. ``overhead``: seconds of each request; ``resident``: bytes, each second."""

    overhead: list[float] = field(default_factory=list[float])
    ended: Counter[str] = field(default_factory=Counter[str])
    tickets: int = 0
    resident: list[int] = field(default_factory=list[int])
    under_way: list[int] = field(default_factory=list[int])
    cpu: float = 0.0
    took: float = 0.0


class Slow(Corpus):
    """A corpus behind a network."""

    async def search(self, query: str, *, principal: Principal, k: int = 4) -> Snapshot:
        await asyncio.sleep(SEARCHES)
        return await super().search(query, principal=principal, k=k)


class Thinker(BaseChatModel):
    """Thinks, then asks for the tools at once; says in the next turn what they gave."""

    @property
    def _llm_type(self) -> str:
        return "thinker"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if any(message.type == "tool" for message in messages):
            return _says(AIMessage(content="The disk was full; it was seen to."))
        await asyncio.sleep(THINKS)
        asked = call("disk_usage", host="web-1").tool_calls
        if any(TO_WRITE in str(message.content) for message in messages):
            asked += call("open_ticket", title="disk full").tool_calls
        calls = [{**one, "id": f"call_{number}"} for number, one in enumerate(asked)]
        return _says(AIMessage(content="", tool_calls=calls))


def _says(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


class Desk:
    """The tools, counting what was written."""

    def __init__(self) -> None:
        self.tickets = 0

    async def disk_usage(self, host: str) -> str:
        """Free space of a host."""
        await asyncio.sleep(READS)
        return "97% used, disk full"

    async def open_ticket(self, title: str) -> str:
        """Open a ticket."""
        await asyncio.sleep(WRITES)
        self.tickets += 1
        return "OPS-1"


class Generator:
    """Sends requests at their times and watches."""

    def __init__(self, load: Load, number: int) -> None:
        self._load = load
        self._chance = random.Random(number)
        self._desk = Desk()
        self._under_way = 0
        self.seen = Seen()
        self._team = Supervisor(
            "bench",
            [
                Specialist(
                    "operator",
                    "Sees to hosts.",
                    tools=[
                        tool(effect="read")(self._desk.disk_usage),
                        tool(effect="write")(self._desk.open_ticket),
                    ],
                )
            ],
            models=Thinker(),
            policy=lambda _: Decision.allow(),
            budget=Budget(timeout=60.0),
            corpus=Slow([FolderSource(load.folder / "runbooks")], embedding=None),
            memory=Memory(f"sqlite:///{load.folder / 'journal.db'}"),
        )

    def _arrivals(self) -> Iterator[float]:
        """Seconds after the start, each a request."""
        pause, at = self._load.processes / self._load.rate, 0.0
        while True:
            at += pause if self._load.even else self._chance.expovariate(1 / pause)
            if at >= self._load.seconds:
                return
            yield at

    async def run(self, ready: Any) -> Seen:
        """All of it. ``ready``: a barrier that all processes reach warm."""
        async with self._team:
            await self._request(asyncio.get_running_loop().time())
            gc.collect()
            gc.freeze()  # as ``pilotman worker`` does: else each full collection is a pause of its own
            await asyncio.to_thread(ready.wait)
            self.seen, self._desk.tickets = Seen(), 0
            loop, process = asyncio.get_running_loop(), psutil.Process()
            watch = asyncio.create_task(self._watch(process))
            cpu, start = time.process_time(), loop.time()
            async with asyncio.TaskGroup() as group:
                for at in self._arrivals():
                    await asyncio.sleep(start + at - loop.time())
                    group.create_task(self._request(start + at))
            watch.cancel()
            self.seen.took, self.seen.cpu = loop.time() - start, time.process_time() - cpu
        self.seen.tickets = self._desk.tickets
        return self.seen

    async def _request(self, due: float) -> None:
        """One request; what it takes beyond its own waiting is overhead."""
        writes = self._chance.random() < WRITING
        text = "the disk of web-1 is full" + (TO_WRITE if writes else "")
        self._under_way += 1
        try:
            run = await self._team.run(text, principal=ME, plan=PLAN)
            self.seen.ended[run.state] += 1
        except Exception as error:
            self.seen.ended[f"{type(error).__name__}: {error}"[:100]] += 1
        finally:
            self._under_way -= 1
        waited = SEARCHES + THINKS + READS + (WRITES if writes else 0.0)
        self.seen.overhead.append(asyncio.get_running_loop().time() - due - waited)

    async def _watch(self, process: psutil.Process) -> None:
        while True:
            self.seen.resident.append(process.memory_info().rss)
            self.seen.under_way.append(self._under_way)
            await asyncio.sleep(1.0)


def work(load: Load, number: int, ready: Any, results: Any) -> None:
    """One process."""
    results.put(asyncio.run(Generator(load, number).run(ready)))


def measure(load: Load) -> tuple[list[Seen], float]:
    """What each process saw, and the share of all cores that was in use, others' work included."""
    runbooks = load.folder / "runbooks"
    runbooks.mkdir()
    for topic in TOPICS:
        (runbooks / f"{topic}.md").write_text(
            f"# {topic}\n\nWhen the {topic} of a host is full, open a ticket.\n"
        )
    spawn = multiprocessing.get_context("spawn")
    ready, results = spawn.Barrier(load.processes + 1), spawn.Queue()
    children = [
        spawn.Process(target=work, args=(load, number, ready, results)) for number in range(load.processes)
    ]
    for child in children:
        child.start()
    ready.wait()
    psutil.cpu_percent()
    seen = [results.get() for _ in children]
    used = psutil.cpu_percent()
    for child in children:
        child.join()
    return seen, used


def told(load: Load, seen: list[Seen], used: float) -> Table:
    """The figures as a table."""
    overhead = sorted(o for one in seen for o in one.overhead)
    ended = sum((one.ended for one in seen), Counter[str]())
    with sqlite3.connect(load.folder / "journal.db") as journal:
        states = dict(journal.execute("SELECT state, count(*) FROM runs GROUP BY state").fetchall())
    sent, done = len(overhead), ended["COMPLETED"]
    stored = states.get("COMPLETED", 0) - load.processes  # less those that warmed up
    table = Table(title=f"{load.rate:g} requests a second for {load.seconds:g} s, {load.processes} processes")
    table.caption = f"On: {FEATURES}."
    table.add_column("")
    table.add_column("", justify="right")
    for share in (0.5, 0.95, 0.99):
        table.add_row(f"overhead, p{share * 100:.0f}", f"{overhead[int(sent * share)] * 1e3:.0f} ms")
    table.add_row("of the target, p95", f"{overhead[int(sent * 0.95)] / TARGET:.2f}")
    table.add_row("requests", str(sent))
    table.add_row("completed, by their callers and by the journal", f"{done}, {stored}")
    table.add_row("lost", str(sent - min(done, stored)))
    for what, count in ended.items():
        if what != "COMPLETED":
            table.add_row(f"  {what}", str(count))
    table.add_row("tickets", str(sum(one.tickets for one in seen)))
    table.add_row("most in flight", str(max(map(sum, zip(*(one.under_way for one in seen), strict=False)))))
    sizes = [one.resident for one in seen]
    shown = ", ".join(
        f"{sum(one[at] for one in sizes) / 2**20:.0f}" for at in (0, len(sizes[0]) // 2 - 1, -1)
    )
    table.add_row("resident MiB at the start, middle and end", shown)
    table.add_row("CPU of a request", f"{sum(one.cpu for one in seen) / sent * 1e3:.1f} ms")
    cores = ", ".join(f"{one.cpu / one.took:.2f}" for one in seen)
    table.add_row("cores used, each process", cores)
    table.add_row("cores used, the whole machine", f"{used / 100 * (psutil.cpu_count() or 1):.2f}")
    return table


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rate", type=float, default=120.0, help="requests a second")
    arguments.add_argument("--seconds", type=float, default=600.0)
    arguments.add_argument("--processes", type=int, default=2)
    arguments.add_argument("--even", action="store_true", help="evenly, not by chance (Poisson)")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        load = Load(folder=Path(folder), **vars(given))
        seen, used = measure(load)
        Console().print(told(load, seen, used))


if __name__ == "__main__":
    main()
