"""The journal's ledger: permits, writes and the questions about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from pilotman.guardrails.approval import Answer, Approval, ApprovalState
from pilotman.guardrails.cap import Reservation
from pilotman.guardrails.docket import Unasked
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.permit import Permit
from pilotman.guardrails.principal import Principal
from pilotman.memory.event import NewEvent
from pilotman.memory.journal import approvals, effects, policies, reservations, untold
from pilotman.memory.journal.access import prepared
from pilotman.memory.journal.events import append
from pilotman.memory.journal.records import EffectRow, EffectState
from pilotman.memory.journal.switchboard import Switchboard
from pilotman.memory.journal.untold import Untold


class Ledger(Switchboard):
    """What was allowed, what was done and what a person is asked. A part of ``Journal``."""

    # permits and effects

    async def issue_permit(
        self,
        permit: Permit,
        *,
        owner: str,
        events: Sequence[NewEvent] = (),
        reserve: Sequence[Reservation] = (),
    ) -> Permit:
        """Store a permit and what it reserves; again with the same id renews its policy version and expiry.

        Raises:
            Fenced: the run is not this owner's any more.
            CapExceeded: a cumulative limit has not so much left.
            StalePolicy: the policy that decided was replaced.
            PermitRefused: in this run a person said no to exactly this call.
        """

        def work(connection: Connection) -> Permit:
            approvals.check_not_refused(connection, permit, now=self._clock())
            policies.check(connection, permit)
            issued = effects.issue(connection, permit, owner=owner)
            reservations.reserve(connection, permit.permit_id, reserve, now=self._clock())
            return issued

        return await self._record(permit.run_id, events, work)

    async def install_policy(self, supervisor: str, version: str) -> bool:
        """Add a policy version that was never in force. Gives whether this version is in force."""
        now = self._clock()
        return await self._write(
            lambda connection: policies.install(connection, supervisor, version, now=now)
        )

    async def restore_policy(self, supervisor: str, version: str, *, by: str, reason: str) -> None:
        """Put a version in force again, that it was and who did it is kept."""
        now = self._clock()
        await self._write(
            lambda connection: policies.restore(
                connection, supervisor, version, by=by, reason=reason, now=now
            )
        )

    async def policy_versions(self, supervisor: str) -> list[str]:
        """All that were ever in force, the newest last."""
        return await self._read(lambda connection: policies.versions(connection, supervisor))

    async def is_over(self, wanted: Reservation) -> bool:
        """Whether a cumulative limit would be passed now."""
        now = self._clock()
        return await self._read(
            lambda connection: (
                reservations.taken(connection, wanted, permit_id="", now=now) + wanted.units > wanted.most
            )
        )

    async def permit(self, permit_id: str) -> Permit | None:
        return await self._read(lambda connection: effects.permit_by_id(connection, permit_id))

    async def intend(
        self, effect: EffectRow, *, owner: str, events: Sequence[NewEvent] = ()
    ) -> tuple[EffectRow, bool]:
        """Write down that a write is about to happen: on disk when it returns, not only in a cache.

        A known key of the tenant gives the row that has it, and False, and stores nothing; unless that
        write is known not to have happened: then it is taken over as another attempt, and True.

        Raises:
            Fenced: the run is not this owner's any more.
            Switched: the level does not let it start.
            PermitRefused: no such permit for this run and tool, or it served another write.
        """
        rows = prepared(effect.run_id, events)

        def work(connection: Connection) -> tuple[EffectRow, bool]:
            stored, new = effects.intend(connection, effect, owner=owner)
            if new:
                append(connection, rows)
            return stored, new

        return await self._write(work, mode="full", answers_for=effect.run_id)

    async def settle(
        self,
        effect_id: str,
        *,
        state: EffectState,
        attempt: int | None = None,
        result: str | None = None,
        message: str = "",
        events: Sequence[NewEvent] = (),
        run_id: str | None = None,
        undoes: str | None = None,
    ) -> EffectRow:
        """Write down what became of a write. ``events`` go to ``run_id``, by default to the effect's run.
        ``undoes``: the effect that this one, applied, has taken back.

        With ``attempt`` (the row's ``attempts`` when it was intended) a late "not applied" of an earlier
        attempt is refused.

        Raises:
            Conflict: it was applied and this says otherwise, or a later attempt is under way.
        """
        rows = prepared("", events)

        def work(connection: Connection) -> EffectRow:
            effect = effects.settle(
                connection,
                effect_id,
                state=state,
                attempt=attempt,
                result=result,
                message=message,
                now=self._clock(),
            )
            if undoes is not None and state == "applied":
                effects.compensate(connection, undoes, by=effect.run_id, now=self._clock())
            append(connection, [{**row, "run_id": run_id or effect.run_id} for row in rows])
            return effect

        return await self._write(work, answers_for=run_id)

    async def effects(self, run_id: str, *, tenant: str) -> list[EffectRow]:
        return await self._of_run(run_id, tenant, effects.of_run)

    async def actions(self, run_id: str, *, tenant: str) -> tuple[list[EffectRow], list[Approval]]:
        """A run's writes and the questions that it asked, as of one moment."""

        def work(connection: Connection, run_id: str) -> tuple[list[EffectRow], list[Approval]]:
            asked = approvals.of_run(connection, run_id, now=self._clock())
            return effects.of_run(connection, run_id), asked

        return await self._of_run(run_id, tenant, work)

    async def effect(self, effect_id: str, *, tenant: str) -> EffectRow:
        return await self._read(lambda connection: effects.by_id(connection, effect_id, tenant=tenant))

    async def effect_by_key(self, tenant: str, key: str) -> EffectRow | None:
        return await self._read(lambda connection: effects.by_key(connection, tenant, key))

    # approvals

    async def request_approvals(
        self,
        asked: Sequence[Approval],
        *,
        owner: str,
        events: Sequence[NewEvent] = (),
        most: int | None = None,
    ) -> list[Approval | Unasked]:
        """Store questions of one run, each about one call: for each the question that lists it, or why it is
        not asked. A call that was asked about before stays as it is. ``most``: questions about calls a run.

        Raises:
            Fenced: the run is not this owner's any more.
            ConfigurationError: they are of several runs.
        """
        run_ids = {approval.run_id for approval in asked}
        if len(run_ids) != 1:
            raise ConfigurationError("approvals are requested for one run at a time")
        run_id = run_ids.pop()
        return await self._record(
            run_id,
            events,
            lambda connection: approvals.request(
                connection, asked, run_id=run_id, owner=owner, most=most, now=self._clock()
            ),
        )

    async def approvals(
        self, *, tenant: str, run_id: str | None = None, state: ApprovalState | None = None
    ) -> list[Approval]:
        """A tenant's questions as they stand now, oldest first."""
        return await self._read(
            lambda connection: approvals.listing(
                connection, tenant=tenant, run_id=run_id, state=state, now=self._clock()
            )
        )

    async def approval(self, approval_id: str, *, tenant: str) -> Approval:
        return await self._read(
            lambda connection: approvals.by_id(connection, approval_id, tenant=tenant, now=self._clock())
        )

    async def answer(
        self,
        approval_id: str,
        *,
        tenant: str,
        state: Answer,
        by: Principal,
        digest: str | None = None,
        only: Collection[str] | None = None,
        comment: str = "",
        new_args: Mapping[str, Any] | None = None,
        events: Sequence[NewEvent] = (),
    ) -> Approval:
        """Store a person's answer and its events; of two answers at once, exactly one is taken.

        Raises:
            Conflict: it was answered before, it has expired, or something else was shown.
        """
        rows = prepared("", events)

        def work(connection: Connection) -> Approval:
            answered = approvals.answer(
                connection,
                approval_id,
                tenant=tenant,
                state=state,
                by=by,
                digest=digest,
                only=only,
                comment=comment,
                new_args=new_args,
                now=self._clock(),
            )
            append(connection, [{**row, "run_id": answered.run_id} for row in rows])
            return answered

        return await self._write(work)

    async def take_untold(self, *, supervisor: str, lease: timedelta, limit: int) -> list[Untold]:
        """Open questions of a team's runs that nobody was told of. They are the caller's for ``lease``."""
        now = self._clock()
        names = await self._read(
            lambda connection: untold.due(connection, supervisor=supervisor, now=now, limit=limit)
        )
        if not names:
            return []
        return await self._write(lambda connection: untold.take(connection, names, now=now, lease=lease))

    async def told(self, taken: Untold, *, events: Sequence[NewEvent] = ()) -> None:
        """Note that people know of a question, with its events."""
        now = self._clock()
        await self._record(
            taken.question.run_id,
            events,
            lambda connection: untold.told(connection, taken.calls, now=now),
            answers=False,
        )

    async def put_off(self, taken: Untold, *, until: datetime, events: Sequence[NewEvent] = ()) -> None:
        """Note that people could not be told, with its events: it is tried again from ``until`` on."""
        await self._record(
            taken.question.run_id,
            events,
            lambda connection: untold.put_off(connection, taken.calls, until=until),
            answers=False,
        )
