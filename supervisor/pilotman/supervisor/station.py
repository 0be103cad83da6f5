"""Where one team's runs are worked on: opened by the first verb, closed, and opened again."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime

from pilotman.guardrails.digest import digest
from pilotman.guardrails.outbound.outbound import Outbound
from pilotman.guardrails.policy import version_of
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import ENDED
from pilotman.memory.memory import Memory
from pilotman.supervisor.answers import Answers
from pilotman.supervisor.engine import Engine
from pilotman.supervisor.forgetting import tidied
from pilotman.supervisor.notices import Notices
from pilotman.supervisor.reception import Reception
from pilotman.supervisor.records import Records
from pilotman.supervisor.setup import Ports
from pilotman.supervisor.team import Team
from pilotman.supervisor.workers import Workers


class Station:
    """A team's memory, and who receives, drives and records its runs. Without ``memory`` it has its own."""

    def __init__(self, team: Team, memory: Memory | None, ports: Ports) -> None:
        self.was_given_memory = memory is not None
        self.memory = memory or Memory("sqlite://", clock=ports.clock)
        for corpus in team.corpora():
            corpus.seal_with(self.memory.seal)
        for corpus in team.corpora():
            self.memory.facts.connect(corpus)
        version = digest([version_of(team.all_policies()), ports.outbound.version])[:12]
        self.reception = Reception(
            team, self.journal, ports.clock, policy_version=version, capacity=ports.capacity
        )
        self.records = Records(self.memory, ports.clock)
        self.people = Answers(self.journal, team, ports.clock)
        self.workers: Workers | None = None
        self._team = team
        self._ports = ports
        self._version = version
        self._engine: Engine | None = None
        self._notices: Notices | None = None
        self._opened_memory = False
        self._opening = asyncio.Lock()
        self._watched: AsyncExitStack | None = None

    @property
    def journal(self) -> Journal:
        return self.memory.journal

    @property
    def outbound(self) -> Outbound:
        return self._ports.outbound

    def now(self) -> datetime:
        """The supervisor's time."""
        return self._ports.clock()

    async def open(self) -> Engine:
        """Start what is not started: the memory, and an engine.

        Raises:
            Unavailable: the memory cannot be reached or created.
            CorruptJournal: its file is damaged or not ours.
        """
        if self._engine is not None and self.journal.started:
            return self._engine
        async with self._opening:
            if not self.journal.started:  # or another supervisor, which had opened it, has closed it
                self._opened_memory = True
                await self.memory.start()
            if self._engine is None:
                await self.journal.install_policy(self._team.name, self._version)
                self._engine = Engine(self._team, self.memory, self._ports, policy_version=self._version)
                self._notices = self._told()
            return self._engine

    def _told(self) -> Notices | None:
        """Who tells people of questions, if somebody is to."""
        ports = self._ports
        if ports.notifier is None:
            return None
        return Notices(ports.notifier, self.journal, self._team.name, clock=ports.clock)

    async def restore_policy(self, *, by: str, reason: str) -> None:
        """Put this team's policy in force again."""
        await self.journal.restore_policy(self._team.name, self._version, by=by, reason=reason)

    async def work(self) -> Workers:
        """Open, and have somebody take runs from the queue."""
        engine = await self.open()
        if self.workers is None or self.workers.ended:
            self.workers = Workers(engine, self.journal, self._team.name, self._ports.capacity)
        return self.workers

    async def watch(self) -> None:
        """Until it is closed have the sources of the team's corpora listed, and what is over swept."""
        if self._watched is None:
            self._watched = AsyncExitStack()
            for corpus in self._team.corpora():
                await self._watched.enter_async_context(corpus.watch())
            await self._watched.enter_async_context(tidied(self.memory, self._team, self.stop))

    async def stop(self, run_id: str, tenant: str) -> None:
        """Bring a run that was asked to stop to its end, if this process may."""
        engine = await self.open()
        while not engine.cancel(run_id) and not await engine.advance(run_id):
            row = await self.journal.run(run_id, tenant=tenant)
            if row.state in ENDED or row.owner is not None:
                return  # it is over, or another process stops it

    async def aclose(self) -> None:
        """Finish what is being driven, or leave it for the next start; close a memory of our own."""
        if self._watched is not None:
            watched, self._watched = self._watched, None
            await watched.aclose()
        if self.workers is not None:
            await self.workers.aclose()
            self.workers = None
        if self._engine is not None:
            await self._engine.aclose()
            self._engine = None
            if self._notices is not None:
                await self._notices.aclose()
                self._notices = None
            if self._opened_memory:  # else it is somebody else's to close
                self._opened_memory = False
                await self.memory.aclose()
            self._opening = asyncio.Lock()  # the next event loop may be another
