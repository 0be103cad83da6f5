"""The journal's ledger: permits, writes and the questions about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import Connection

from pilotman.guardrails.approval import Approval, ApprovalState
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.permit import Permit
from pilotman.guardrails.principal import Principal
from pilotman.memory import approvals, effects
from pilotman.memory.access import Access, prepared
from pilotman.memory.event import NewEvent
from pilotman.memory.events import append
from pilotman.memory.records import EffectRow, EffectState


class Ledger(Access):
    """What was allowed, what was done and what a person is asked. A part of ``Journal``."""

    # permits and effects

    async def issue_permit(self, permit: Permit, *, owner: str, events: Sequence[NewEvent] = ()) -> Permit:
        """Store a permit; again with the same id renews its policy version and expiry.

        Raises:
            Fenced: the run is not this owner's any more.
        """
        return await self._record(
            permit.run_id, events, lambda connection: effects.issue(connection, permit, owner=owner)
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
    ) -> EffectRow:
        """Write down what became of a write. ``events`` go to ``run_id``, by default to the effect's run.

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
        self, asked: Sequence[Approval], *, owner: str, events: Sequence[NewEvent] = ()
    ) -> None:
        """Store questions of one run; those that are known by their id stay as they are.

        Raises:
            Fenced: the run is not this owner's any more.
            ConfigurationError: they are of several runs.
        """
        run_ids = {approval.run_id for approval in asked}
        if len(run_ids) != 1:
            raise ConfigurationError("approvals are requested for one run at a time")
        run_id = run_ids.pop()
        await self._record(
            run_id,
            events,
            lambda connection: approvals.request(connection, asked, run_id=run_id, owner=owner),
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
        state: Literal["approved", "rejected"],
        by: Principal,
        digest: str | None = None,
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
                comment=comment,
                new_args=new_args,
                now=self._clock(),
            )
            append(connection, [{**row, "run_id": answered.run_id} for row in rows])
            return answered

        return await self._write(work)
