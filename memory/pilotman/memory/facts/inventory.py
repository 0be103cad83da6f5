"""What is kept in memory, why, and until when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Forgotten, Seal
from pilotman.memory.facts import rows
from pilotman.memory.facts.reader import Reader
from pilotman.memory.facts.shelf import Shelf
from pilotman.memory.journal.book import SUPERVISOR
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import ENDED
from pilotman.memory.retention import Retention
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import maybe_moment, micros, moment
from pilotman.memory.storage.schema import events, payloads, runs
from pilotman.memory.storage.statement import Row
from pilotman.memory.store import rows as items
from pilotman.memory.store import stock
from pilotman.memory.store.rows import HeldRow


class Inventory:
    """Lists what is kept of facts, items and runs. Users see their own and what belongs to nobody, operators
    all of the tenant's, without others' words. What has expired is listed to operators alone, without words:
    it lies there until it is swept, or as long as it is held."""

    def __init__(
        self,
        journal: Journal,
        seal: Seal,
        reader: Reader,
        *,
        retention: Retention,
        clock: Callable[[], datetime],
    ) -> None:
        self._journal = journal
        self._seal = seal
        self._shelf = Shelf(seal)
        self._reader = reader
        self._retention = retention
        self._clock = clock

    async def kept(self, selector: Selector, principal: Principal) -> list[Mapping[str, Any]]:
        """One mapping for each thing that is kept; see ``Memory.inventory``."""
        if selector.is_empty:
            return []
        tenant = principal.tenant

        def work(connection: Connection) -> tuple[list[Row], list[HeldRow], list[Row]]:
            held = [row for row in rows.selected(connection, selector, tenant) if row["body"] is not None]
            return held, items.selected(connection, selector, tenant), _runs(connection, selector, tenant)

        held, of_items, of_runs = await self._journal.read(work)
        now = micros(self._clock())
        held = [row for row in held if _may_see(principal, row["owner"], row["expires_at"], now)]
        of_items = [one for one in of_items if _may_see(principal, one.user, one.item.expires_at, now)]
        stand = await self._reader.standing({row["fact_id"] for row in held}, principal)

        def told() -> list[Mapping[str, Any]]:
            of_facts = (self._fact(row, principal, stands=row["fact_id"] in stand) for row in held)
            return [*of_facts, *stock.told(of_items, self._seal, principal, now=now)]

        return [*await asyncio.to_thread(told), *self._of_runs(of_runs, principal, now)]

    def _fact(self, row: Row, principal: Principal, *, stands: bool) -> Mapping[str, Any]:
        """A fact: what it says, if it is one's own."""
        told = {
            "kind": "fact",
            "id": row["fact_id"],
            "owner": row["owner"],
            "source": row["source"],
            "since": moment(row["recorded_at"]),
            "until": maybe_moment(row["expires_at"]),
            "state": self._state(row, stands=stands),
        }
        if row["owner"] not in (None, principal.user) or told["state"] == "expired":
            return told
        try:
            fact = self._shelf.fact(row)
        except Forgotten:
            return {**told, "state": "forgotten"}
        return {**told, "what": fact.text, "why": fact.reason}

    def _state(self, row: Row, *, stands: bool) -> str:
        if row["expires_at"] is not None and row["expires_at"] <= micros(self._clock()):
            return "expired"
        if row["retracted_at"] is not None:
            return "retracted"
        if row["status"] != "live":
            return str(row["status"])
        return "live" if stands else "unsupported"

    def _of_runs(self, found: list[Row], principal: Principal, now: int) -> Iterator[Mapping[str, Any]]:
        tenant = principal.tenant
        for row in found:
            is_book, since = row["supervisor"] == SUPERVISOR, moment(row["created_at"])
            ends = not is_book and row["state"] in ENDED
            ttl = self._retention.ttl("run", tenant=tenant, purpose=row["task_type"]) if ends else None
            end = None if ttl is None else row["updated_at"] + ttl // timedelta(microseconds=1)
            if _may_see(principal, row["user"], end, now):
                yield {
                    "kind": "book" if is_book else "run",
                    "id": row["run_id"],
                    "owner": row["user"],
                    "source": row["supervisor"] or "memory",
                    "since": since,
                    "until": maybe_moment(end),
                    "state": "expired" if end is not None and end <= now else row["state"],
                    "what": f"{row['events']} events, {row['payloads']} payloads",
                    "why": "what was done to facts" if is_book else "a request and what was done for it",
                }


def _may_see(principal: Principal, owner: str | None, end: int | None = None, now: int = 0) -> bool:
    """``end`` and ``now`` in microseconds since 1970 UTC."""
    live = end is None or end > now
    return OPERATOR in principal.roles or (live and owner in (None, principal.user))


def _runs(connection: Connection, selector: Selector, tenant: str) -> list[Row]:
    """The runs that a selector means, oldest first; none for a source or a fact, which graphs know of."""
    if selector.source is not None or selector.fact_id is not None:
        return []
    query = select(
        *(
            runs.c[name]
            for name in ("run_id", "user", "supervisor", "state", "task_type", "created_at", "updated_at")
        ),
        _count(events).label("events"),
        _count(payloads).label("payloads"),
    ).where(runs.c.tenant == tenant, runs.c.forgotten_at.is_(None))
    if selector.user is not None:
        query = query.where(runs.c.user == selector.user)
    if selector.run_id is not None:
        query = query.where(runs.c.run_id == selector.run_id)
    if selector.before is not None:
        query = query.where(runs.c.created_at < micros(selector.before))
    found = connection.execute(query.order_by(runs.c.created_at, runs.c.run_id)).mappings()
    return [dict(row) for row in found]


def _count(table: Any) -> Any:
    return select(func.count()).where(table.c.run_id == runs.c.run_id).scalar_subquery()
