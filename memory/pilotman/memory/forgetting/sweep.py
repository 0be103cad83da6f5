"""What is over goes: runs, facts and items whose time to be kept has ended, a few at a time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, tuple_

from pilotman.memory.facts.tables import facts
from pilotman.memory.forgetting.archive import Archive
from pilotman.memory.forgetting.order import Order, Store
from pilotman.memory.journal.book import SUPERVISOR
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import ENDED
from pilotman.memory.retention import Retention
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.schema import runs
from pilotman.memory.store.rows import sweep

AT_ONCE = 100
"""Things that are looked up at a time."""


class Sweep:
    """Erases what is over, but what is under a legal hold. Stopped at any point it goes on the next time."""

    def __init__(
        self,
        journal: Journal,
        *,
        of_runs: Store,
        of_facts: Store,
        echo: Store,
        archive: Archive,
        retention: Retention,
        clock: Callable[[], datetime],
    ) -> None:
        self._journal = journal
        self._of_runs = of_runs
        self._of_facts = of_facts
        self._echo = echo
        self._archive = archive
        self._retention = retention
        self._clock = clock

    async def sweep(self) -> Mapping[str, int]:
        """How many runs, facts and items went.

        Raises:
            Unavailable: a store cannot be reached; what went before is gone.
        """
        done = {"runs": 0, "facts": 0, "items": 0}
        async for tenant, run_id in self._runs():
            done["runs"] += await self._erase(self._of_runs, tenant, Selector(run_id=run_id))
        async for tenant, fact_id in self._facts():
            done["facts"] += await self._erase(self._of_facts, tenant, Selector(fact_id=fact_id))
        done["items"] = await self._items()
        await self._journal.scrub()
        return done

    async def _erase(self, store: Store, tenant: str, what: Selector) -> int:
        order = Order(tenant=tenant, what=what, holds=await self._archive.holds(tenant))
        items = frozenset(mark.split(" ")[0] for mark in (await store.find(order)).marks)
        if items:  # the graph first: of what is erased nobody would tell it again
            await self._echo.erase(replace(order, erased=items))
            await store.erase(order)
        return len(items)

    async def _runs(self) -> AsyncIterator[tuple[str, str]]:
        """Runs that have ended and are kept no longer, the oldest first."""
        groups = select(runs.c.tenant, runs.c.task_type).where(runs.c.supervisor != SUPERVISOR).distinct()
        for tenant, purpose in await self._rows(groups):
            ttl = self._retention.ttl("run", tenant=tenant, purpose=purpose)
            if ttl is not None:
                due = select(runs.c.updated_at, runs.c.tenant, runs.c.run_id).where(
                    runs.c.tenant == tenant,
                    runs.c.task_type == purpose,
                    runs.c.supervisor != SUPERVISOR,
                    runs.c.state.in_(ENDED),
                    runs.c.forgotten_at.is_(None),
                    runs.c.updated_at < micros(self._clock() - ttl),
                )
                async for row in self._paged(due, (runs.c.updated_at, runs.c.run_id)):
                    yield row

    async def _facts(self) -> AsyncIterator[tuple[str, str]]:
        """Facts that are kept no longer, the longest ago first."""
        due = select(facts.c.expires_at, facts.c.tenant, facts.c.fact_id).where(
            facts.c.expires_at <= micros(self._clock()), facts.c.body.is_not(None)
        )
        async for row in self._paged(due, (facts.c.expires_at, facts.c.fact_id)):
            yield row

    async def _items(self) -> int:
        """Items of tenants without holds: of what is held one cannot know whose it was to be."""
        gone = 0
        while True:
            went = await self._journal.transact(self._some_items)
            gone += went
            if went < AT_ONCE:
                return gone

    def _some_items(self, connection: Connection) -> int:
        return sweep(connection, now=micros(self._clock()), limit=AT_ONCE)

    async def _paged(self, due: Any, order: tuple[Any, Any]) -> AsyncIterator[tuple[str, str]]:
        """Tenant and id of what is due, so many at a time; what is passed over does not come again."""
        last: tuple[Any, Any] | None = None
        while True:
            query = due.order_by(*order).limit(AT_ONCE)
            if last is not None:
                query = query.where(tuple_(*order) > tuple_(*last))
            found = await self._rows(query)
            for _, tenant, name in found:
                yield tenant, name
            if len(found) < AT_ONCE:
                return
            last = (found[-1][0], found[-1][2])

    async def _rows(self, query: Any) -> Sequence[Any]:
        return await self._journal.read(lambda connection: connection.execute(query).all())
