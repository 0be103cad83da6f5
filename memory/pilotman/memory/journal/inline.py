"""A database in memory: whoever waits does the work himself. A thread would cost more than the work."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection

from pilotman.guardrails.seal import Seal
from pilotman.memory.journal.batch import Batches, Item, Operation, Outcome, Rider, arrive
from pilotman.memory.storage.database import Database, Mode, translate

T = TypeVar("T")


class InlineWriter(Batches):
    """A ``Writer`` without a thread, for what never waits for a disk or for others."""

    def __init__(self, database: Database, *, linger: float, seal: Seal | None = None) -> None:
        self._one_at_a_time = threading.RLock()
        super().__init__(database, lock=self._one_at_a_time, seal=seal)
        self._linger = linger
        self._items: list[Item] = []
        self._lingers_on: asyncio.AbstractEventLoop | None = None

    def launch(self) -> None:
        """Open the database.

        Raises:
            PilotmanError: it could not be opened.
        """
        try:
            self._database.open()
        except Exception as error:
            raise translate(error) from error

    async def ready(self) -> None:
        """It is, since ``launch``."""

    async def close(self) -> None:
        """Store all that is queued and close the database.

        Raises:
            PilotmanError: riders were lost and nobody was told yet.
        """
        with self._one_at_a_time:
            self._closing = True
            self._store(final=True)
            self._database.close()
            lost = next(iter(self._lost.values()), None)
        if lost is not None:
            raise lost

    def ride(self, rider: Rider) -> None:
        """Queue without waiting. Any thread may call.

        Raises:
            Unavailable: the journal is closed.
        """
        with self._one_at_a_time:
            self._refuse_if_closed()
            self._items.append(rider)
            if self._lingers_on is None or self._lingers_on.is_closed():
                self._begin_to_linger()

    def _begin_to_linger(self) -> None:
        """Store it a little later, with what comes till then; at once where no loop runs."""
        try:
            self._lingers_on = asyncio.get_running_loop()
        except RuntimeError:
            self._store()
        else:
            self._lingers_on.call_later(self._linger, self._lingered)

    def _lingered(self) -> None:
        with self._one_at_a_time:
            self._lingers_on = None
            self._store()

    async def submit(
        self, work: Callable[[Connection], T], *, mode: Mode, answers_for: str | None = None
    ) -> T:
        """Do work after all that was queued before, in one transaction with it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._one_at_a_time:
            self._refuse_if_closed()
            self._items.append(Operation(work, future, loop, mode, answers_for))
            self._store()
        return await future

    def _store(self, *, final: bool = False) -> None:
        batch, self._items = self._items, []
        if batch:
            self._process(batch, final=final)

    def _put_back(self, riders: Sequence[Rider]) -> None:
        self._items[:0] = riders

    def _deliver(self, outcomes: Sequence[Outcome], touched: set[str]) -> None:
        arrive([(operation.future, result, error) for operation, result, error in outcomes], ())
        for loop, listener in self._listeners:
            for run_id in touched:
                with suppress(RuntimeError):  # that loop is closed: nobody listens there any more
                    loop.call_soon_threadsafe(listener, run_id)
