"""The database thread: everything that is queued goes into one transaction (group commit)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TypeVar

from sqlalchemy import Connection

from pilotman.guardrails.seal import Seal
from pilotman.memory.journal.batch import Batches, Item, Operation, Outcome, Rider, Settled, arrive
from pilotman.memory.storage.database import Database, Mode, translate

T = TypeVar("T")


class Writer(Batches):
    """Owns the database and its one thread from ``launch`` to ``close``."""

    def __init__(self, database: Database, *, linger: float, seal: Seal | None = None) -> None:
        self._changed = threading.Condition()
        super().__init__(database, lock=self._changed, seal=seal)
        self._linger = linger
        self._items: deque[Item] = deque()
        self._urgent = False
        self._opened: Future[None] = Future()
        self._closed: Future[None] = Future()
        self._thread = threading.Thread(target=self._live, name="pilotman-journal", daemon=True)

    def launch(self) -> None:
        self._thread.start()

    async def ready(self) -> None:
        """Wait until the database is open.

        Raises:
            CorruptJournal, Unavailable, ConfigurationError: it could not be opened.
        """
        await asyncio.shield(asyncio.wrap_future(self._opened))

    async def close(self) -> None:
        """Store all that is queued, close the database and end the thread.

        Raises:
            PilotmanError: riders were lost and nobody was told yet.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.shield(asyncio.wrap_future(self._closed))

    def ride(self, rider: Rider) -> None:
        """Queue without waiting. Any thread may call.

        Raises:
            Unavailable: the journal is closed.
        """
        with self._changed:
            self._refuse_if_closed()
            self._items.append(rider)
            if len(self._items) == 1:
                self._changed.notify()  # the linger begins

    async def submit(
        self,
        work: Callable[[Connection], T],
        *,
        mode: Mode,
        answers_for: str | None = None,
    ) -> T:
        """Queue work and wait until it, and all that was queued before, is committed."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        with self._changed:
            self._refuse_if_closed()
            self._items.append(Operation(work, future, loop, mode, answers_for))
            if not self._urgent:
                self._urgent = True
                self._changed.notify()
        return await future

    # the thread

    def _live(self) -> None:
        try:
            self._database.open()
        except Exception as error:
            self._closing = True
            self._opened.set_exception(translate(error))
            self._closed.set_result(None)
            return
        self._opened.set_result(None)
        closing = False
        while not closing:
            batch, closing = self._take()
            if batch:
                self._process(batch, final=closing)
        try:
            self._database.close()
        except Exception as error:
            self._lost.setdefault("", translate(error))
        lost = next(iter(self._lost.values()), None)
        if lost is None:
            self._closed.set_result(None)
        else:
            self._closed.set_exception(lost)

    def _take(self) -> tuple[list[Item], bool]:
        """Wait for items; riders alone linger for more. The second value: these are the last."""
        with self._changed:
            while not self._items and not self._closing:
                self._changed.wait()
            until = time.monotonic() + self._linger
            while not self._urgent and not self._closing:
                left = until - time.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            batch = list(self._items)
            self._items.clear()
            self._urgent = False
            return batch, self._closing

    def _put_back(self, riders: Sequence[Rider]) -> None:
        with self._changed:
            self._items.extendleft(reversed(riders))

    def _deliver(self, outcomes: Sequence[Outcome], touched: set[str]) -> None:
        """One wake-up a loop."""
        calls: dict[
            asyncio.AbstractEventLoop, tuple[list[Settled], list[tuple[Callable[[str], object], str]]]
        ] = {}
        for operation, result, error in outcomes:
            calls.setdefault(operation.loop, ([], []))[0].append((operation.future, result, error))
        if touched:
            for loop, callback in self._listeners:
                calls.setdefault(loop, ([], []))[1].extend((callback, run_id) for run_id in touched)
        for loop, (settled, news) in calls.items():
            try:
                loop.call_soon_threadsafe(arrive, settled, news)
            except RuntimeError:  # that loop is closed: nobody waits there any more
                with self._changed:
                    self._listeners = [known for known in self._listeners if known[0] is not loop]
