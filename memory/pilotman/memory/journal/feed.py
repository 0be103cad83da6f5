"""What the journal's events feed: a provenance graph, which may be slow or gone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import Connection

from pilotman.memory.journal import outbox
from pilotman.memory.journal.access import Access
from pilotman.memory.journal.outbox import Lag, Parcel


class Feed(Access):
    """What a graph has not been told yet; at least once, each in its order. A part of ``Journal``."""

    async def unfed(
        self, graph: str, *, owner: str, lease: timedelta, is_dead: Callable[[str], bool], most: int
    ) -> Parcel | None:
        """Some of what the graph has not been told, and ``owner`` is the one who tells it, for so long.

        None: there is nothing, or another is at it. Runs that are gone are left out.
        """
        if not await self.is_unfed(graph):
            return None

        def take(connection: Connection) -> int | None:
            now = self._clock()
            return outbox.claim(connection, graph, owner=owner, lease=lease, now=now, is_dead=is_dead)

        block = await self._write(take)
        if block is None:
            return None
        parcel = await self._read(lambda connection: outbox.parcel(connection, block, most=most))
        if parcel.block > block:
            return parcel
        await self.fed(graph, owner=owner, block=block)  # somebody else is just making the next block
        return None

    async def is_unfed(self, graph: str) -> bool:
        """Whether there is anything that the graph has not been told."""
        return await self._read(lambda connection: outbox.behind(connection, graph))

    async def fed(self, graph: str, *, owner: str, block: int) -> None:
        """The graph has been told all up to this block."""
        await self._write(lambda connection: outbox.told(connection, graph, owner=owner, block=block))

    async def feed_again(self, graph: str) -> None:
        """Have the graph told everything from the beginning, as when it was lost."""
        await self._write(lambda connection: outbox.begin_again(connection, graph))

    async def feed_lag(self, graph: str) -> Lag:
        """How far the graph is behind."""
        return await self._read(lambda connection: outbox.lag(connection, graph, now=self._clock()))
