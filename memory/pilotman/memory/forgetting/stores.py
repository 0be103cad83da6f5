"""The stores of a memory, as they are asked to forget."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, select

from pilotman.guardrails.errors import NotFound, Unavailable
from pilotman.guardrails.seal import Subject
from pilotman.memory.checkpoints.late import LateSaver
from pilotman.memory.facts import origin
from pilotman.memory.facts.book import FactBook
from pilotman.memory.facts.erasure import Spares
from pilotman.memory.forgetting.hold import Thing
from pilotman.memory.forgetting.order import Order
from pilotman.memory.forgetting.reading import READS, Reading, readings
from pilotman.memory.forgetting.receipt import Erased
from pilotman.memory.journal.book import SUPERVISOR as BOOK
from pilotman.memory.journal.erasure import DONE
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import ENDED
from pilotman.memory.provenance.graph import Graph
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import micros, moment
from pilotman.memory.storage.schema import events, items, runs
from pilotman.memory.storage.statement import Row
from pilotman.memory.store.rows import HeldRow, selected


class RunStore:
    """Runs with all that they say, books of users, and parked graphs.

    Of a source the runs stay that have read it, with their requests: what they read goes, and all that came
    of it, so their answers and the items that they wrote, as far as they stand on it (see ``origin``).
    """

    name = "runs"

    def __init__(self, journal: Journal, book: FactBook, *, unpark: Callable[[str], Awaitable[None]]) -> None:
        """``unpark`` drops the parked graphs of a run."""
        self._journal = journal
        self._book = book
        self._unpark = unpark

    async def find(self, order: Order) -> Erased:
        if order.what.source is not None:
            return (await self._found(order))[0]
        return (await self._meant(order))[0]

    async def erase(self, order: Order) -> Erased:
        if order.what.source is not None:
            return await self._erase_what_came(order)
        erased, meant = await self._meant(order)
        if len(meant) > 1:
            await self._journal.hide_runs(meant)
        for run_id in meant:
            await self._unpark(run_id)  # first: of a run that is erased nobody asks again
            await self._journal.erase_run(run_id, tenant=order.tenant, actor=order.archivist.user)
            await self._unpark(run_id)
        return erased

    async def under_way(self, order: Order) -> list[tuple[str, str]]:
        """Ids and teams of the runs that are meant, not spared, and not over."""
        if order.what.fact_id is not None:
            return []
        if order.what.source is not None:
            found = [one.row for one in (await self._found(order))[1] if not one.ended]
        else:
            rows = await self._journal.read(lambda connection: _runs(connection, order))
            found = [one for one in rows if one["state"] not in ENDED and not order.spares(_run(one))]
        return [(row["run_id"], row["supervisor"]) for row in found]

    async def _meant(self, order: Order) -> tuple[Erased, list[str]]:
        """What is meant, and the ids of its runs."""
        if order.what.fact_id is not None:
            return Erased(), []
        found = await self._journal.read(lambda connection: _runs(connection, order))
        by_source = any(hold.what.source is not None for hold in order.holds)
        marks, meant, held = set[str](), list[str](), 0
        for row in found:
            run_id = row["run_id"]
            sources = await self._sources(run_id, order.tenant) if by_source else frozenset[str]()
            if order.spares(_run(row, sources)):
                held += 1
                continue
            meant.append(run_id)
            marks.add(f"run:{run_id} {row['head'] or '-'}")
        return Erased(marks=frozenset(marks), held=held), meant

    async def _sources(self, run_id: str, tenant: str) -> frozenset[str]:
        """What the run has read in corpora and in memory."""
        try:
            told = await self._journal.events(run_id, tenant=tenant)
        except NotFound:  # it was forgotten meanwhile
            return frozenset()
        return frozenset(origin.read_by(told))

    # a source

    async def _found(self, order: Order) -> tuple[Erased, list[Reading]]:
        """What came of a source, and the runs in which it stands."""
        source = str(order.what.source)
        gone = set(order.erased)  # when it is gone on from, what went with it is not found again
        gone |= {f"{origin.FACT}{one}" for one in await self._book.meant(order.what, order.tenant)}
        gone |= {one.replace("answer:", origin.RUN, 1) for one in order.erased if one.startswith("answer:")}
        rows = await self._journal.read(lambda connection: _runs(connection, order))
        found = await readings(self._journal, rows, source, gone, order.tenant)
        meant = [one for one in found if not order.spares(_run(one.row, one.sources))]
        marks = set[str]()
        for one in meant:
            marks |= await self._marks(one, order.tenant)
        other = sum(not one.stands for one in meant)
        said = f"answers of runs that have read it, which stand on something else: {other}" if other else ""
        return Erased(marks=frozenset(marks), held=len(found) - len(meant), left=said), meant

    async def _marks(self, one: Reading, tenant: str) -> set[str]:
        run_id = one.row["run_id"]
        marks = {f"body:{run_id}/{name} {name}" for name in await self._journal.payloads(run_id)}
        if one.stands:
            its = Selector(run_id=run_id)
            wrote = await self._journal.read(lambda connection: selected(connection, its, tenant))
            marks |= set(map(_mark, wrote))
            marks |= {f"answer:{run_id} {one.row['head'] or '-'}"} if one.answered else set()
        return marks

    async def _erase_what_came(self, order: Order) -> Erased:
        erased, meant = await self._found(order)
        actor = order.archivist.user
        for one in meant:
            if one.ended:
                run_id = one.row["run_id"]
                await self._unpark(run_id)
                await self._journal.erase_what_came(
                    run_id, tenant=order.tenant, actor=actor, answer=one.stands
                )
        busy = [str(one.row["run_id"]) for one in meant if not one.ended]
        if busy:
            raise Unavailable(
                f"{order.what.source} was read by runs that are under way: {', '.join(busy)}",
                hint="cancel them: it is tried again",
            )
        return erased


class FactStore:
    """Durable facts."""

    name = "facts"

    def __init__(self, book: FactBook) -> None:
        self._book = book

    async def find(self, order: Order) -> Erased:
        held = set[str]()
        meant = await self._book.meant(order.what, order.tenant, spares=_sparing(order, held))
        return _facts(meant, held)

    async def erase(self, order: Order) -> Erased:
        held = set[str]()
        gone = await self._book.forget(order.what, order.archivist, spares=_sparing(order, held))
        return _facts(gone, held)


class ItemStore:
    """What conversations and users keep in LangGraph's stores."""

    name = "items"

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def find(self, order: Order) -> Erased:
        return (await self._journal.read(lambda connection: _items(connection, order)))[0]

    async def erase(self, order: Order) -> Erased:
        def work(connection: Connection) -> Erased:
            erased, meant = _items(connection, order)
            for held in meant:
                where = (items.c[name] == value for name, value in zip(_ITEM, _key(held), strict=True))
                connection.execute(delete(items).where(*where))
            return erased

        erased = await self._journal.transact(work)
        await self._journal.scrub()  # it is the last store of the journal's: for all of them
        return erased


