"""Runs under faults: every one ends inside its deadline, honestly, and most of them with a full answer.

Of all tool calls 30 % fail, 10 % hang and 5 % return garbage; the reply to some writes is lost; the model's
provider has brown-outs in which calls fail, hang or come back as garbage. Prints one table.

    python tests/bench/chaos.py [RUNS] [SEED]
"""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr
from rich.console import Console
from rich.table import Table

from pilotman.agents import ChatRules, Specialist, ToolContext, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel
from pilotman.guardrails import Budget, Decision, Principal
from pilotman.memory import Event, Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

FAILS, HANGS, GARBAGE, LOST = 0.30, 0.10, 0.05, 0.10
BROWN_OUT = 0.25
"""Share of the time in which the provider of the models is ill; then four calls of five go wrong."""
AT_ONCE = 40
BUDGET = Budget(timeout=20.0, model_timeout=1.0, tool_timeout=0.5)
READS = ("disk_usage", "error_log", "recent_deploys")
PLAN = Plan(
    (
        Task(task_id="disk", agent="storage", goal="look at the disk usage of {host}"),
        Task(task_id="log", agent="logs", goal="look at the error log of {host}"),
        Task(task_id="deploys", agent="releases", goal="look at the recent deploys of {host}"),
        Task(
            task_id="ticket",
            agent="desk",
            goal="open a ticket about {host}",
            depends_on=("disk", "log", "deploys"),
        ),
    )
)


@dataclass
class World:
    """What is outside: services that fail by chance, and the tickets that were really opened, by key."""

    chance: random.Random
    tickets: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    async def _fault(self) -> bool:
        """Fail or hang by chance. True: return garbage."""
        drawn = self.chance.random()
        if drawn < FAILS:
            how = self.chance.choice(["timeout", "reset", "500", "429"])
            if how == "timeout":
                raise TimeoutError("no answer came")
            if how == "reset":
                raise ConnectionResetError("connection reset by peer")
            raise ToolFailure(f"status {how}", kind="rate_limit" if how == "429" else "transient")
        if drawn < FAILS + HANGS:
            await asyncio.Event().wait()
        return drawn < FAILS + HANGS + GARBAGE

    async def read(self, what: str) -> Any:
        return object() if await self._fault() else what

    async def open(self, key: str, title: str) -> str:
        if await self._fault():
            raise ToolFailure("status 502: not accepted", kind="transient")
        self.tickets.setdefault(key, []).append(title)
        if self.chance.random() < LOST:
            raise ConnectionResetError("the reply was lost")
        return f"ticket {key[-6:]}"

    def find(self, key: str) -> str | None:
        return f"ticket {key[-6:]}" if key in self.tickets else None


class BrownOuts(ScriptedChatModel):
    """A provider that is ill from time to time; when it is well it says what rules would say."""

    _rules: ChatRules = PrivateAttr(default_factory=ChatRules)
    _chance: random.Random = PrivateAttr()
    _ill: bool = PrivateAttr(default=False)
    _until: float = PrivateAttr(default=0.0)

    def __init__(self, chance: random.Random) -> None:
        super().__init__([])
        self._chance = chance

    def _is_ill(self) -> bool:
        now = time.monotonic()
        if now >= self._until:
            self._ill = self._chance.random() < BROWN_OUT
            self._until = now + self._chance.uniform(0.5, 2.0)
        return self._ill

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        if self._is_ill() and self._chance.random() < 0.8:
            how = self._chance.choice(["fails", "hangs", "garbage"])
            if how == "fails":
                raise ConnectionError("the provider is overloaded")
            if how == "hangs":
                await asyncio.Event().wait()
            return ChatResult(generations=[ChatGeneration(message=AIMessage("\x00\x01} {"))])
        kept = self._rules.bind(**kwargs) if kwargs else self._rules
        return ChatResult(generations=[ChatGeneration(message=kept.invoke(messages, stop=stop))])


