"""The verb that takes back what a run has done."""

from __future__ import annotations

from abc import abstractmethod

from pilotman.guardrails.budget import Budget
from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import Conflict
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal.records import ENDED
from pilotman.supervisor.plan import Plan
from pilotman.supervisor.reception import Arrival
from pilotman.supervisor.run import Run
from pilotman.supervisor.saga import compensations
from pilotman.supervisor.station import Station
from pilotman.supervisor.team import Team


class Amends:
    """A part of ``Supervisor``."""

    _team: Team
    _station: Station

    @abstractmethod
    async def drive(self, arrival: Arrival) -> Run: ...

    async def compensate(
        self, run_id: str, *, principal: Principal, reason: str, budget: Budget | None = None
    ) -> Run:
        """Take back what a run that is over has written, the last first, each write by its compensation.

        That is a run of its own, under the same policies and with a record of its own; it may wait for people
        and is gone on with like any other. What was taken back once is not taken back again. With
        ``Supervisor(saga=True)`` a run that could not do everything does so by itself.

        Raises:
            NotFound: no such run in this tenant.
            Conflict: it is not over, or nothing of what it did can be taken back.
        """
        await self._station.open()
        journal = self._station.journal
        row = await journal.run(run_id, tenant=principal.tenant)
        if row.state not in ENDED:
            raise Conflict(f"run {run_id} is {row.state}, not over", hint="cancel it first, or let it end")
        effects = await journal.effects(run_id, tenant=principal.tenant)
        tasks = await compensations(journal, effects, self._team)
        if not tasks:
            raise Conflict(
                f"run {run_id} did nothing that can be taken back",
                hint="a tool needs a compensation: @tool_name.compensate",
            )
        applied = [[effect.effect_id, effect.attempts] for effect in effects if effect.state == "applied"]
        arrival = Arrival(
            request=f"Take back what run {run_id} did: {reason}",
            principal=principal,
            budget=budget,
            plan=Plan(tuple(tasks)),
            idempotency_key=f"compensate:{run_id}:{digest(applied)[:20]}",
        )
        return await self.drive(arrival)
