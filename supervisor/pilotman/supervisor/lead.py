"""One supervisor at work in one run: recalls, plans, delegates. Nested ones are leads too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pilotman.agents.desk import Desk
from pilotman.agents.graph import Desks
from pilotman.agents.report import Report
from pilotman.agents.scope import RunScope, TaskScope
from pilotman.agents.specialist import Specialist
from pilotman.agents.switches import Switches
from pilotman.guardrails.errors import BudgetExceeded, ConfigurationError, NotFound
from pilotman.guardrails.ladder import at_or_below
from pilotman.guardrails.purse import Wallet
from pilotman.supervisor.answer import Writer
from pilotman.supervisor.assignment import brief_of, instant, lease, policies, role, stricter
from pilotman.supervisor.earlier import Earlier, earlier
from pilotman.supervisor.graphs import Graphs, Stopped
from pilotman.supervisor.mover import Mover
from pilotman.supervisor.outgoing import Exit
from pilotman.supervisor.plan import Plan, Task, needed, ready
from pilotman.supervisor.planner import Planner
from pilotman.supervisor.recall import Recall
from pilotman.supervisor.remembered import remembered
from pilotman.supervisor.saga import compensations, narrowed, step
from pilotman.supervisor.team import Team

PASSAGES_PER_TASK = 100
REPLANS = 1
_FAILED: Mapping[str, Any] = {"status": "failed"}
_UNDONE = frozenset({"not_applied", "denied", "rejected"})
ANSWER_SHARE = 0.2
"""The soft limit: a supervisor keeps so much of its time for the answer, at most that of a model call."""


@dataclass(eq=False)
class Lead:
    """The supervisor of ``team`` in a run. ``scope`` is its own: its purse, its policies, its passages.

    ``mover`` moves the run's state and is the root's alone. ``base`` is where it starts to number passages,
    ``purpose`` what the run is for: facts that are for something else are not told.
    ``slots`` bound how many of its specialists work at once, besides the run's own limit, innermost first.
    """

    team: Team
    scope: TaskScope
    desks: Desks
    seat: Callable[[Lead], None]
    graphs: Graphs
    mover: Mover
    given: Plan | None = None
    purpose: str = ""
    base: int = 0
    slots: tuple[asyncio.Semaphore, ...] = ()
    looked_up: bool = False
    recall: Recall = field(init=False)
    writer: Writer = field(init=False)
    exit: Exit = field(init=False)

    def __post_init__(self) -> None:
        scope = self.scope
        self.recall = Recall(
            self.team.corpus, scope.run, path=scope.path, passages=scope.passages, base=self.base
        )
        self.writer = Writer(self.team, self.scope)
        self.exit = Exit(self.team, self.scope, self.writer)

    @property
    def is_root(self) -> bool:
        return not self.scope.path

    def path(self, step: str) -> str:
        """The step path of something that this lead does."""
        return f"{self.scope.path}/{step}" if self.scope.path else step

    # planning

    async def prepare(self) -> Plan | None:
        """Make the first plan; None if a person has to say what to do."""
        plan = self.given or await Planner(self.team, self.scope).plan()
        if plan is not None:
            self._made(plan, "given" if self.given else "planner")
            await self.start("a plan was made")
        return plan

    async def start(self, reason: str) -> None:
        """The run has a plan and begins to work on it. Only the root moves the run's state."""
        if self.is_root:
            await self.mover.to("PLANNED", reason, key="planned:0")
            await self.mover.to("EXECUTING", "the plan starts", key="executing:0")

    async def look_up(self) -> None:
        """What the corpus has on the request goes into every brief, if it covers the request at all, and what
        is remembered that belongs to it: where something can be written, only what is trusted.

        Once in a lead's life: one that goes on after a pause finds what was found before, in the journal.
        """
        if self.looked_up or not self.is_root or at_or_below(self.scope.run.rung, "single_turn"):
            return
        self.looked_up = True
        query = self.scope.brief.query or self.scope.brief.request
        found = await self.recall.begin(query)
        writes = not self.scope.run.read_only and any(not tool.reads for tool in self.team.tools().values())
        facts = await remembered(
            self.scope.run, query, self.recall.place, purpose=self.purpose, trusted_only=writes
        )
        self.scope.brief = replace(self.scope.brief, passages=(*found, *facts))

    async def earlier(self) -> Earlier | None:
        """What this team answered to the same request before, if whoever asks was told."""
        run, brief = self.scope.run, self.scope.brief
        return await earlier(
            run.journal,
            supervisor=self.team.name,
            request=brief.request,
            facts=brief.facts,
            principal=run.principal,
            memory=run.facts,
            now=run.clock(),
        )

    def _made(self, plan: Plan, model: str) -> None:
        self.scope.run.recorder.emit(
            "plan_made", actor=self.team.name, path=self.path("plan"), round=0, model=model, **plan.to_dict()
        )

    async def replan(self, plan: Plan, reports: Sequence[Report], round: int) -> Plan | None:
        """The plan with tasks added for what is missing, or None if there is nothing to add."""
        if self.scope.run.rung != "full" or round > REPLANS:
            return None
        if self.scope.models.chain("planner")[0].rules or self.given is not None:
            return None
        try:
            more = await Planner(self.team, self.scope).plan(round=round, reports=reports, known=plan.tasks)
        except BudgetExceeded:
            return None
        if more is None:
            return None
        amended = Plan((*plan.tasks, *more.tasks))
        self._amended(amended, round=round, reason="tasks have failed")
        return amended

    # delegating

    def time_for_tasks(self) -> float:
        """Seconds until the soft limit: then it stops delegating and writes the answer with what there is."""
        return self.scope.run.left() - self._answer_time

    @property
    def _answer_time(self) -> float:
        """What is kept for the answer; rules need no time."""
        return 0.0 if self.scope.models.chain("writer")[0].rules else self.scope.run.answer_time

    def startable(
        self, plan: Plan, reports: Mapping[str, Mapping[str, Any]], parked: Mapping[str, Sequence[str]]
    ) -> list[Task]:
        """The tasks that may start now. None from the soft limit on.

        Tasks that the answer does not need wait for all others, and for a doubt.
        """
        if self.time_for_tasks() <= 0:
            return []
        waiting = {task_id for task_id, asked in parked.items() if asked}
        startable = ready(plan, reports.keys(), waiting)
        first = needed(plan)
        if first <= reports.keys():
            done = self.certain(plan, reports) or self.scope.run.rung != "full"
            return [] if done else startable
        return [task for task in startable if task.task_id in first]

    def certain(self, plan: Plan, reports: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether the answer is certain without the optional tasks: in all others everything went well."""
        required = [reports.get(task.task_id) for task in plan.tasks if not task.optional]
        return bool(required) and all(r and r["status"] == "ok" and r["confidence"] == 1.0 for r in required)

    async def take_back(self, plan: Plan, reports: Mapping[str, Mapping[str, Any]]) -> Plan | None:
        """The plan with tasks added that take back what was written, or None: nothing is to be taken back.

        A saga is whole or not at all. It is broken where a task that the answer needs has failed, or a write
        did not happen; one whose outcome is not known is for a person.
        """
        run = self.scope.run
        if not (self.team.saga and self.is_root) or any(task.undoes for task in plan.tasks):
            return None
        failed = any(reports.get(name, _FAILED)["status"] == "failed" for name in needed(plan))
        if not failed and not any(action["status"] in _UNDONE for action in await self.writer.actions()):
            return None
        effects = await run.journal.effects(run.run_id, tenant=run.principal.tenant)
        tasks = await compensations(run.journal, effects, self.team)
        if tasks and run.left() <= 0:
            run.caveat("there was no time to take back what was done: compensate the run")
        elif tasks:
            run.caveat("not everything could be done: what was done before is taken back")
            saga = Plan((*plan.tasks, *tasks))
            self._amended(saga, round=0, reason="a saga is taken back")
            return saga
        return None

    def _amended(self, plan: Plan, *, round: int, reason: str) -> None:
        told = {"path": self.path("plan"), "round": round, "reason": reason, **plan.to_dict()}
        self.scope.run.recorder.emit("plan_amended", actor=self.team.name, **told)

    def leave_out(self, plan: Plan, reports: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down which tasks are not started, and say so where the answer lacks them."""
        certain = self.certain(plan, reports)
        reason = "the answer is certain without it" if certain else "it was not started: no time was left"
        for task in plan.tasks:
            if task.task_id in reports:
                continue
            path = self.path(f"task:{task.task_id}")
            self.scope.run.recorder.emit(
                "task_skipped", actor=self.team.name, path=path, task_id=task.task_id, reason=reason
            )
            if not certain:
                self.scope.run.caveat(f"{task.agent} did not work on {task.task_id}: {reason}")

    async def branch(
        self, plan: Plan, task: Task, before: Mapping[str, Mapping[str, Any]]
    ) -> tuple[dict[str, dict[str, Any]], dict[str, list[str]]]:
        """Work on a task, then on those that wait for this branch alone: reports, and what is parked."""
        reports: dict[str, dict[str, Any]] = {}
        parked: dict[str, list[str]] = {}
        started: set[str] = {task.task_id}

        async def work(current: Task) -> None:
            outcome = await self._work(plan, current, {**before, **reports})
            if isinstance(outcome, Stopped):
                parked[current.task_id] = list(outcome.approvals)
                return
            reports[current.task_id] = outcome.to_dict()
            parked[current.task_id] = []
            following = [
                t
                for t in ready(plan, {**before, **reports}.keys(), started)
                if current.task_id in t.depends_on and not t.optional
            ]
            started.update(t.task_id for t in following)
            if self.time_for_tasks() > 0:
                await asyncio.gather(*(work(t) for t in following))

        await work(task)
        return reports, parked

    async def _work(
        self, plan: Plan, task: Task, reports: Mapping[str, Mapping[str, Any]]
    ) -> Report | Stopped:
        path = self.path(f"task:{task.task_id}")
        recorder = self.scope.run.recorder
        done = recorder.report(path)
        if done is not None:
            return Report.from_dict(done)
        member = self.team.members[task.agent]
        begun = recorder.knows("task_started", path=path, task_id=task.task_id)
        recorder.emit("task_started", actor=self.team.name, path=path, task_id=task.task_id, agent=task.agent)
        index = next(i for i, t in enumerate(plan.tasks) if t.task_id == task.task_id)
        base = self.base * 100 + (index + 1) * PASSAGES_PER_TASK
        scope = self._scope(task, path, member, reports, base)
        with self.scope.run.telemetry.span("invoke_agent", task.agent, {"gen_ai.agent.name": task.agent}):
            off = None if begun else await _switched_off(scope)  # else what it began has to be settled
            if off is None and task.undoes is not None:
                outcome = await self._take_back(task, scope)
            else:
                outcome = off or await self._delegate(member, scope, base)
        if isinstance(outcome, Stopped):
            recorder.emit(
                "task_parked",
                actor=task.agent,
                path=path,
                task_id=task.task_id,
                agent=task.agent,
                approvals=list(outcome.approvals),
            )
            return outcome
        event = {"path": path, "task_id": task.task_id, "agent": task.agent, "report": outcome.to_dict()}
        recorder.emit("task_completed", actor=task.agent, **event)
        return outcome

    async def _take_back(self, task: Task, scope: TaskScope) -> Report | Stopped:
        """Take back the effect that the task is about."""
        run = self.scope.run
        try:
            taken = await step(run.journal, str(task.undoes), tenant=run.principal.tenant, team=self.team)
        except (NotFound, ConfigurationError) as error:
            return _not_asked(scope, f"{task.goal} failed: {error}")
        return await self._specialist(narrowed(scope, taken, self.team))

    async def _delegate(self, member: Specialist | Team, scope: TaskScope, base: int) -> Report | Stopped:
        """Have a specialist or a nested supervisor do the task."""
        if isinstance(member, Team):
            if len(scope.chain) > self.scope.wallet.budget.max_depth:
                return _not_asked(scope, "supervisors are nested deeper than max_depth allows")
            self.seat(_nested(self, member, scope, base))
            return await self.graphs.lead(scope)
        return await self._specialist(scope)

    async def _specialist(self, scope: TaskScope) -> Report | Stopped:
        """Have a specialist at work, once there is room for it."""
        self.desks.seat(Desk(scope))
        async with AsyncExitStack() as slots:
            for slot in (*self.slots, scope.run.parallel):
                await slots.enter_async_context(slot)
            self.mover.working(scope.path)
            try:
                return await self.graphs.specialist(scope)
            finally:
                self.mover.finished(scope.path)

    def _timed(self, run: RunScope, *, own: float | None) -> RunScope:
        """The run as a task sees it: it ends at the soft limit, and within the task's own seconds."""
        until = run.deadline_at - timedelta(seconds=self._answer_time)
        if own is not None:
            until = min(until, instant(run, own))
        if until == run.deadline_at:
            return run
        run = replace(run, deadline_at=until)
        run.answer_time = min(run.answer_time, max(0.0, run.left()) * ANSWER_SHARE)
        return run

    def _scope(
        self,
        task: Task,
        path: str,
        member: Specialist | Team,
        reports: Mapping[str, Mapping[str, Any]],
        base: int,
    ) -> TaskScope:
        """What the task's agent is given: narrowed purse, lease and policies, no more than it needs."""
        run, brief = self.scope.run, brief_of(task, self.scope.brief, reports)
        wallet = Wallet(
            member.budget or self.scope.wallet.budget,
            parent=self.scope.wallet,
            settled=run.recorder.spent(path),
        )
        run = self._timed(run, own=None if member.budget is None else wallet.budget.timeout)
        passages = {p.number: p for p in brief.passages}
        search = Recall(self.team.corpus, run, path=path, passages=passages, base=base).tool()
        tools = lease(member, task, self.scope.tools, search)
        models = member.models or self.scope.models
        return TaskScope(
            run=run,
            path=path,
            agent=member.name,
            chain=(*self.scope.chain, member.name),
            brief=brief,
            wallet=wallet,
            models=models,
            role=role(tools, models, brief),
            policies=policies(self.scope.policies, member),
            confined=self.scope.confined or (isinstance(member, Team) and member.confine),
            caps=(*self.scope.caps, *(member.caps if isinstance(member, Team) else ())),
            min_confidence=stricter(self.scope.min_confidence, member),
            tools=tools,
            instructions=member.prompt if isinstance(member, Specialist) else "",
            foreign=member.agent if isinstance(member, Specialist) else None,
            passages=passages,
        )


async def _switched_off(scope: TaskScope) -> Report | None:
    """The report of an agent that is off: it is not even asked."""
    switches = Switches(scope)
    await switches.look()
    level = switches.of(None)
    return _not_asked(scope, level.why) if level.level == "off" else None


def _not_asked(scope: TaskScope, reason: str) -> Report:
    """The report of an agent that may not begin."""
    why = f"{scope.agent} was not asked: {reason}"
    scope.run.caveat(why)
    return Report(
        task_id=scope.brief.task_id,
        agent=scope.agent,
        text="",
        status="failed",
        caveats=(why,),
        confidence=0.0,
    )


def _nested(outer: Lead, team: Team, scope: TaskScope, base: int) -> Lead:
    """The lead of a nested team. It searches the outer corpus where it has none of its own."""
    inner = team if team.corpus is not None else replace(team, corpus=outer.team.corpus)
    most = scope.wallet.budget.max_parallel
    return Lead(
        team=inner,
        scope=scope,
        desks=outer.desks,
        seat=outer.seat,
        graphs=outer.graphs,
        mover=outer.mover,
        base=base,
        slots=outer.slots if team.budget is None else (asyncio.Semaphore(most), *outer.slots),
    )
