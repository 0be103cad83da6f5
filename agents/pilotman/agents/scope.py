"""What is alive while a run is driven: shared by the run, narrowed for each task."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from langchain_core.runnables import Runnable

from pilotman.agents.blocking import Threads
from pilotman.agents.circuits import Circuits
from pilotman.agents.flow import Flow
from pilotman.agents.lane import Lane, Lanes
from pilotman.agents.limits import Limits
from pilotman.agents.meter import Meter
from pilotman.agents.models import ModelTable, Role
from pilotman.agents.outbox import Outbox
from pilotman.agents.prices import PriceTable
from pilotman.agents.recorder import Recorder
from pilotman.agents.report import Brief, Passage
from pilotman.agents.result import ToolResult
from pilotman.agents.retries import Retries
from pilotman.agents.specialist import Kit
from pilotman.agents.telemetry import Telemetry
from pilotman.agents.tool import Tool
from pilotman.agents.under_way import UnderWay
from pilotman.guardrails.cap import Cap
from pilotman.guardrails.errors import BudgetExceeded, QuotaExceeded
from pilotman.guardrails.ladder import Rung
from pilotman.guardrails.policy import Call, Decision, Policy, decide
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.purse import Wallet
from pilotman.memory.facts.reader import Reader
from pilotman.memory.journal.journal import Journal


class Activity(Protocol):
    """Told when a task starts (+1) or ends (-1) waiting: for a tool, so that the run's state can show it; or
    at rest, for a pause to end or a place to become free, so that its worker can take another run."""

    def waiting(self, path: str, delta: int) -> None: ...

    def resting(self, path: str, delta: int) -> None: ...


class NoActivity:
    """Nobody is told."""

    def waiting(self, path: str, delta: int) -> None:
        pass

    def resting(self, path: str, delta: int) -> None:
        pass


@dataclass(kw_only=True, eq=False)
class RunScope:
    """Everything that all tasks of one run share.

    ``deadline_at`` is an instant; ``grace`` seconds are kept back from every call so that an answer can still
    be written; of what is delegated ``answer_time`` more, so that a model can write it. ``fresh``: nothing
    of the run was done before. ``writes`` is shared by all runs of an owner.
    ``conversation_calls`` by tool, ``identical_calls`` by digest; ``counted_calls`` are the paths in them.
    """

    run_id: str
    thread_id: str
    principal: Principal
    journal: Journal
    owner: str
    recorder: Recorder
    clock: Callable[[], datetime]
    random: Callable[[], float]
    threads: Threads
    telemetry: Telemetry
    prices: PriceTable
    circuits: Circuits
    retries: Retries
    deadline_at: datetime
    grace: float
    policy_version: str
    flow: Flow
    meter: Meter | None = None
    facts: Reader | None = None
    lanes: Lanes = field(default_factory=Lanes)
    trace: str | None = None
    answer_time: float = 0.0
    fresh: bool = True
    read_only: bool = False
    rung: Rung = "full"
    credentials: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Limits = field(default_factory=Limits)
    parallel: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(8))
    activity: Activity = field(default_factory=NoActivity)
    outbox: Outbox = field(default_factory=Outbox)
    writes: UnderWay = field(default_factory=UnderWay)
    conversation_calls: Counter[str] = field(default_factory=Counter[str])
    identical_calls: Counter[str] = field(default_factory=Counter[str])
    counted_calls: set[str] = field(default_factory=set[str])
    passages: dict[int, Passage] = field(default_factory=dict[int, Passage])
    results: dict[str, ToolResult] = field(default_factory=dict[str, ToolResult])
    tools_used: list[str] = field(default_factory=list[str])
    caveats: list[str] = field(default_factory=list[str])

    def left(self) -> float:
        """Seconds of active time for calls, the grace for the answer already taken off."""
        return (self.deadline_at - self.clock()).total_seconds() - self.grace

    def time_for(self, limit: float, *, path: str) -> float:
        """The time-out of a call that may take ``limit`` seconds.

        Raises:
            BudgetExceeded: no time is left; the call does not start.
        """
        left = self.left()
        if left <= 0:
            error = BudgetExceeded("the run's time is used up", limit="timeout")
            self.exceeded(error, path=path)
            raise error
        return min(limit, left)

    def exceeded(self, error: BudgetExceeded | QuotaExceeded, *, path: str) -> None:
        """Write down that something did not fit into the budget or a quota and was not started."""
        self.recorder.emit(
            "budget_exceeded", actor="supervisor", path=path, limit=error.limit, message=str(error)
        )

    def caveat(self, text: str) -> None:
        """Something that the answer must say; each is said once."""
        text = self.outbox.told(text, path="answer")
        if text not in self.caveats:
            self.caveats.append(text)
            self.recorder.emit("caveat", actor="supervisor", text=text)


@dataclass(kw_only=True, eq=False)
class TaskScope:
    """One task of one agent: its brief, its purse, its lease of tools, and the policies of all above it.

    ``policies`` is one group for each supervisor of the chain: all groups must agree. ``confined``: the
    request must ask for what is written, too. ``caps`` are the cumulative limits of the whole chain; a write
    whose computed confidence is below ``min_confidence`` is put to a person.
    ``errand`` is a task that is one call, decided beforehand: its tool and arguments, no model is asked.
    ``passages`` are those it may cite, by number; ``foreign`` builds the agent that somebody brought.
    """

    run: RunScope
    path: str
    agent: str
    chain: tuple[str, ...]
    brief: Brief
    wallet: Wallet
    models: ModelTable
    role: Role
    policies: tuple[tuple[Policy, ...], ...]
    tools: Mapping[str, Tool[..., object]]
    confined: bool = False
    caps: tuple[Cap, ...] = ()
    min_confidence: float | None = None
    instructions: str = ""
    foreign: Callable[[Kit], Runnable[Any, Any]] | None = None
    errand: tuple[str, Mapping[str, Any]] | None = None
    passages: dict[int, Passage] = field(default_factory=dict[int, Passage])

    @contextmanager
    def at_rest(self) -> Generator[None]:
        """While it waits for a pause to end or for a place: no work of its own is done meanwhile."""
        self.run.activity.resting(self.path, +1)
        try:
            yield
        finally:
            self.run.activity.resting(self.path, -1)

    async def take_place(self, lane: Lane) -> bool:
        """Wait for a place, as long as the run has time. Whether there is one: ``lane.leave()`` it then."""
        with self.at_rest():
            return await lane.enter(self.run.left())

    def decide(self, call: Call, *opinions: Decision) -> Decision:
        """What all policies of the chain, the gate and others say together: deny over escalate over allow.

        Where nothing confines the run, the gate is asked all the same once memory has told it what is not
        trusted: what was left there in another session moves nothing that the request does not ask for,
        unless a person says yes.
        """
        answers = [*(decide(group, call) for group in self.policies), *opinions]
        if self.confined:
            answers.append(self.run.flow.judge(call))
        elif self.errand is None and self.run.flow.reminded:
            answers.append(_asked(self.run.flow.judge(call)))
        for verdict in ("deny", "escalate"):
            for answer in answers:
                if answer.verdict == verdict:
                    return answer
        return Decision.allow(*(reason for answer in answers for reason in answer.reasons))


def _asked(said: Decision) -> Decision:
    """A person decides instead of the gate."""
    if said.verdict != "deny":
        return said
    return Decision.escalate(*said.reasons, "the run was told memories that nobody vouches for")
