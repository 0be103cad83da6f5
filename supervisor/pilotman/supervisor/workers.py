"""Takes queued runs, the most urgent first, and runs whose owner has died; drives them in this process."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from pilotman.guardrails.capacity import Capacity
from pilotman.guardrails.errors import PilotmanError
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.owner import is_dead
from pilotman.supervisor.engine import LEASE, Engine

POLL_SECONDS = 0.5
_IN_HAND = 8


class Workers:
    """At most ``capacity.max_runs`` runs at once. Those that wait for people take no place, nor do those that
    wait for a pause before another attempt, or for a place at a tool or a model: with them there are at most
    ``_IN_HAND`` times as many.
    """

    def __init__(self, engine: Engine, journal: Journal, supervisor: str, capacity: Capacity) -> None:
        self._engine = engine
        self._journal = journal
        self._supervisor = supervisor
        self.capacity = capacity
        self._bell = asyncio.Event()
        self._draining = False
        self._looked = -POLL_SECONDS
        self._runs: dict[asyncio.Task[bool], str] = {}
        self._loop = asyncio.create_task(self._take())

    @property
    def ended(self) -> bool:
        """Whether nobody looks into the queue any more: its event loop is gone."""
        return self._loop.done()

    def wake(self) -> None:
        """Something may be in the queue."""
        self._bell.set()

    async def aclose(self) -> None:
        """Take nothing more; give what is being driven a while to stop, then leave it to others, at once."""
        self._draining = True
        self.wake()
        await asyncio.gather(self._loop, return_exceptions=True)  # what it has just taken, it still begins
        if self._runs:
            await asyncio.wait(self._runs, timeout=self.capacity.drain_timeout)
        for run in self._runs:
            run.cancel()
        await asyncio.gather(*self._runs, return_exceptions=True)

    async def _take(self) -> None:
        while not self._draining:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):  # Python 3.11's wait_for may swallow a cancellation
                    await self._bell.wait()
            self._bell.clear()
            with suppress(PilotmanError):  # the journal may come back
                while self._has_room() and await self._next():
                    pass

    def _has_room(self) -> bool:
        most = self.capacity.max_runs
        if self._draining or len(self._runs) >= most * _IN_HAND:
            return False
        return sum(not self._engine.at_rest(run_id) for run_id in self._runs.values()) < most

    async def _next(self) -> bool:
        run_id = await self._left_behind() or await self._queued()
        if run_id is None:
            return False
        self.drive(run_id)
        return True

    async def _left_behind(self) -> str | None:
        """A run whose owner has died, queued or not; looked for at the start, and then with each poll."""
        if time.monotonic() - self._looked < POLL_SECONDS:
            return None
        row = await self._journal.take_over(
            supervisor=self._supervisor, owner=self._engine.owner, lease=LEASE, is_dead=is_dead
        )
        if row is None:
            self._looked = time.monotonic()
        return None if row is None else row.run_id

    async def _queued(self) -> str | None:
        row = await self._journal.next_queued(
            supervisor=self._supervisor, owner=self._engine.owner, lease=LEASE
        )
        return None if row is None else row.run_id

    def drive(self, run_id: str) -> None:
        """Bring one run to its next stop."""
        task = asyncio.create_task(self._engine.advance(run_id))
        self._runs[task] = run_id
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[bool]) -> None:
        self._runs.pop(task, None)
        if not task.cancelled() and task.exception() is None:
            self.wake()  # else the next look is soon enough: what failed may fail again
