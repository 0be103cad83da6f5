"""What has to stand before a run can be driven: its scope, its purse, its clock, its lead."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from pilotman.agents.blocking import Threads, bounded
from pilotman.agents.circuits import Circuits, SharedCircuits
from pilotman.agents.flow import Flow
from pilotman.agents.graph import Desks
from pilotman.agents.hearing import Listener
from pilotman.agents.lane import Lane, Lanes
from pilotman.agents.limits import Limits
from pilotman.agents.meter import Meter
from pilotman.agents.models import ModelTable
from pilotman.agents.outbox import Outbox
from pilotman.agents.prices import PriceTable
from pilotman.agents.recorder import Recorder
from pilotman.agents.report import Brief
from pilotman.agents.retries import Retries
from pilotman.agents.rules.model import RULES
from pilotman.agents.scope import RunScope, TaskScope
from pilotman.agents.telemetry import Telemetry
from pilotman.agents.under_way import UnderWay
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.capacity import Capacity
from pilotman.guardrails.ladder import Health, Ladder, ladder, lowered
from pilotman.guardrails.limit import Limit
from pilotman.guardrails.outbound.outbound import Outbound
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.purse import Wallet
from pilotman.memory.facts.reader import Reader
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import Claimed, RunRow
from pilotman.memory.storage.codec import dump
from pilotman.memory.store.acting import Acting, acting
from pilotman.supervisor.conduct import Conductor
from pilotman.supervisor.conversation import Conversations
from pilotman.supervisor.graphs import Graphs
from pilotman.supervisor.history import Before, deadline_of, passages, reminded, seen, suspected
from pilotman.supervisor.lead import ANSWER_SHARE, Lead
from pilotman.supervisor.mover import Mover
from pilotman.supervisor.notices import Notifier
from pilotman.supervisor.plan import Plan
from pilotman.supervisor.team import Team
from pilotman.supervisor.versions import budget_from

GRACE_SHARE = 0.05
MAX_GRACE = 1.0
"""Seconds at most that are kept back from calls so that an answer can be written."""
SHARE = 0.5
MOST_SECONDS = 30.0
"""Getting credentials may take so much of the time left, at most so long."""


@dataclass(frozen=True, kw_only=True)
class Ports:
    """What an engine is built on; everything that tests and hosts may replace."""

    clock: Callable[[], datetime]
    telemetry: Telemetry
    prices: PriceTable
    credentials: Callable[[Principal], Mapping[str, str]] | None = None
    random: Callable[[], float] = random.random
    threads: Threads = field(default_factory=Threads)
    notifier: Notifier | None = None
    outbound: Outbound = field(default_factory=Outbound)
    capacity: Capacity = field(default_factory=Capacity)
    limits: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    ladder: Ladder = ladder


@dataclass(eq=False)
class Drive:
    """One run while it is driven here."""

    row: RunRow
    scope: RunScope
    mover: Mover
    lead: Lead
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)


class Seats:
    """Who works on which part of which run, here: leads by step path, and the desks of their specialists."""

    def __init__(self) -> None:
        self.desks = Desks()
        self._leads: dict[str, dict[str, Lead]] = {}

    def take(self, lead: Lead) -> None:
        """The lead works on its part from now on."""
        self._leads.setdefault(lead.scope.run.run_id, {})[lead.scope.path] = lead

    def find(self, run_id: str, path: str) -> Conductor | None:
        """Who conducts this part, or None: nobody drives this run here."""
        lead = self._leads.get(run_id, {}).get(path)
        return None if lead is None else Conductor(lead)

    def clear(self, run_id: str) -> None:
        """Nobody drives this run any more."""
        self.desks.clear(run_id)
        self._leads.pop(run_id, None)


class Setup:
    """Sets runs of one team up in this process."""

    def __init__(
        self,
        team: Team,
        journal: Journal,
        ports: Ports,
        graphs: Graphs,
        seats: Seats,
        conversations: Conversations,
        *,
        owner: str,
        policy_version: str,
        facts: Reader | None = None,
    ) -> None:
        self._team = team
        self._journal = journal
        self._ports = ports
        self._graphs = graphs
        self._seats = seats
        self.conversations = conversations
        self._owner = owner
        self._policy_version = policy_version
        self._facts = facts
        self._circuits = Circuits(_loop_time)
        if journal.reachable:
            self._circuits = SharedCircuits(_loop_time, journal, supervisor=team.name, owner=owner)
        self._retries = Retries(_loop_time)
        self._limits = Limits(ports.limits)
        self._writes = UnderWay()
        chains = () if team.models is None else team.models.chains.values()
        models = {tier.name for chain in chains for tier in chain if not tier.rules}
        self._model_circuits = [f"model:{name}" for name in sorted(models)]
        self._tool_circuits = [f"tool:{name}" for name in team.tools()]
        self._lanes = _lanes(ports.capacity)

    async def drive(self, claimed: Claimed) -> Drive:
        """Everything that driving this run needs, from its row and what it wrote so far."""
        story, row, history = claimed.story, claimed.story.run, claimed.story.events
        journal, ports = self._journal, self._ports
        payloads = await journal.payloads(row.run_id) if len(history) > 1 else {}
        blind = await journal.blinder(row.run_id)
        recorder = Recorder(
            journal, row.run_id, clock=ports.clock, history=history, payloads=payloads, blind=blind
        )
        budget = budget_from(row.budget)
        deadline, waited = deadline_of(row, budget, history, ports.clock())
        standing = {"deadline_at": deadline, "waited_s": waited}
        mover = Mover(journal, row, story.transitions, recorder, owner=self._owner, standing=standing)
        before = Before(history, conversation=claimed.conversation_calls)
        scope = self._scope(row, recorder, budget, mover, before, deadline)
        # all that the run calls from here on, in tasks and threads, inherits it from this task
        ear, thread_id = Listener(scope), row.thread_id
        acting.set(Acting(principal=scope.principal, run_id=row.run_id, thread_id=thread_id, ear=ear))
        scope.credentials = await self._credentials(scope)
        await self._step_down(row, scope, before)
        writes = not scope.read_only and any(not tool.reads for tool in self._team.tools().values())
        said = await self.conversations.recall(
            scope, history, context=budget.max_context_tokens, writes=writes
        )
        lead = self._root(row, scope, budget, mover, said)
        self._seats.take(lead)
        return Drive(row=row, scope=scope, mover=mover, lead=lead)

    def _scope(
        self, row: RunRow, recorder: Recorder, budget: Budget, mover: Mover, before: Before, until: datetime
    ) -> RunScope:
        ports = self._ports
        return RunScope(
            run_id=row.run_id,
            thread_id=row.thread_id,
            principal=Principal.from_dict(row.principal),
            journal=self._journal,
            owner=self._owner,
            recorder=recorder,
            clock=ports.clock,
            random=ports.random,
            threads=ports.threads,
            telemetry=ports.telemetry,
            prices=ports.prices,
            circuits=self._circuits,
            retries=self._retries,
            limits=self._limits,
            writes=self._writes,
            deadline_at=until,
            grace=min(MAX_GRACE, budget.timeout * GRACE_SHARE),
            answer_time=min(budget.model_timeout, budget.timeout * ANSWER_SHARE),
            policy_version=self._policy_version,
            flow=self._flow(row, recorder, before),
            outbox=self._outbox(row, recorder, before),
            fresh=before.nothing,
            read_only=bool(row.request.get("read_only")),
            parallel=asyncio.Semaphore(budget.max_parallel),
            lanes=self._lanes,
            meter=self._meter(row),
            facts=self._facts,
            activity=mover,
            conversation_calls=before.conversation_calls,
            identical_calls=before.identical_calls,
            counted_calls=before.counted_calls,
            tools_used=before.tools_used,
            caveats=before.caveats,
            passages=passages(before.history, recorder),
        )

    def _meter(self, row: RunRow) -> Meter | None:
        """The quotas of whoever asks, where there are any."""
        if not self._team.quotas:
            return None
        return Meter(
            quotas=self._team.quotas,
            journal=self._journal,
            clock=self._ports.clock,
            run_id=row.run_id,
            principal=Principal.from_dict(row.principal),
            thread_id=row.thread_id,
        )

    async def _step_down(self, row: RunRow, scope: RunScope, before: Before) -> None:
        """Choose the rung of the ladder at which the run works, once in its life; it is said and recorded."""
        known = [event.data["rung"] for event in before.history if event.kind == "degraded"]
        if known or not before.nothing:
            scope.rung = known[-1] if known else "full"
            return
        rung, why = self._ports.ladder(await self._health(row))
        if rung != "full":
            scope.rung = rung
            scope.recorder.emit("degraded", actor="supervisor", rung=rung, reason=why)
            scope.caveat(f"this run did less than usual ({rung.replace('_', ' ')}): {why}")

    async def _health(self, row: RunRow) -> Health:
        """What is known of the surroundings; nobody is asked for it but the queue, where the run stood in."""
        waiting = await self._journal.queue_length() if row.request.get("queued") else 0
        return Health(
            models=self._well(self._model_circuits),
            tools=self._well(self._tool_circuits),
            queue=min(1.0, waiting / self._ports.capacity.max_queued),
        )

    def _well(self, names: Sequence[str]) -> float:
        ill = sum(self._circuits.is_open(name) for name in names)
        return 1.0 - ill / len(names) if names else 1.0

    def _outbox(self, row: RunRow, recorder: Recorder, before: Before) -> Outbox:
        """What stands between the run and the outside; what the request says itself is the user's own."""
        return Outbox.resumed(
            self._ports.outbound,
            own=[str(row.request["text"]), dump(row.request.get("facts") or {})],
            recorder=recorder,
            threads=self._ports.threads,
            history=before.history,
        )

    def _flow(self, row: RunRow, recorder: Recorder, before: Before) -> Flow:
        """The run's one gate. A plan that came with the request is its lease, if it names the tools."""
        plan = Plan.from_dict(row.request["plan"]) if row.request.get("plan") else None
        exact = plan is not None and all(task.tools is not None for task in plan.tasks)
        flow = Flow(
            principal=Principal.from_dict(row.principal),
            request=str(row.request["text"]),
            facts=dict(row.request.get("facts") or {}),
            tools=self._team.tools(),
            plan=plan if exact else None,
            earlier=partial(seen, before.history, recorder),
        )
        for tool, suspicions in suspected(before.history):
            flow.suspect(tool, suspicions)
        for told in reminded(before.history, recorder):
            flow.observe(told)
        return flow

    async def _credentials(self, scope: RunScope) -> Mapping[str, str]:
        """The secrets of whoever asks; without them the run does what needs none, and says so."""
        ports = self._ports
        if ports.credentials is None:
            return {}
        try:  # it is somebody else's code, and may ask a service that is gone
            asked = ports.threads.run(ports.credentials, scope.principal)
            return await bounded(asked, min(MOST_SECONDS, scope.left() * SHARE))
        except Exception as error:
            scope.caveat(f"there are no credentials: {type(error).__name__}")
            return {}

    def _root(
        self, row: RunRow, scope: RunScope, budget: Budget, mover: Mover, said: Sequence[Mapping[str, Any]]
    ) -> Lead:
        team = self._team
        brief = Brief(
            task_id="answer",
            agent=team.name,
            goal="",
            request=str(row.request["text"]),
            query=str(row.request.get("query") or ""),
            facts=dict(row.request.get("facts") or {}),
            conversation=tuple(said),
        )
        task = TaskScope(
            run=scope,
            path="",
            agent=team.name,
            chain=(team.name,),
            brief=brief,
            wallet=Wallet(
                budget if scope.rung == "full" else lowered(budget), settled=scope.recorder.spent("")
            ),
            models=team.models or ModelTable.resolve(RULES),
            role="planner",
            policies=(team.own_policies,),
            confined=team.confine,
            caps=team.caps,
            min_confidence=team.min_confidence,
            tools=team.tools(),
        )
        return Lead(
            team=team,
            scope=task,
            desks=self._seats.desks,
            seat=self._seats.take,
            graphs=self._graphs,
            mover=mover,
            purpose=row.task_type,
            given=Plan.from_dict(row.request["plan"]) if row.request.get("plan") else None,
        )


def _lanes(capacity: Capacity) -> Lanes:
    """Places for calls in flight, where their number is limited."""
    models, tools = capacity.max_model_calls, capacity.max_tool_calls
    return Lanes(
        models=None if models is None else Lane(models), tools=None if tools is None else Lane(tools)
    )


def _loop_time() -> float:
    """Monotonic seconds of the running loop."""
    return asyncio.get_running_loop().time()
