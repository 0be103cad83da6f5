"""The provenance graph in Neo4j, by its official driver (extra ``neo4j``)."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, LiteralString, TypeAlias, TypeVar
from urllib.parse import unquote, urlsplit

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.memory.provenance import cypher
from pilotman.memory.provenance.graph import (
    RELATIONS,
    RESERVED,
    Direction,
    Edge,
    Node,
    NodeKind,
    Relation,
    Subgraph,
)
from pilotman.memory.provenance.walk import EDGES_A_NODE, Walk
from pilotman.memory.provenance.wire import bare, kept, plain, slices, stored, typed
from pilotman.memory.storage.codec import maybe_moment, text

if TYPE_CHECKING:
    from neo4j import AsyncDriver, AsyncManagedTransaction, AsyncSession

    Reader: TypeAlias = AsyncManagedTransaction | AsyncSession

T = TypeVar("T")

_NOTHING: Mapping[str, Any] = MappingProxyType({})

Step: TypeAlias = tuple[LiteralString, dict[str, Any]]
"""A query and its parameters."""

SCHEMES = tuple(f"{scheme}{safety}" for scheme in ("neo4j", "bolt") for safety in ("", "+s", "+ssc"))


class Neo4jGraph:
    """A ``Graph`` on a Neo4j server: ``neo4j://user:password@host:7687/database`` or ``bolt://…``.

    Without a database in the URL it is the user's home database.
    """

    def __init__(self, url: str, *, timeout: float = 20.0) -> None:
        """``timeout``: seconds after which a server that does not answer is taken for gone.

        Raises:
            ConfigurationError: not a URL of Neo4j's, or its driver is not installed.
        """
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.hostname:
            raise ConfigurationError(
                "not a URL of Neo4j's", hint="use neo4j://user:password@host:7687 or bolt://host:7687"
            )
        try:
            import neo4j
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "Neo4j needs its driver", hint='pip install "pilotman[neo4j]"'
            ) from error
        self._neo4j = neo4j
        self._url = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        self._auth = (
            None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        )
        self._name = parts.path.strip("/") or None
        self._timeout = timeout
        self._driver: AsyncDriver | None = None
        self._prepared = False

    async def start(self) -> None:
        """Connect and create what constraints are missing; where that fails it is tried again with each use.

        Raises:
            Unavailable: the server does not answer.
            ConfigurationError: it refuses who we say we are.
        """
        if self._driver is None:
            self._driver = self._neo4j.AsyncGraphDatabase.driver(
                self._url,
                auth=self._auth,
                connection_timeout=self._timeout / 2,
                connection_acquisition_timeout=self._timeout / 2,
                connection_write_timeout=self._timeout,
                max_transaction_retry_time=self._timeout / 4,
                liveness_check_timeout=self._timeout,
                max_connection_pool_size=8,
                notifications_min_severity="OFF",
                telemetry_disabled=True,
                user_agent="pilotman",
            )
            self._prepared = False
        async with self._errors():
            await self._prepare(self._driver)

    async def aclose(self) -> None:
        """Close the connections. Closing what is closed does nothing."""
        driver, self._driver = self._driver, None
        if driver is not None:
            async with self._errors():
                await driver.close()

    async def merge(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
        for some, between in slices(nodes, edges, 1_000):
            await self._transact(partial(_run, steps=_steps(some, between)))
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
        bound = {"tenant": text(tenant), "relations": list(RELATIONS if relations is None else relations)}
        near = list(dict.fromkeys(map(text, ids)))

        async def explore(session: AsyncSession) -> Subgraph:
            first = {**bound, "ids": near, "limit": max_nodes * EDGES_A_NODE + 1}
            begun, met = await _value(session, cypher.FIRST[direction], first)
            nodes = {data["id"]: _node(kind, data, tenant) for kind, data in begun}
            there = [one for one in near if one in nodes]
            walk: Walk[str, Sequence[Any]] = Walk(there, max_depth=max_depth, max_nodes=max_nodes)
            walk.step(row for row in _along(met, near) if row[1][1] in walk.depths)
            while True:
                for kind, data, *_ in met:
                    if data["id"] not in nodes:
                        nodes[data["id"]] = _node(kind, data, tenant)
                if not walk.frontier:
                    break
                asked = {**bound, "ids": walk.frontier, "limit": walk.asks_for}
                met = await _value(session, cypher.LEVEL[direction], asked)
                walk.step(_along(met, walk.frontier))
            return walk.subgraph(
                nodes, (_edge(*row, tenant=tenant, direction=direction) for row in walk.edges)
            )

        return await self._read(explore)

    async def node(self, id: str, *, tenant: str) -> Node | None:
        found = await self._read(partial(_nodes, ids=[text(id)], tenant=tenant))
        return found.get(text(id))

    async def erase(self, ids: Sequence[str], *, tenant: str) -> int:
        each = {"ids": sorted(set(map(text, ids))), "tenant": text(tenant)}

        async def erase(transaction: AsyncManagedTransaction) -> int:
            there = await _value(transaction, cypher.TO_ERASE, each)
            await _run(transaction, [(cypher.ERASE, each)])
            return int(there)

        return await self._transact(erase)

    async def count(self) -> tuple[int, int]:
        nodes, edges = await self._read(partial(_value, query=cypher.COUNT, parameters={}))
        return int(nodes), int(edges)

    # the server

    async def _transact(self, work: Callable[[AsyncManagedTransaction], Awaitable[T]]) -> T:
        """In one transaction. Where the connection broke or two transactions met, the driver does it again:
        all of it is idempotent."""
        async with self._session() as session:
            return await session.execute_write(work)

    async def _read(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """On the server that writes: there what was written can be read. Each query for itself: to begin and
        end a transaction takes as long as they do, and what is there stays. Once more on a new connection."""
        lost = (self._neo4j.exceptions.ServiceUnavailable, self._neo4j.exceptions.SessionExpired)
        async with self._session() as session:
            try:
                return await work(session)
            except lost:
                return await work(session)

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[AsyncSession]:
        if self._driver is None:
            raise ConfigurationError("the provenance graph is not started", hint="await start()")
        async with self._errors():
            if not self._prepared:
                await self._prepare(self._driver)
            async with self._driver.session(database=self._name) as session:
                yield session

    async def _prepare(self, driver: AsyncDriver) -> None:
        async with driver.session(database=self._name) as session:
            for command in cypher.SCHEMA:  # retried: who starts at the same time may be in its way
                await session.execute_write(partial(_run, steps=[(command, {})]))
        self._prepared = True

    @asynccontextmanager
    async def _errors(self) -> AsyncGenerator[None]:
        """The driver's errors in terms of our error tree. It waits by itself for what a server never says."""
        errors = self._neo4j.exceptions
        try:
            async with asyncio.timeout(self._timeout):
                yield
        except (errors.AuthError, errors.ConfigurationError) as error:
            raise ConfigurationError(
                f"Neo4j at {self._url} refuses us: {_said(error)}", hint="check user, password and database"
            ) from error
        except TimeoutError as error:
            raise Unavailable(
                f"Neo4j at {self._url} does not answer within {self._timeout:g} s", hint=_AGAIN
            ) from error
        except (errors.DriverError, errors.Neo4jError, OSError) as error:
            raise Unavailable(f"Neo4j at {self._url} cannot do it: {_said(error)}", hint=_AGAIN) from error


