"""Where requests arrive: checked, and written down as a run, or found to join one."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from pilotman.guardrails.budget import Budget
from pilotman.guardrails.capacity import Capacity
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.principal import Principal
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import RunRow
from pilotman.supervisor.intake import Intake, Request
from pilotman.supervisor.plan import Plan, problems
from pilotman.supervisor.team import MAX_TASKS, Team
from pilotman.supervisor.versions import budget_to, versions


@dataclass(frozen=True, kw_only=True)
class Arrival:
    """A request and what came with it. ``queued``: it waits for a worker; ``read_only``: it may not write."""

    request: Request
    principal: Principal
    thread_id: str | None = None
    budget: Budget | None = None
    plan: Plan | None = None
    idempotency_key: str | None = None
    queued: bool = False
    read_only: bool = False


class Reception:
    """Receives requests for one team."""

    def __init__(
        self,
        team: Team,
        journal: Journal,
        clock: Callable[[], datetime],
        *,
        policy_version: str,
        capacity: Capacity,
    ) -> None:
        self._team = team
        self._journal = journal
        self._clock = clock
        self._policy_version = policy_version
        self._capacity = capacity

    @cached_property
    def _versions(self) -> dict[str, str]:
        return versions(self._team, policy=self._policy_version)

    async def receive(self, arrival: Arrival, *, owner: str, lease: timedelta) -> RunRow:
        """The run of this request: a new one, or the one that has its idempotency key.

        One that is not queued is ``owner``'s from its first moment: if that dies, others go on with it.

        Raises:
            Overloaded: too many requests wait already.
            QuotaExceeded: a quota of whoever asks is used up.
            InvalidRequest: the request does not have the team's shape.
            ConfigurationError: the plan that came with it cannot be run.
            Conflict: not queued, and another run is active in the conversation.
        """
        if arrival.plan is not None:
            most = max(MAX_TASKS, len(arrival.plan.tasks))
            wrong = problems(arrival.plan, agents=self._team.leases(), max_tasks=most)
            if wrong:
                raise ConfigurationError(f"the given plan cannot be run: {'; '.join(wrong)}")
        row = self._row(arrival)
        now = row.created_at
        if not arrival.queued:
            row = replace(row, owner=owner, lease_until=now + lease)
        stored, _ = await self._journal.create_run(
            row,
            events=[_started(row)],
            queued=arrival.queued,
            capacity=self._capacity,
            quotas=[q.window_of(arrival.principal, row.thread_id, now) for q in self._team.quotas],
        )
        return stored

    def _row(self, arrival: Arrival) -> RunRow:
        taken = self._team.intake(arrival.request)
        budget = (self._team.budget or Budget.workflow()).narrow(arrival.budget)
        run_id = f"run_{uuid.uuid4().hex}"
        now = self._clock()
        return RunRow(
            run_id=run_id,
            tenant=arrival.principal.tenant,
            user=arrival.principal.user,
            principal=arrival.principal.to_dict(),
            supervisor=self._team.name,
            thread_id=arrival.thread_id or taken.thread_id or run_id,
            request={
                "text": taken.text,
                "query": taken.query,
                "facts": dict(taken.facts),
                "answer": taken.answer,
                "plan": None if arrival.plan is None else arrival.plan.to_dict(),
                "read_only": arrival.read_only,
                "queued": arrival.queued,
            },
            state="RECEIVED",
            created_at=now,
            updated_at=now,
            idempotency_key=_key(arrival, taken),
            task_type=taken.task_type,
            severity=taken.severity,
            budget=budget_to(budget),
            versions=self._versions,
        )


def _key(arrival: Arrival, taken: Intake) -> str | None:
    """The request's idempotency key. A run that only drafts must not pass for the one that is to write."""
    key = arrival.idempotency_key or taken.idempotency_key
    return f"{key}:read_only" if key and arrival.read_only else key


def _started(row: RunRow) -> NewEvent:
    data = {
        "text": row.request["text"],
        "query": row.request["query"],
        "facts": row.request["facts"],
        "task_type": row.task_type,
        "severity": row.severity,
        "thread_id": row.thread_id,
        "versions": dict(row.versions),
        "budget": dict(row.budget),
        "plan_given": row.request["plan"] is not None,
    }
    return NewEvent(
        kind="run_started", actor=f"user:{row.user}", data=data, key="run_started", at=row.created_at
    )
