"""What can be read of runs: their records, their open questions, and their events as they happen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import NotFound
from pilotman.memory import Event, Memory
from pilotman.memory.journal.records import ENDED, WAITING, RunRow, Story
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
        """The run's record now.

        Raises:
            NotFound: there is none in this tenant, or it is kept no longer.
        """
        story, now = await self._memory.journal.story(run_id, tenant=tenant), self._clock()
        self._check_kept(story.run)
        asked = [approval.at(now) for approval in story.approvals]
        drafts = await self._drafts(story)
        run = fold(story.run, story.events, asked, story.effects, story.transitions, drafts)
        return replace(run, caveats=(*run.caveats, EPHEMERAL)) if self._memory.ephemeral else run

    def is_over(self, row: RunRow) -> bool:
        """Whether a run is kept no longer, swept or not."""
        ttl = self._memory.retention.ttl("run", tenant=row.tenant, purpose=row.task_type)
        return ttl is not None and row.state in ENDED and row.updated_at + ttl <= self._clock()

    def _check_kept(self, row: RunRow) -> None:
        if self.is_over(row):
            raise NotFound(f"there is no run {row.run_id}", hint="it was kept as long as Retention says")

    async def _drafts(self, story: Story) -> dict[str, Any]:
        """What the run's drafts would have written, by digest."""
        names = {e.data["args"]["payload"] for e in story.events if e.kind == "write_drafted"}
        row, fetch = story.run, self._memory.journal.payload
        return {name: orjson.loads(await fetch(row.run_id, name, tenant=row.tenant)) for name in names}

    async def of(self, rows: Iterable[RunRow]) -> list[Run]:
        """The records of rows, without runs that are kept no longer."""
        return [await self.get(row.run_id, row.tenant) for row in rows if not self.is_over(row)]

    async def questions(self, tenant: str, run_id: str | None = None) -> list[Approval]:
        """The questions that wait for an answer, of one run or of all of the tenant's."""
        if run_id is not None:
            await self._memory.journal.run(run_id, tenant=tenant)
        asked = await self._memory.journal.approvals(tenant=tenant, run_id=run_id)
        now = self._clock()
        return [approval for approval in asked if approval.at(now).state == "pending"]

    async def follow(self, run_id: str, tenant: str, *, after: int) -> AsyncIterator[Event]:
        """Events from number ``after`` on, as they happen, until the run ends or waits for a person."""
        journal = self._memory.journal
        while True:
            row = await journal.run(run_id, tenant=tenant)
            self._check_kept(row)
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
            async with asyncio.timeout(POLL_SECONDS):
                await bell.wait()
        except TimeoutError:
            return
        finally:
            remove()
