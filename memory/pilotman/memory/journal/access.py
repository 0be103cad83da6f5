"""Opening, closing and reaching the journal's database from event loops."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from sqlalchemy import Connection

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.guardrails.seal import Seal
from pilotman.memory.event import NewEvent
from pilotman.memory.journal import events, runs
from pilotman.memory.journal.batch import EVERY_RUN
from pilotman.memory.journal.events import EventRow
from pilotman.memory.journal.inline import InlineWriter
from pilotman.memory.journal.writer import Writer
from pilotman.memory.storage.database import SCRUB, UNSCRUBBED, Mode, database

T = TypeVar("T")


def now() -> datetime:
    """The system's time."""
    return datetime.now(UTC)


class Access:
    """A database with its thread. ``Journal`` says what is stored there."""

    def __init__(
        self,
        url: str = "sqlite://",
        *,
        clock: Callable[[], datetime] = now,
        busy_timeout: float = 5.0,
        linger: float = 0.02,
        seal: Seal | None = None,
    ) -> None:
        """Seconds: how long to wait for another process's lock, and how long appended events may wait.
        ``seal`` is what content goes through; None: it is packed, not encrypted.

        Raises:
            ConfigurationError: not a URL that a journal can live at.
        """
        self._database = database(url, busy_timeout=busy_timeout)
        self._clock = clock
        self._linger = linger
        self._seal = seal or Seal()
        self._writer: Writer | InlineWriter | None = None

    @property
    def seal(self) -> Seal:
        """What content goes through."""
        return self._seal

    @property
    def reachable(self) -> bool:
        """Whether other processes can open the database too."""
        return not self._database.in_memory

    async def start(self) -> None:
        """Open the database, bring its schema up to date. Starting what is started does nothing.

        Raises:
            CorruptJournal: the file is damaged or not ours; it was left untouched.
            Unavailable: it cannot be reached or created.
        """
        if self._writer is None:
            kind = InlineWriter if self._database.in_memory else Writer
            writer = kind(self._database, linger=self._linger, seal=self._seal)
            writer.launch()
            self._writer = writer
        writer = self._writer
        try:
            await writer.ready()
        except asyncio.CancelledError:
            raise
        except BaseException:
            if self._writer is writer:
                self._writer = None
            raise

    async def aclose(self) -> None:
        """Store what is queued and close. Closing what is closed does nothing.

        Raises:
            Unavailable: something that nobody waited for could not be stored.
        """
        writer, self._writer = self._writer, None
        if writer is not None:
            await writer.close()

    @property
    def started(self) -> bool:
        return self._writer is not None

    def add_listener(self, listener: Callable[[str], object]) -> Callable[[], None]:
        """Call ``listener(run_id)`` on this event loop after each commit with new events of a run.

        Returns what ends it; closing the journal ends it too.
        """
        return self._open.listen((asyncio.get_running_loop(), listener))

    async def flush(self) -> None:
        """Wait until everything appended so far is stored.

        Raises:
            Unavailable: some of it could not be.
        """
        await self._write(nothing, answers_for=EVERY_RUN)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What other parts of this room look up beside the runs, in one transaction."""
        return await self._read(work)

    async def transact(self, work: Callable[[Connection], T]) -> T:
        """Do other parts' work on this database, in one transaction of its one writer, which may do it again.

        Raises:
            Unavailable: it could not be stored; nothing of it was.
        """
        return await self._write(work)

    async def scrub(self) -> None:
        """Leave nothing in the log of what was erased, also by a process that died before it could.

        Raises:
            Unavailable: somebody reads what is there all the time.
        """
        await self._write(lambda connection: connection.info.update({SCRUB: True}))
        if await self._read(lambda connection: connection.info.get(UNSCRUBBED, False)):
            raise Unavailable(
                "what was erased stands in the journal's log still: another process reads there", hint="again"
            )

    # the writer

    @property
    def _open(self) -> Writer | InlineWriter:
        if self._writer is None:
            raise ConfigurationError("the journal is not started", hint="await start(), or use async with")
        return self._writer

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._open.submit(work, mode="read")

    async def _of_run(self, run_id: str, tenant: str, work: Callable[[Connection, str], T]) -> T:
        def checked(connection: Connection) -> T:
            runs.check_tenant(connection, run_id, tenant)
            return work(connection, run_id)

        return await self._read(checked)

    async def _write(
        self,
        work: Callable[[Connection], T],
        *,
        mode: Mode = "write",
        answers_for: str | None = None,
    ) -> T:
        return await self._open.submit(work, mode=mode, answers_for=answers_for)

    async def _record(
        self,
        run_id: str,
        new: Sequence[NewEvent],
        work: Callable[[Connection], T],
        *,
        answers: bool = True,
    ) -> T:
        """Work and its events, all or nothing. ``answers``: it fails if the run has lost something before."""
        rows = prepared(run_id, new)

        def both(connection: Connection) -> T:
            result = work(connection)
            events.append(connection, rows)
            return result

        return await self._write(both, answers_for=run_id if answers else None)


def nothing(_: Connection) -> None:
    """Committing is all that is asked."""


def prepared(run_id: str, new: Sequence[NewEvent]) -> list[EventRow]:
    """Events as columns; what cannot be stored fails here, with its caller."""
    return [events.prepare(run_id, event) for event in new]
