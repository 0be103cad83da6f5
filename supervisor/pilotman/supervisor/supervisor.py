"""The supervisor: puts a team together, owns its runs, and holds all verbs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from langchain_core.runnables import RunnableConfig
from langgraph.graph.state import CompiledStateGraph
from opentelemetry.trace import TracerProvider
from pydantic import BaseModel

from pilotman.agents.models import Models, ModelTable
from pilotman.agents.prices import PriceTable
from pilotman.agents.specialist import Agent, valid_name
from pilotman.agents.telemetry import Telemetry
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.cap import Cap
from pilotman.guardrails.capacity import Capacity
from pilotman.guardrails.errors import Conflict
from pilotman.guardrails.ladder import Ladder, ladder
from pilotman.guardrails.limit import Limit
from pilotman.guardrails.outbound.outbound import Outbound
from pilotman.guardrails.policy import Policy
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.quota import Quota, checked
from pilotman.memory import Event, Memory
from pilotman.memory.journal.access import now
from pilotman.memory.journal.records import ENDED, RunRow
from pilotman.retrieval import Corpus
from pilotman.supervisor.amends import Amends
from pilotman.supervisor.backlog import Backlog
from pilotman.supervisor.embed import embed
from pilotman.supervisor.engine import LEASE, Engine
from pilotman.supervisor.graphs import drawn
from pilotman.supervisor.intake import Intake, Request, plain
from pilotman.supervisor.levers import Levers
from pilotman.supervisor.notices import Notifier
from pilotman.supervisor.oblivion import Oblivion
from pilotman.supervisor.outgoing import fitting
from pilotman.supervisor.people import People
from pilotman.supervisor.plan import Plan
from pilotman.supervisor.portal import Portal, opened
from pilotman.supervisor.reception import Arrival
from pilotman.supervisor.run import Run
from pilotman.supervisor.setup import Ports
from pilotman.supervisor.state import RunState
from pilotman.supervisor.station import Station
from pilotman.supervisor.team import Team, limited, members


class Supervisor(Amends, Backlog, Levers, Oblivion, People):
    """A team under control. Constructing does no I/O; the first verb (or ``async with``) does.

    ``agents`` are specialists or other supervisors. ``models`` is a model, a chain of them, or one for each
    role; the rule-based tier stands behind every chain, and alone where none is given (a nested supervisor
    takes its outer one's). ``budget`` narrows the outer one where supervisors are nested.

    ``policy`` is asked before every call, several must agree; None: reads are allowed, declared writes ask a
    person, undeclared ones are denied. With ``confine`` the request must ask for what is written, as ``Gate``
    reads it: where it plainly does, no policy is needed. ``caps`` limit what all calls of a tool come to
    together, ``quotas`` what a tenant, user or conversation uses in a window of time. With ``saga`` a run
    that cannot do everything takes back what it did. ``answer_policy`` is asked before an answer leaves,
    ``min_confidence`` (in [0, 1]) sends writes and answers whose computed confidence is below it to a person.
    ``outbound`` says what happens to secrets, identifiers and links that would leave; without it what
    ``Outbound()`` says. ``limits`` bound the calls of all runs in this process together, by ``tool:NAME``,
    ``model:PROVIDER``, ``model:PROVIDER:NAME``, by ``tenant`` (each of them) or ``tenant:NAME``.

    Without ``memory`` everything is in memory and gone with the process. ``credentials`` gives a run's tools
    their secrets; models never see them. ``prices`` replaces the price table. ``notify`` tells people who
    wait elsewhere what they are asked (see ``notifiers``). ``intake`` turns requests into what the team works
    on. ``capacity`` says how many requests may wait and how much is worked on at once. Of these, and of clock
    and tracer, a nested supervisor uses its outer one's.

    Raises:
        ConfigurationError: something that cannot work; it says what to change.
    """

    def __init__(
        self,
        name: str,
        agents: Sequence[Agent],
        *,
        description: str = "",
        models: Models | None = None,
        policy: Policy | Sequence[Policy] | None = None,
        answer_policy: Policy | None = None,
        min_confidence: float | None = None,
        confine: bool = False,
        caps: Sequence[Cap] = (),
        saga: bool = False,
        quotas: Sequence[Quota] = (),
        budget: Budget | None = None,
        memory: Memory | None = None,
        corpus: Corpus | None = None,
        response_format: type[BaseModel] | None = None,
        intake: Callable[[Request], Intake] = plain,
        credentials: Callable[[Principal], Mapping[str, str]] | None = None,
        prices: PriceTable | None = None,
        outbound: Outbound | None = None,
        limits: Mapping[str, Limit] | None = None,
        notify: Notifier | None = None,
        capacity: Capacity | None = None,
        ladder: Ladder = ladder,
        tracer_provider: TracerProvider | None = None,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._team = Team(
            name=valid_name(name),
            description=description,
            members=members(name, agents),
            models=None if models is None else ModelTable.resolve(models),
            policies=_policies(policy),
            answer_policy=answer_policy,
            budget=budget,
            corpus=corpus,
            response_format=response_format,
            min_confidence=min_confidence,
            confine=confine,
            caps=tuple(caps),
            saga=saga,
            quotas=checked(tuple(quotas)),
            intake=intake,
        )
        ports = Ports(
            clock=clock or now,
            telemetry=Telemetry(tracer_provider),
            prices=prices or PriceTable(),
            credentials=credentials,
            notifier=notify,
            outbound=fitting(outbound, self._team),
            capacity=capacity or Capacity(),
            ladder=ladder,
            limits=limited(limits, self._team),
        )
        self._station = Station(self._team, memory, ports)

    @property
    def name(self) -> str:
        return self._team.name

    @property
    def description(self) -> str:
        return self._team.description

    @property
    def team(self) -> Team:
        """What the supervisor was put together from."""
        return self._team

    @property
    def outbound(self) -> Outbound:
        """What happens to secrets, identifiers and links that would leave."""
        return self._station.outbound

    @property
    def has_memory(self) -> bool:
        """Whether a memory was given (a nested supervisor must have none)."""
        return self._station.was_given_memory

    @property
    def graph(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The team's compiled LangGraph graph; it draws itself and its agents without a web service."""
        return drawn(self._team)

    def as_graph(
        self, *, principal: Callable[[RunnableConfig, Any], Principal] | None = None
    ) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The team as a node or Runnable of another app: takes and gives ``messages``.

        ``principal`` is called with the host's config and context and says who asks; without it runs are
        read-only. A run that waits for a person interrupts the host's graph.
        """
        return embed(self, principal)

    # life

    async def __aenter__(self) -> Self:
        await self._station.work()
        await self._station.watch()
        return self

    async def __aexit__(
        self, t: type[BaseException] | None, e: BaseException | None, tb: TracebackType | None, /
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Finish what is being driven, or leave it for the next start; close a memory of our own."""
        await self._station.aclose()

    def portal(self) -> AbstractContextManager[Portal]:
        """A synchronous way in: ``with team.portal() as call: run = call(team.run, …)``."""
        return opened(self.aclose)

    # starting runs

    async def run(
        self,
        request: Request,
        *,
        principal: Principal,
        thread_id: str | None = None,
        budget: Budget | None = None,
        plan: Plan | None = None,
        idempotency_key: str | None = None,
        read_only: bool = False,
    ) -> Run:
        """Drive a request to its end, or to a question to a person.

        The same ``idempotency_key`` (unique in the tenant) joins the first run. ``plan`` needs no planner.
        With ``read_only`` writes are not done but drafted, on the run's record.

        Raises:
            InvalidRequest: the request does not have the team's shape.
            Conflict: another run is active on ``thread_id``.
            Overloaded: too many requests wait already; ``retry_after`` seconds later there is room.
            QuotaExceeded: a quota is used up; ``retry_after`` seconds later it begins anew.
        """
        arrival = Arrival(
            request=request,
            principal=principal,
            thread_id=thread_id,
            budget=budget,
            plan=plan,
            idempotency_key=idempotency_key,
            read_only=read_only,
        )
        return await self.drive(arrival)

    async def drive(self, arrival: Arrival) -> Run:
        """``run`` for hosts that embed the team."""
        engine = await self._station.open()
        row = await self._station.reception.receive(arrival, owner=engine.owner, lease=LEASE)
        return await self._settle(engine, row, arrival.principal)

    async def submit(
        self,
        request: Request,
        *,
        principal: Principal,
        thread_id: str | None = None,
        budget: Budget | None = None,
        plan: Plan | None = None,
        idempotency_key: str | None = None,
        read_only: bool = False,
    ) -> Run:
        """Queue a request and return at once; urgent ones are taken first, one at a time in a conversation.

        Raises:
            InvalidRequest: the request does not have the team's shape.
            Overloaded, QuotaExceeded: as with ``run``.
        """
        engine = await self._station.open()
        arrival = Arrival(
            request=request,
            principal=principal,
            thread_id=thread_id,
            budget=budget,
            plan=plan,
            idempotency_key=idempotency_key,
            read_only=read_only,
            queued=True,
        )
        row = await self._station.reception.receive(arrival, owner=engine.owner, lease=LEASE)
        self._team.check_own(row)
        (await self._station.work()).wake()
        return await self.get(row.run_id, principal=principal)

    # going on

    async def _settle(self, engine: Engine, row: RunRow, principal: Principal) -> Run:
        """Drive the run here, or wait for whoever drives it, until it stops."""
        self._team.check_own(row)
        while row.state not in ENDED and not await engine.advance(row.run_id):
            await self._station.records.changed(row.run_id)
            row = await self._station.journal.run(row.run_id, tenant=principal.tenant)
        return await self.get(row.run_id, principal=principal)

    async def resume(self, run_id: str, *, principal: Principal) -> Run:
        """Drive or join a run to its next stop. A run whose owner lives is joined, a dead owner's taken over.

        Raises:
            NotFound: no such run in this tenant.
        """
        engine = await self._station.open()
        row = await self._station.journal.run(run_id, tenant=principal.tenant)
        return await self._settle(engine, row, principal)

    async def cancel(self, run_id: str, *, principal: Principal, reason: str = "") -> Run:
        """End a run; every task of it is told. A run that has ended stays as it is.

        Raises:
            NotFound: no such run in this tenant.
        """
        engine = await self._station.open()
        journal = self._station.journal
        row = await journal.run(run_id, tenant=principal.tenant)
        self._team.check_own(row)
        why = reason or f"cancelled by {principal.user}"
        with suppress(Conflict):  # it has ended
            await journal.request_cancel(run_id, tenant=principal.tenant, reason=why)
        while row.state not in ENDED:
            if not engine.cancel(run_id) and await engine.advance(run_id):
                break
            await self._station.records.changed(run_id)
            row = await journal.run(run_id, tenant=principal.tenant)
        return await self.get(run_id, principal=principal)

    # looking

    async def get(self, run_id: str, *, principal: Principal) -> Run:
        """The run's record now.

        Raises:
            NotFound: no such run in this tenant.
        """
        await self._station.open()
        return await self._station.records.get(run_id, principal.tenant)

    async def runs(
        self, *, principal: Principal, state: RunState | None = None, limit: int = 50
    ) -> list[Run]:
        """This team's runs in the principal's tenant, newest first."""
        await self._station.open()
        rows = await self._station.journal.runs(
            tenant=principal.tenant, supervisor=self.name, state=state, limit=limit
        )
        return await self._station.records.of(rows)

    async def events(self, run_id: str, *, principal: Principal, after: int = 0) -> AsyncIterator[Event]:
        """The run's events after number ``after``, as they happen, until it ends or waits for a person.

        Raises:
            NotFound: no such run in this tenant.
        """
        await self._station.open()
        async for event in self._station.records.follow(run_id, principal.tenant, after=after):
            yield event


def _policies(policy: Policy | Sequence[Policy] | None) -> tuple[Policy, ...] | None:
    if policy is None:
        return None
    return tuple(policy) if isinstance(policy, Sequence) else (policy,)