class GraphStore:
    """Users' own graphs: their checkpoints."""

    name = "graphs"

    def __init__(self, saver: LateSaver) -> None:
        self._saver = saver

    async def find(self, order: Order) -> Erased:
        return (await self._meant(order))[0]

    async def erase(self, order: Order) -> Erased:
        erased, threads = await self._meant(order)
        for thread_id in threads:
            await self._saver.adelete_thread(thread_id)
        return erased

    async def _meant(self, order: Order) -> tuple[Erased, list[str]]:
        what = order.what
        if what.user is None or (what.source, what.run_id, what.fact_id) != (None, None, None):
            unknown = what.source is not None and await self._saver.is_used()
            said = "users' own graphs: nobody knows what they have read" if unknown else ""
            return Erased(left=said), []  # a graph of one's own has no run, either
        meant: dict[str, str] = {}
        held = 0
        for thread_id, newest in (await self._saver.owned(Subject(order.tenant, what.user))).items():
            at = datetime.fromisoformat(newest.checkpoint["ts"])
            thing = Thing(user=what.user, at=at)
            if order.spares(thing):
                held += 1
            elif order.wants(thing):
                meant[thread_id] = newest.checkpoint["id"]
        marks = frozenset(f"thread:{_name(one)} {last}" for one, last in meant.items())
        return Erased(marks=marks, held=held), list(meant)


