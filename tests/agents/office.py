"""A place of work for the tests of one task: a real journal, runs in it, and desks that do their tasks."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from pilotman.agents.blocking import Threads
from pilotman.agents.calls import ProposedCall
from pilotman.agents.circuits import Circuits
from pilotman.agents.desk import Desk
from pilotman.agents.flow import Flow
from pilotman.agents.graph import Desks, build
from pilotman.agents.models import Models, ModelTable
from pilotman.agents.prices import PriceTable
from pilotman.agents.recorder import Recorder
from pilotman.agents.report import Brief
from pilotman.agents.result import ToolResult
from pilotman.agents.retries import Retries
from pilotman.agents.scope import RunScope, TaskScope
from pilotman.agents.telemetry import Telemetry
from pilotman.agents.tool import Tool
from pilotman.agents.under_way import UnderWay
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.policy import Call, Decision, Policy
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.purse import Wallet
from pilotman.guardrails.retry import Retry
from pilotman.memory.event import Event, NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import RunRow

ALICE = Principal(tenant="acme", user="alice")
BOB = Principal(tenant="acme", user="bob", roles=frozenset({"approver"}))
QUICK = Retry(max_attempts=3, backoff_ms=(1,))
OWNER = "me"


def allow_all(call: Call, /) -> Decision | None:
    return Decision.allow()


def ask_about_writes(call: Call, /) -> Decision | None:
    return Decision.allow() if call.effect == "read" else Decision.escalate("a person decides")


def deny_writes(call: Call, /) -> Decision | None:
    return None if call.effect == "read" else Decision.deny("the secret reason")


class Clock:
    """The system's time, which a test can move on."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)
        self.stopped: datetime | None = None

    def __call__(self) -> datetime:
        return (self.stopped or datetime.now(UTC)) + self.ahead

    def stop(self) -> None:
        """From now on only the test moves it."""
        self.stopped = datetime.now(UTC)

    def forward(self, **duration: float) -> None:
        self.ahead += timedelta(**duration)