def team(world: World, memory: Memory | None = None) -> Supervisor:
    """Three who look and one who writes, on services that fail."""

    @tool(effect="read")
    async def disk_usage(host: str) -> str:
        """The disk usage of a host."""
        return str(await world.read(f"the disk of {host} is 97 percent full"))

    @tool(effect="read")
    async def error_log(host: str) -> str:
        """The error log of a host."""
        return str(await world.read(f"{host} logs write errors"))

    @tool(effect="read")
    async def recent_deploys(host: str) -> str:
        """The recent deploys of a host."""
        return str(await world.read(f"{host} has had no deploys today"))

    @tool(effect="write")
    async def open_ticket(title: str, ctx: ToolContext) -> str:
        """Open a ticket."""
        return await world.open(ctx.idempotency_key, title)

    @open_ticket.lookup
    async def find(title: str, ctx: ToolContext) -> str | None:
        return world.find(ctx.idempotency_key)

    agents = [
        Specialist("storage", "Looks at disk usage.", tools=[disk_usage]),
        Specialist("logs", "Looks at error logs.", tools=[error_log]),
        Specialist("releases", "Looks at recent deploys.", tools=[recent_deploys]),
        Specialist("desk", "Opens tickets.", tools=[open_ticket]),
    ]
    return Supervisor(
        "chaos",
        agents,
        models=BrownOuts(world.chance),
        policy=lambda _: Decision.allow(),
        budget=BUDGET,
        memory=memory,
    )


def planned(host: str) -> Plan:
    """The plan for one host."""
    return Plan(tuple(replace(task, goal=task.goal.format(host=host)) for task in PLAN.tasks))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What became of one run. ``wrong``: every promise that it broke."""

    full: bool
    seconds: float
    wrong: tuple[str, ...]


def judge(run: Run, events: Sequence[Event], seconds: float, world: World) -> Seen:
    """Compare a run's answer with what really happened."""
    wrong: list[str] = []
    if run.state not in ("COMPLETED", "ESCALATED"):
        wrong.append(f"state {run.state}")
    if seconds > BUDGET.timeout + 5.0:  # the machine may be busy
        wrong.append("late")
    told = " ".join([str(run.answer), *run.caveats])
    gone_well = {e.data["tool"] for e in events if e.kind in ("tool_call_completed", "effect_applied")}
    asked = {e.data["tool"] for e in events if e.kind.startswith("tool_call_")}
    wrong += [f"silent about {name}" for name in asked - gone_well if name not in told]
    written = [titles for titles in world.tickets.values() if any(run_host(run) in title for title in titles)]
    if any(len(titles) > 1 for titles in written) or len(written) > 1:
        wrong.append("written twice")
    status = {action.status for action in run.actions if action.tool == "open_ticket"}
    if "applied" in status and not written:
        wrong.append("claims what did not happen")
    if written and not status & {"applied", "unknown"}:
        wrong.append("does not know what happened")
    everything = set(READS) <= gone_well and "applied" in status
    return Seen(full=everything and run.state == "COMPLETED", seconds=seconds, wrong=tuple(wrong))


def run_host(run: Run) -> str:
    """The host that a run is about."""
    return run.request.split(" ", 1)[0].rstrip(":")


async def measure(runs: int, seed: int, memory: Memory | None = None) -> list[Seen]:
    """So many runs, ``AT_ONCE`` at a time."""
    world = World(random.Random(seed))
    slots = asyncio.Semaphore(AT_ONCE)
    me = Principal(tenant="t", user="u")
    async with team(world, memory) as supervisor:

        async def one(number: int) -> Seen:
            host = f"web-{number:05d}"
            async with slots:
                began = time.monotonic()
                run = await supervisor.run(
                    f"{host}: its disk is full, open a ticket", principal=me, plan=planned(host)
                )
                seconds = time.monotonic() - began
                events = [e async for e in supervisor.events(run.run_id, principal=me)]
            return judge(run, events, seconds, world)

        return await asyncio.gather(*(one(number) for number in range(runs)))


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    seen = asyncio.run(measure(runs, seed))
    wrong = Counter(what for one in seen for what in one.wrong)
    seconds = sorted(one.seconds for one in seen)
    table = Table(title=f"{runs} runs under faults, seed {seed}", caption=f"deadline {BUDGET.timeout:g} s")
    table.add_column("what")
    table.add_column("figure", justify="right")
    table.add_row("full answers", f"{sum(one.full for one in seen) / runs:.1%}")
    table.add_row(
        "seconds, p50 / p95 / most", " / ".join(f"{seconds[int(runs * q)]:.1f}" for q in (0.5, 0.95))
    )
    table.add_row("slowest, seconds", f"{seconds[-1]:.1f}")
    for what, count in wrong.most_common():
        table.add_row(f"broken: {what}", str(count))
    if not wrong:
        table.add_row("promises broken", "0")
    Console().print(table)


if __name__ == "__main__":
    main()
