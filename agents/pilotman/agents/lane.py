"""How many calls of a kind are in flight at once, over all runs of one process."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


class Lane:
    """At most ``most`` calls at once; who comes on top waits, first come first served. One event loop's."""

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)

    async def enter(self, patience: float) -> bool:
        """Wait for a place, at most ``patience`` seconds. Whether there is one: ``leave`` it then."""
        try:
            async with asyncio.timeout(max(0.0, patience)):
                await self._places.acquire()
        except TimeoutError:
            return False
        return True

    def leave(self) -> None:
        """Give the place back."""
        self._places.release()


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """One for each kind of call; None: as many as there are."""

    models: Lane | None = None
    tools: Lane | None = None