@dataclass(eq=False)
class Office:
    """Runs of one installation. ``saver`` keeps parked graphs; give a fresh one for a crash."""

    journal: Journal
    clock: Clock
    threads: Threads = field(default_factory=Threads)
    writes: UnderWay = field(default_factory=UnderWay)
    saver: InMemorySaver = field(default_factory=InMemorySaver)
    now: list[float] = field(default_factory=lambda: [0.0])

    def __post_init__(self) -> None:
        self.circuits = Circuits(lambda: self.now[0])
        self.retries = Retries(lambda: self.now[0])

    async def run(
        self,
        run_id: str = "run_1",
        *,
        thread_id: str = "",
        owner: str = OWNER,
        timeout: float = 60.0,
        new: bool = True,
        request: str = "help",
        tools: Sequence[Tool[..., Any]] = (),
        **fields: Any,
    ) -> RunScope:
        """A run that is driven by ``owner``. Not ``new``: taken up again with all that its journal holds."""
        thread = thread_id or f"thread of {run_id}"
        if new:
            await self._create(run_id, thread)
        await self.journal.claim(run_id, owner=owner, lease=timedelta(hours=1), is_dead=lambda _: True)
        history = [] if new else await self.events(run_id)
        payloads = {} if new else await self.journal.payloads(run_id)
        recorder = Recorder(self.journal, run_id, clock=self.clock, history=history, payloads=payloads)
        values: dict[str, Any] = {
            "run_id": run_id,
            "thread_id": thread,
            "principal": ALICE,
            "journal": self.journal,
            "owner": owner,
            "recorder": recorder,
            "clock": self.clock,
            "random": lambda: 0.0,
            "threads": self.threads,
            "telemetry": Telemetry(content=False),
            "prices": PriceTable(),
            "circuits": self.circuits,
            "retries": self.retries,
            "writes": self.writes,
            "deadline_at": self.clock() + timedelta(seconds=timeout),
            "grace": 0.0,
            "policy_version": "p1",
            "flow": Flow(principal=ALICE, request=request, facts={}, tools={t.name: t for t in tools}),
        }
        return RunScope(**values | fields)

    async def _create(self, run_id: str, thread_id: str) -> None:
        now = self.clock()
        row = RunRow(
            run_id=run_id,
            tenant="acme",
            user="alice",
            principal=ALICE.to_dict(),
            supervisor="office",
            thread_id=thread_id,
            request={"text": "help"},
            state="EXECUTING",
            created_at=now,
            updated_at=now,
            budget={},
            versions={},
        )
        await self.journal.create_run(row, events=[])

    def task(
        self,
        run: RunScope,
        *tools: Tool[..., Any],
        path: str = "task:t1",
        models: Models = "pilotman:rules",
        policies: Sequence[Policy] = (allow_all,),
        budget: Budget | None = None,
        request: str = "help",
        **fields: Any,
    ) -> TaskScope:
        brief = Brief(task_id="t1", agent="worker", goal="help", request=request)
        wallet = Wallet(budget or Budget(retry=QUICK), settled=run.recorder.spent(path))
        values: dict[str, Any] = {
            "run": run,
            "path": path,
            "agent": "worker",
            "chain": ("office", "worker"),
            "brief": brief,
            "wallet": wallet,
            "models": ModelTable.resolve(models),
            "role": "worker",
            "policies": (tuple(policies),),
            "tools": {tool.name: tool for tool in tools},
        }
        return TaskScope(**values | fields)

    def desk(self, run: RunScope, *tools: Tool[..., Any], **fields: Any) -> Desk:
        return Desk(self.task(run, *tools, **fields))

    async def drive(self, desk: Desk, request: Any = None) -> dict[str, Any]:
        """The specialist's graph from where it is to its next stop."""
        desks = Desks()
        desks.seat(desk)
        graph = build(desks).compile(checkpointer=self.saver)
        thread = f"{desk.task.run.run_id}/{desk.task.path}"
        config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": 200}
        if request is None:
            parked = await graph.aget_state(config)
            start = {"run_id": desk.task.run.run_id, "path": desk.task.path}
            request = Command(resume=True) if parked.next else start
        state: dict[str, Any] = await graph.ainvoke(request, config, durability="exit")
        return state

    async def events(self, run_id: str = "run_1", *kinds: str) -> list[Event]:
        found = await self.journal.events(run_id, tenant="acme")
        return [event for event in found if not kinds or event.kind in kinds]

    async def kinds(self, run_id: str = "run_1") -> list[str]:
        return [event.kind for event in await self.events(run_id)]

    async def open(self, run_id: str = "run_1") -> list[Approval]:
        return await self.journal.approvals(tenant="acme", run_id=run_id, state="pending")

    async def answer(self, approval: Approval, state: Any = "approved", **fields: Any) -> None:
        data = {"approval_id": approval.approval_id, "digest": approval.digest, "kind": approval.kind}
        event = NewEvent(
            kind=f"approval_{state}",
            actor="user:bob",
            data=data,
            key=f"approval_{state}:{approval.approval_id}",
            at=self.clock(),
        )
        await self.journal.answer(
            approval.approval_id, tenant="acme", state=state, by=BOB, events=[event], **fields
        )


@asynccontextmanager
async def office() -> AsyncGenerator[Office]:
    clock = Clock()
    journal = Journal("sqlite://", clock=clock)
    await journal.start()
    try:
        yield Office(journal, clock)
    finally:
        await journal.aclose()


def proposed(tool: str, path: str = "task:t1/turn:0/call:0", **args: Any) -> ProposedCall:
    return ProposedCall(call_id=path, tool=tool, args=args, path=path)


def allowed(tool: str, path: str = "task:t1/turn:0/call:0", **args: Any) -> ProposedCall:
    return replace(proposed(tool, path, **args), stage="allowed")


def result_of(call: ProposedCall) -> ToolResult:
    assert call.result is not None, f"{call.tool} is {call.stage}"
    return ToolResult.from_dict(call.result)


def tool_messages(state: Mapping[str, Any]) -> list[str]:
    return [str(m["content"]) for m in state["messages"] if m["role"] == "tool"]