_AGAIN = "see that it runs; what is not in it yet can be merged again"


def _said(error: Exception) -> str:
    return " ".join(str(error).split())


async def _run(transaction: AsyncManagedTransaction, steps: Sequence[Step]) -> None:
    for query, parameters in steps:
        await (await transaction.run(query, parameters)).consume()


async def _value(reader: Reader, query: LiteralString, parameters: Mapping[str, Any]) -> Any:
    """The only value that a query gives, with everything in it: a record for each thing costs much more."""
    record = await (await reader.run(query, dict(parameters))).single(strict=True)
    return record[0]


def _steps(nodes: Sequence[Node], edges: Sequence[Edge]) -> list[Step]:
    """In the order of ids, so that two writers rarely wait for each other."""
    rows: dict[LiteralString, list[list[Any]]] = defaultdict(list)
    for node in typed(nodes):
        data = {**plain(node.data), "type": text(node.type)}
        row = [text(node.tenant), text(node.id), node.at, data, {**kept(data), "type": data["type"]}]
        rows[cypher.NODE[node.kind]].append(row)
    for key, kind in bare(nodes, edges).items():
        rows[cypher.BARE[kind]].append([*key])
    for edge in edges:
        ends = [text(edge.tenant), text(edge.source), text(edge.target)]
        rows[cypher.EDGE[edge.relation]].append([*ends, edge.at, plain(edge.data)])
    return [(query, {"rows": sorted(each, key=_key)}) for query, each in rows.items()]


def _key(row: list[Any]) -> list[Any]:
    return [value for value in row[:3] if isinstance(value, str)]


async def _nodes(reader: Reader, ids: Sequence[str], tenant: str) -> dict[str, Node]:
    rows = await _value(reader, cypher.NODES, {"ids": ids, "tenant": text(tenant)})
    return {data["id"]: _node(kind, data, tenant) for kind, data in rows}


def _node(kind: NodeKind, data: dict[str, Any], tenant: str) -> Node:
    return stored(
        Node,
        {
            "id": data["id"],
            "kind": kind,
            "type": data.get("type", ""),
            "tenant": tenant,
            "at": maybe_moment(data["at"]),
            "erased": data.get("erased", False),
            "data": {key: value for key, value in data.items() if key not in RESERVED},
        },
    )


def _along(met: Iterable[Sequence[Any]], near: Sequence[str]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """The edges of a level: whither, and what ``_edge`` takes."""
    for _, data, *edges in met:
        far = data["id"]
        for edge in edges:
            brief, more = (edge, _NOTHING) if isinstance(edge, str) else edge
            place, relation, *at = brief.split()
            yield far, (far, near[int(place)], relation, int(at[0]) if at else None, more)


def _edge(
    far: str,
    near: str,
    relation: str,
    at: int | None,
    data: Mapping[str, Any],
    *,
    tenant: str,
    direction: Direction,
) -> Edge:
    source, target = (near, far) if direction == "back" else (far, near)
    return stored(
        Edge,
        {
            "source": source,
            "relation": relation,
            "target": target,
            "tenant": tenant,
            "at": maybe_moment(at),
            "data": {key: value for key, value in data.items() if value is not None},
        },
    )
