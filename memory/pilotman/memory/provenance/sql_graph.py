"""The provenance graph in SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from pilotman.guardrails.errors import ConfigurationError
from pilotman.memory.provenance import statements
from pilotman.memory.provenance.graph import RELATIONS, Direction, Edge, Node, Relation, Subgraph
from pilotman.memory.provenance.sql_schema import SCHEMA
from pilotman.memory.provenance.walk import Walk
from pilotman.memory.provenance.wire import bare, kept, plain, slices, stored, typed
from pilotman.memory.storage.codec import dump, load, maybe_moment, micros, text
from pilotman.memory.storage.database import Mode, database, translate

T = TypeVar("T")

_RELATIONS = {code: relation for relation, code in statements.CODES.items()}


class SqlGraph:
    """A ``Graph`` in a database of SQLite or PostgreSQL, with a thread of its own."""

    def __init__(self, url: str, *, busy_timeout: float = 5.0) -> None:
        """``busy_timeout``: seconds to wait for another process's lock.

        Raises:
            ConfigurationError: not a URL of a database.
        """
        self._database = database(url, busy_timeout=busy_timeout, schema=SCHEMA)
        self._thread: ThreadPoolExecutor | None = None
        self._opened = False
        self._log_holds_erased = False

    async def start(self) -> None:
        """Open it; where that fails it is tried again with each use.

        Raises:
            CorruptJournal: the file is damaged or not ours; it was left untouched.
            Unavailable: it cannot be reached or created.
        """
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pilotman-provenance")
        await self._in_thread(self._open)

    async def aclose(self) -> None:
        """Close it, after what is under way. Closing what is closed does nothing."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                await asyncio.get_running_loop().run_in_executor(thread, self._close)
            finally:
                thread.shutdown(wait=False)

    async def merge(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
        for some, between in slices(nodes, edges):
            work = partial(_merge, nodes=some, edges=between)
            await self._do(work, mode="full")  # who told us of it forgets it now
        gone = [node for node in nodes if node.erased]
        for tenant in {node.tenant for node in gone}:
            await self.erase([node.id for node in gone if node.tenant == tenant], tenant=tenant)

    async def lineage(
        self,
        ids: Sequence[str],
        *,
        tenant: str,
        direction: Direction,
        relations: Collection[Relation] | None = None,
        max_depth: int,
        max_nodes: int,
    ) -> Subgraph:
        level = statements.LEVEL[direction]
        wanted = RELATIONS if relations is None else set(relations)
        mask = sum(1 << statements.CODES[relation] for relation in wanted)

        def explore(connection: Connection) -> Subgraph:
            roots = _numbers(connection, ids, tenant)
            walk: Walk[int, Any] = Walk(roots, max_depth=max_depth, max_nodes=max_nodes)
            while walk.frontier:
                rows = level.rows(connection, _many(connection, walk.frontier), mask, walk.asks_for)
                walk.step((row[0], row) for row in rows)
            return _subgraph(connection, walk, tenant)

        return await self._do(explore)

    async def node(self, id: str, *, tenant: str) -> Node | None:
        def find(connection: Connection) -> dict[int, Node]:
            return _nodes(connection, _numbers(connection, [id], tenant), tenant)

        return next(iter((await self._do(find)).values()), None)

    async def erase(self, ids: Sequence[str], *, tenant: str) -> int:
        each = sorted(set(map(text, ids)))

        def erase(connection: Connection) -> int:
            there = statements.TO_ERASE.rows(connection, _many(connection, each), text(tenant))
            statements.ERASE.each(connection, [(text(tenant), one) for one in each])
            self._log_holds_erased = True
            return int(there[0][0])

        return await self._do(erase, mode="full") if each else 0

    async def count(self) -> tuple[int, int]:
        nodes, edges = (await self._do(statements.COUNT.rows))[0]
        return int(nodes), int(edges)

    # the thread

    async def _do(self, work: Callable[[Connection], T], *, mode: Mode = "read") -> T:
        """Do it in a transaction; once more where the connection had been lost: all of it is idempotent."""

        def attempt() -> T:
            self._open()
            with self._database.transaction(mode) as connection:
                result = work(connection)
            if self._log_holds_erased:
                self._log_holds_erased = not self._database.empty_log()
            return result

        def twice() -> T:
            try:
                return attempt()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
                return attempt()

        return await self._in_thread(twice)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            raise ConfigurationError("the provenance graph is not started", hint="await start()")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except Exception as error:
            told = translate(error, "the provenance graph")
            if told is error:
                raise
            raise told from error

    def _open(self) -> None:
        if not self._opened:
            self._database.open()
            self._opened = True

    def _close(self) -> None:
        if self._opened:
            self._opened = False
            self._database.close()


def _many(connection: Connection, values: Sequence[str] | Sequence[int]) -> Any:
    """Many values as one."""
    return dump(values) if connection.dialect.name == "sqlite" else list(values)


def _merge(connection: Connection, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
    """In the order of ids, so that two processes never wait for each other."""
    statements.NODE.each(connection, sorted(map(_node_row, typed(nodes)), key=_key))
    statements.BARE.each(connection, sorted((*key, kind) for key, kind in bare(nodes, edges).items()))
    statements.EDGE.each(connection, sorted(map(_edge_row, edges), key=_key_of_edge))


def _key(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:2]


def _key_of_edge(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return (row[0], *row[3:])


def _node_row(node: Node) -> tuple[Any, ...]:
    data = plain(node.data)
    at = None if node.at is None else micros(node.at)
    return text(node.tenant), text(node.id), node.kind, text(node.type), at, dump(data), dump(kept(data))


def _edge_row(edge: Edge) -> tuple[Any, ...]:
    at = None if edge.at is None else micros(edge.at)
    tenant = text(edge.tenant)
    ends = (tenant, text(edge.source), tenant, text(edge.target))
    return statements.CODES[edge.relation], at, dump(plain(edge.data)), *ends


def _numbers(connection: Connection, ids: Sequence[str], tenant: str) -> list[int]:
    found = statements.NUMBERS.rows(connection, _many(connection, list(map(text, ids))), text(tenant))
    return [row[0] for row in found]


def _nodes(connection: Connection, numbers: Sequence[int], tenant: str) -> dict[int, Node]:
    found = statements.NODES.rows(connection, _many(connection, numbers), text(tenant))
    return {row[0]: _node(row, tenant) for row in found}


def _node(row: Sequence[Any], tenant: str) -> Node:
    _, name, kind, type_, at, data, erased = row
    return stored(
        Node,
        {
            "id": name,
            "kind": kind,
            "type": type_,
            "tenant": tenant,
            "at": maybe_moment(at),
            "data": load(data),
            "erased": bool(erased),
        },
    )


def _edge(row: Sequence[Any], nodes: Mapping[int, Node], tenant: str) -> Edge:
    _, source, relation, target, at, data = row
    return stored(
        Edge,
        {
            "source": nodes[source].id,
            "relation": _RELATIONS[relation],
            "target": nodes[target].id,
            "tenant": tenant,
            "at": maybe_moment(at),
            "data": load(data),
        },
    )


def _subgraph(connection: Connection, walk: Walk[int, Any], tenant: str) -> Subgraph:
    nodes = _nodes(connection, list(walk.depths), tenant)
    return walk.subgraph(nodes, (_edge(row, nodes, tenant) for row in walk.edges))
