"""The verbs about the queue: who waits, what was given up, and who works on it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pilotman.guardrails.capacity import Capacity
from pilotman.guardrails.principal import Principal
from pilotman.supervisor.resend import sent_again
from pilotman.supervisor.run import Run
from pilotman.supervisor.station import Station
from pilotman.supervisor.team import Team


class Backlog:
    """A part of ``Supervisor``. The queue is kept in the memory, for all processes that share it."""

    _team: Team
    _station: Station

    @property
    def shares_memory(self) -> bool:
        """Whether other processes can see the team's runs, and outlive this one with them."""
        return not self._station.memory.ephemeral

    async def queue(self, *, principal: Principal, limit: int = 50) -> list[Run]:
        """Requests of the principal's tenant that nobody works on yet, the next one first."""
        await self._station.open()
        rows = await self._station.journal.waiting(
            supervisor=self._team.name, tenant=principal.tenant, limit=limit
        )
        return await self._station.records.of(rows)

    async def dead_letters(self, *, principal: Principal, limit: int = 50) -> list[Run]:
        """Runs of the principal's tenant that have FAILED, newest first; ``last_error`` says why.

        Those whose ``outcome`` is "given_up" broke down ``max_failures`` times whenever they were driven.
        """
        await self._station.open()
        rows = await self._station.journal.runs(
            tenant=principal.tenant, supervisor=self._team.name, state="FAILED", limit=limit
        )
        return await self._station.records.of(rows)

    async def resend(self, run_id: str, *, principal: Principal) -> Run:
        """Put a failed run in the queue again: it goes on with what it had, and does no write twice.

        Raises:
            NotFound: no such run in this tenant.
            Conflict: it has not failed, was sent again too often (twice), or left a write whose outcome is
                unknown: settle that first.
        """
        await self._station.open()
        journal = self._station.journal
        story = await journal.story(run_id, tenant=principal.tenant)
        self._team.check_own(story.run)
        move, event = sent_again(story, by=principal.user, now=self._station.now())
        await journal.resend(move, events=[event])
        if self._station.workers is not None:
            self._station.workers.wake()
        return await self._station.records.get(run_id, principal.tenant)

    async def work(
        self, until: asyncio.Event, *, max_runs: int | None = None, drain_timeout: float | None = None
    ) -> None:
        """Drive queued runs, and runs whose process has died, until ``until`` is set; then close.

        Closing takes nothing more, lets what is driven stop within ``drain_timeout`` seconds, and leaves the
        rest to other processes at once. Both numbers are those of ``capacity`` unless given; where that
        leaves all runs to workers, ``max_runs`` is what it is by default.
        """
        workers = await self._station.work()
        known = workers.capacity
        workers.capacity = replace(
            known,
            max_runs=max_runs or known.max_runs or Capacity().max_runs,
            drain_timeout=known.drain_timeout if drain_timeout is None else drain_timeout,
        )
        workers.wake()
        try:
            await until.wait()
        finally:
            await self._station.aclose()