class GraphEcho:
    """The provenance graph: what it says of things that others have erased."""

    name = "provenance"

    def __init__(self, graph: Callable[[], Awaitable[Graph]]) -> None:
        self._graph = graph

    async def find(self, order: Order) -> Erased:
        return Erased(marks=frozenset(f"node:{one} -" for one in _nodes(order)))

    async def erase(self, order: Order) -> Erased:
        ids = _nodes(order)
        if ids:
            await (await self._graph()).erase(ids, tenant=order.tenant)
        return await self.find(order)


_ITEM = ("tenant", "user", "session", "path", "name")


def _runs(connection: Connection, order: Order) -> list[Row]:
    """The tenant's runs and books that are meant and not erased yet; for a source all that read anything."""
    its = events.c.run_id == runs.c.run_id
    head = select(events.c.hash).where(its).order_by(events.c.seq.desc()).limit(1).scalar_subquery()
    last = select(func.max(events.c.at)).where(its, runs.c.supervisor == BOOK).scalar_subquery()
    columns = (runs.c.run_id, runs.c.user, runs.c.supervisor, runs.c.state)
    at = func.coalesce(last, runs.c.created_at)  # a book is as old as what was written last
    query = select(*columns, head.label("head"), at.label("last")).where(runs.c.tenant == order.tenant, ~DONE)
    what = order.what
    if what.user is not None:
        query = query.where(runs.c.user == what.user)
    if what.run_id is not None:
        query = query.where(runs.c.run_id == what.run_id)
    if what.before is not None:
        query = query.where(at < micros(what.before))
    if what.source is not None:
        query = query.where(READS)
    found = connection.execute(query.order_by(runs.c.created_at, runs.c.run_id)).mappings()
    return [dict(row) for row in found]


def _run(row: Mapping[str, Any], sources: frozenset[str] = frozenset()) -> Thing:
    return Thing(user=row["user"], run_id=row["run_id"], sources=sources, at=moment(row["last"]))


def _sparing(order: Order, held: set[str]) -> Spares:
    """Whether a fact is under a hold; then it stands in ``held`` too."""

    def spares(row: Row, supports: frozenset[str]) -> bool:
        thing = Thing(
            user=row["owner"],
            sources=supports | {row["source"]},
            fact_id=row["fact_id"],
            at=moment(row["recorded_at"]),
        )
        if order.spares(thing):
            held.add(row["fact_id"])
        return row["fact_id"] in held

    return spares


def _facts(erased: Mapping[str, str], held: Collection[str]) -> Erased:
    return Erased(marks=frozenset(f"fact:{one} {told}" for one, told in erased.items()), held=len(held))


def _items(connection: Connection, order: Order) -> tuple[Erased, list[HeldRow]]:
    """What is meant, and its rows."""
    found = selected(connection, order.what, order.tenant)
    meant = [held for held in found if not order.spares(_item(held))]
    return Erased(marks=frozenset(map(_mark, meant)), held=len(found) - len(meant)), meant


def _mark(held: HeldRow) -> str:
    return f"item:{_name(*_key(held))} {held.item.digest}"


def _key(held: HeldRow) -> tuple[str, ...]:
    """As ``_ITEM`` names it."""
    return held.tenant, held.user, held.item.session, held.item.path, held.item.name


def _item(held: HeldRow) -> Thing:
    return Thing(user=held.user, run_id=held.item.run_id, at=moment(held.item.updated_at))


def _name(*parts: str) -> str:
    """A name of its own for what is named by several, or in words."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _nodes(order: Order) -> list[str]:
    return sorted(one for one in order.erased if one.startswith(("run:", "fact:")))
