"""What can be read of runs: their records, lists of them, and their events as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime

from pilotman.memory import Event, Memory
from pilotman.memory.records import ENDED, WAITING, RunRow
from pilotman.supervisor.fold import fold
from pilotman.supervisor.run import Run

POLL_SECONDS = 0.2
EPHEMERAL = "kept in memory only: the record is gone with this process"


class Records:
    """Reads one memory. Every method takes the tenant; another tenant's run is not found."""

    def __init__(self, memory: Memory, clock: Callable[[], datetime]) -> None:
        self._memory = memory
        self._clock = clock

    async def get(self, run_id: str, tenant: str) -> Run:
        """The run's record now."""
        return await self.of(await self._memory.journal.run(run_id, tenant=tenant))

    async def of(self, row: RunRow) -> Run:
        """The record of a row."""
        journal, now = self._memory.journal, self._clock()
        asked = await journal.approvals(tenant=row.tenant, run_id=row.run_id)
        run = fold(
            row,
            await journal.events(row.run_id, tenant=row.tenant),
            [approval.at(now) for approval in asked],
            await journal.effects(row.run_id, tenant=row.tenant),
            await journal.transitions(row.run_id, tenant=row.tenant),
        )
        return replace(run, caveats=(*run.caveats, EPHEMERAL)) if self._memory.ephemeral else run

    async def follow(self, run_id: str, tenant: str, *, after: int) -> AsyncIterator[Event]:
        """Events from number ``after`` on, as they happen, until the run ends or waits for a person."""
        journal = self._memory.journal
        while True:
            row = await journal.run(run_id, tenant=tenant)
            for event in await journal.events(run_id, tenant=tenant, after=after):
                after = event.seq
                yield event
            if row.state in ENDED or row.state == WAITING:
                return
            await self.changed(run_id)

    async def changed(self, run_id: str) -> None:
        """Until something new stands in the run's journal, written here or (by polling) elsewhere."""
        bell = asyncio.Event()

        def ring(changed: str) -> None:
            if changed == run_id:
                bell.set()

        remove = self._memory.journal.add_listener(ring)
        try:
            await asyncio.wait_for(bell.wait(), POLL_SECONDS)
        except TimeoutError:
            return
        finally:
            remove()
