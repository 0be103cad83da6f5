"""Takes queued runs, the most urgent first, and drives them in this process."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from pilotman.guardrails.errors import PilotmanError
from pilotman.memory.journal import Journal
from pilotman.memory.owner import is_dead
from pilotman.supervisor.engine import LEASE, Engine

MAX_RUNS = 8
POLL_SECONDS = 0.5
DRAIN_SECONDS = 5.0


class Workers:
    """At most ``MAX_RUNS`` runs at once; those that wait for people take no place."""

    def __init__(self, engine: Engine, journal: Journal, supervisor: str) -> None:
        self._engine = engine
        self._journal = journal
        self._supervisor = supervisor
        self._bell = asyncio.Event()
        self._runs: set[asyncio.Task[bool]] = set()
        self._loop = asyncio.create_task(self._take())

    @property
    def ended(self) -> bool:
        """Whether nobody looks into the queue any more: its event loop is gone."""
        return self._loop.done()

    def wake(self) -> None:
        """Something may be in the queue."""
        self._bell.set()

    async def aclose(self) -> None:
        """Take nothing more; give what is being driven a while to end, then leave it for the next start."""
        self._loop.cancel()
        if self._runs:
            await asyncio.wait(self._runs, timeout=DRAIN_SECONDS)
        for run in self._runs:
            run.cancel()
        await asyncio.gather(self._loop, *self._runs, return_exceptions=True)

    async def _take(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):  # Python 3.11's wait_for may swallow a cancellation
                    await self._bell.wait()
            self._bell.clear()
            with suppress(PilotmanError):  # the journal may come back
                while len(self._runs) < MAX_RUNS and await self._next():
                    pass

    async def _next(self) -> bool:
        row = await self._journal.next_queued(
            supervisor=self._supervisor, owner=self._engine.owner, lease=LEASE, is_dead=is_dead
        )
        if row is None:
            return False
        self.drive(row.run_id)
        return True

    def drive(self, run_id: str) -> None:
        """Bring one run to its next stop."""
        task = asyncio.create_task(self._engine.advance(run_id))
        self._runs.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._runs.discard(task)
        if not task.cancelled() and task.exception() is None:
            self.wake()  # else the next look is soon enough: what failed may fail again
