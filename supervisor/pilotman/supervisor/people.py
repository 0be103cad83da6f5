"""The verbs about questions: a supervisor's part for those who answer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal.records import WAITING
from pilotman.supervisor.station import Station
from pilotman.supervisor.team import Team


class People:
    """A part of ``Supervisor``. Questions are kept in the memory, with their answers."""

    _team: Team
    _station: Station

    async def approvals(self, *, principal: Principal, run_id: str | None = None) -> list[Approval]:
        """The questions that wait for an answer in the principal's tenant, of one run or of all."""
        await self._station.open()
        return await self._station.records.questions(principal.tenant, run_id)

    async def approve(
        self,
        approval_id: str,
        *,
        principal: Principal,
        digest: str | None = None,
        only: Collection[str] | None = None,
        comment: str = "",
        args: Mapping[str, Any] | None = None,
    ) -> Approval:
        """Say yes, in the journal; ``resume`` drives the run on. ``digest`` is that of what was shown.

        A question may list several calls (``calls``): ``only`` names some of them by their digests, the
        others stay open. ``args`` takes the arguments' place, of one call; for a plan or an answer
        ``{"answer": "…"}`` closes the run.

        Raises:
            NotFound: no such question in this tenant.
            Conflict: answered before, expired, or about other calls or arguments than those shown; without
                ``digest`` also if calls have joined since it was first asked.
            PermissionDenied: the policies do not accept a yes of this person; the question stays open.
            InvalidRequest: ``args`` are not valid for the tool, or for several calls.
        """
        await self._station.open()
        answered = await self._station.people.answer(
            approval_id, "approved", principal=principal, digest=digest, only=only, comment=comment, args=args
        )
        await self._go_on(answered, principal)
        return answered

    async def reject(
        self,
        approval_id: str,
        *,
        principal: Principal,
        only: Collection[str] | None = None,
        comment: str = "",
    ) -> Approval:
        """Say no, in the journal, to all open calls or those with the digests ``only``. ``resume`` drives the
        run on to an answer that says so; in this run nobody is asked about the same target again.

        Raises:
            NotFound: no such question in this tenant.
            Conflict: answered before, or expired.
        """
        await self._station.open()
        answered = await self._station.people.answer(
            approval_id, "rejected", principal=principal, only=only, comment=comment
        )
        await self._go_on(answered, principal)
        return answered

    async def _go_on(self, answered: Approval, by: Principal) -> None:
        """A run that came through the queue goes on by itself; others when somebody resumes them."""
        station = self._station
        if station.workers is None:
            return
        row = await station.journal.run(answered.run_id, tenant=by.tenant)
        if row.request.get("queued") and row.state == WAITING and row.supervisor == self._team.name:
            await station.journal.enqueue(row.run_id)
            station.workers.wake()
