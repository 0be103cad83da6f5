"""The stores of a memory, as they are asked to forget."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select

from pilotman.memory.facts.book import FactBook
from pilotman.memory.forgetting.hold import Thing
from pilotman.memory.forgetting.order import Order
from pilotman.memory.forgetting.receipt import Erased
from pilotman.memory.journal.erasure import DONE
from pilotman.memory.journal.journal import Journal
from pilotman.memory.provenance.graph import Graph
from pilotman.memory.storage.codec import micros, moment
from pilotman.memory.storage.database import SCRUB
from pilotman.memory.storage.schema import events, items, payloads, runs
from pilotman.memory.storage.statement import Row


class RunStore:
    """Runs with all that they say, books of users, and parked graphs.

    What reads like a source's text stands in the bodies of the calls of runs that read it: for a source those
    bodies go, the runs stay.
    """

    name = "runs"

    def __init__(self, journal: Journal, *, unpark: Callable[[str], Awaitable[None]]) -> None:
        """``unpark`` drops the parked graphs of a run."""
        self._journal = journal
        self._unpark = unpark

    async def erase(self, order: Order) -> Erased:
        if order.what.fact_id is not None:
            return Erased()
        found = await self._journal.read(lambda connection: _runs(connection, order))
        marks: set[str] = set()
        held = 0
        for row in found:
            thing = Thing(user=row["user"], run_id=row["run_id"], at=moment(row["created_at"]))
            if order.spares(thing):
                held += 1
            elif order.what.source is None:
                marks |= await self._erase_run(row, order)
            else:
                marks |= await self._erase_bodies(row, order)
        return Erased(marks=frozenset(marks), held=held)

    async def _erase_run(self, row: Mapping[str, Any], order: Order) -> set[str]:
        run_id = row["run_id"]
        erased = await self._journal.erase_run(run_id, tenant=order.tenant, actor=order.archivist.user)
        await self._unpark(run_id)
        return {f"run:{run_id} {row['head']}"} if erased else set()

    async def _erase_bodies(self, row: Mapping[str, Any], order: Order) -> set[str]:
        run_id, source = row["run_id"], order.what.source
        told = await self._journal.events(run_id, tenant=order.tenant)
        read = (one for event in told if event.kind == _SEARCH for one in event.data.get("documents", ()))
        if source is None or not any(_is_of(passage, source) for passage in read):
            return set()
        bodies = await self._journal.payloads(run_id)
        for digest in bodies:
            await self._journal.redact_payload(
                run_id, digest, tenant=order.tenant, reason=f"{source} was forgotten", actor="memory"
            )
        return {f"body:{run_id}/{digest} {digest}" for digest in bodies}


class FactStore:
    """Durable facts."""

    name = "facts"

    def __init__(self, book: FactBook) -> None:
        self._book = book

    async def erase(self, order: Order) -> Erased:
        held: set[str] = set()

        def spares(row: Row) -> bool:
            thing = Thing(
                user=row["owner"],
                sources=frozenset({row["source"], row["source"].removeprefix("document:")}),
                run_id=row["source"].removeprefix("run:") if row["source"].startswith("run:") else None,
                fact_id=row["fact_id"],
                at=moment(row["recorded_at"]),
            )
            if order.spares(thing):
                held.add(row["fact_id"])
            return row["fact_id"] in held

        erased = await self._book.forget(order.what, order.archivist, spares=spares)
        return Erased(marks=frozenset(f"fact:{one} {told}" for one, told in erased.items()), held=len(held))


class ItemStore:
    """What conversations and users keep in LangGraph's stores."""

    name = "items"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def erase(self, order: Order) -> Erased:
        what = order.what
        if what.source is not None or what.fact_id is not None:
            return Erased()

        def work(connection: Connection) -> Erased:
            query = select(items).where(items.c.tenant == order.tenant)
            if what.user is not None:
                query = query.where(items.c.user == what.user)
            if what.run_id is not None:
                query = query.where(items.c.run_id == what.run_id)
            if what.before is not None:
                query = query.where(items.c.updated_at < micros(what.before))
            found = [dict(row) for row in connection.execute(query).mappings()]
            spared = [row for row in found if order.spares(_item(row))]
            marks: set[str] = set()
            for row in found:
                if row not in spared:
                    key = [items.c[one] == row[one] for one in _ITEM]
                    connection.execute(delete(items).where(*key))
                    marks.add(f"item:{row['path']}/{row['name']} {row['digest']}")
            connection.info[SCRUB] = True
            return Erased(marks=frozenset(marks), held=len(spared))

        return await self._journal.transact(work)


class GraphEcho:
    """The provenance graph: what it says of things that others have erased."""

    name = "provenance"

    def __init__(self, graph: Callable[[], Awaitable[Graph]]) -> None:
        self._graph = graph

    async def erase(self, order: Order) -> Erased:
        ids = sorted(one for one in order.erased if one.startswith(("run:", "fact:")))
        if ids:
            await (await self._graph()).erase(ids, tenant=order.tenant)
        return Erased(marks=frozenset(f"node:{one} -" for one in ids))


_SEARCH = "retrieval_completed"
_ITEM = ("tenant", "user", "session", "path", "name")


def _runs(connection: Connection, order: Order) -> Sequence[Mapping[str, Any]]:
    """The tenant's runs and books that are meant and not erased yet; for a source all that have bodies."""
    head = (
        select(events.c.hash)
        .where(events.c.run_id == runs.c.run_id)
        .order_by(events.c.seq.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = select(runs.c.run_id, runs.c.user, runs.c.created_at, head.label("head")).where(
        runs.c.tenant == order.tenant, ~DONE
    )
    what = order.what
    if what.user is not None:
        query = query.where(runs.c.user == what.user)
    if what.run_id is not None:
        query = query.where(runs.c.run_id == what.run_id)
    if what.before is not None:
        query = query.where(runs.c.created_at < micros(what.before))
    if what.source is not None:
        kept = select(func.count()).where(payloads.c.run_id == runs.c.run_id, payloads.c.body.is_not(None))
        query = query.where(kept.scalar_subquery() > 0)
    found = connection.execute(query.order_by(runs.c.created_at, runs.c.run_id)).mappings()
    return [dict(row) for row in found]


def _is_of(passage: Any, source: str) -> bool:
    """Whether a search's passage is from a source, or from a document of it."""
    if not isinstance(passage, Mapping):
        return False
    origin, document = passage.get("origin") or "", passage.get("document_id")  # pyright: ignore[reportUnknownVariableType,reportUnknownMemberType]
    return source in (origin, document, f"{origin}/{document}", passage.get("source"))  # pyright: ignore[reportUnknownMemberType]


def _item(row: Mapping[str, Any]) -> Thing:
    at: datetime = moment(row["updated_at"])
    return Thing(user=row["user"], run_id=row["run_id"], at=at)
