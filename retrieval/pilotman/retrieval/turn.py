"""Mutual exclusion between tasks, also of different event loops."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType


class Turn:
    """``async with turn:`` lets one task in at a time.

    An ``asyncio.Lock`` serves one loop only; a corpus may be shared by a web app and a portal's thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Future[None] | None = None

    async def __aenter__(self) -> None:
        while True:
            with self._lock:
                taken = self._taken
                if taken is None:
                    self._taken = Future()
                    return
            # Shielded: a waiter that is cancelled must not cancel what the others wait for.
            await asyncio.shield(asyncio.wrap_future(taken))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            taken, self._taken = self._taken, None
        if taken is not None:
            taken.set_result(None)
