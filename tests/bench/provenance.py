"""What a provenance graph in Neo4j costs beside the raw driver, and what it takes in SQLite.

The raw driver gets the shortest code that stores the same: batches of 1,000 by ``UNWIND … MERGE``, one label,
one constraint on the id, no tenants, no first times, no tombstones; its lineage goes level by level too, a
record for each level. Both write in turns, batch by batch, into one server. Needs PILOTMAN_TEST_NEO4J_URL, or
Java 17 and Maven.

    python -m tests.bench.provenance [nodes] [--walks 100]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import statistics
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import neo4j
from rich.console import Console
from rich.table import Table
from tests.memory.provenance.neo4j_server import served

from pilotman.memory.provenance.graph import Edge, Graph, Node
from pilotman.memory.provenance.neo4j_graph import Neo4jGraph
from pilotman.memory.provenance.sql_graph import SqlGraph

BATCH = 1_000
EDGES = 3
"""Of a node."""
DEPTH = 5
WRITES, READS = 0.8, 1.3
"""At least this part of the raw driver's rate; at most so many times its time."""
START = datetime(2026, 1, 1, tzinfo=UTC)
RELATION = {
    ("entity", "entity"): "WAS_DERIVED_FROM",
    ("entity", "activity"): "WAS_GENERATED_BY",
    ("activity", "entity"): "USED",
    ("activity", "activity"): "WAS_INFORMED_BY",
}


def made(count: int, tenant: str) -> tuple[list[Node], list[Edge]]:
    """Steps and what they made, each from some of the thousand things before it."""
    dice = random.Random(5)
    nodes = [
        Node(
            id=f"{('chunk', 'step')[number % 2]}:{tenant[:20]}{number:012x}",
            kind=("entity", "activity")[number % 2],
            type=("chunk", "step")[number % 2],
            tenant=tenant,
            at=START + timedelta(seconds=number),
            data={"digest": f"{dice.getrandbits(256):064x}"},
        )
        for number in range(count)
    ]
    edges: list[Any] = []
    for number in range(1, count):
        for other in {dice.randrange(max(0, number - 1_000), number) for _ in range(EDGES)}:
            source, target = nodes[number], nodes[other]
            edges.append(
                Edge(
                    source=source.id,
                    relation=RELATION[source.kind, target.kind],  # type: ignore[arg-type]
                    target=target.id,
                    tenant=tenant,
                    at=source.at,
                )
            )
    return nodes, edges


class Raw:
    """What somebody writes with the driver alone."""

    def __init__(self, driver: neo4j.AsyncDriver, label: str) -> None:
        self._driver: Any = driver  # it wants literal queries
        self._label = label

    async def start(self) -> None:
        command = f"CREATE CONSTRAINT IF NOT EXISTS FOR (n:{self._label}) REQUIRE n.id IS UNIQUE"
        await self._do([(command, {})])

    async def merge(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
        label = self._label
        steps: list[tuple[str, Any]] = []
        if nodes:
            rows: list[Any] = [
                {"id": node.id, "data": {**node.data, "type": node.type, "at": node.at}} for node in nodes
            ]
            query = f"UNWIND $rows AS row MERGE (n:{label} {{id: row.id}}) SET n += row.data"
            steps.append((query, {"rows": rows}))
        by_type: dict[str, list[Any]] = defaultdict(list)
        for edge in edges:
            by_type[edge.relation].append({"source": edge.source, "target": edge.target, "at": edge.at})
        for relation, rows in by_type.items():
            query = (
                f"UNWIND $rows AS row MATCH (s:{label} {{id: row.source}})"
                f" MATCH (t:{label} {{id: row.target}}) MERGE (s)-[e:{relation}]->(t) SET e.at = row.at"
            )
            steps.append((query, {"rows": rows}))
        await self._do(steps)

    async def lineage(self, root: str) -> set[str]:
        label = self._label
        seen, frontier = {root}, [root]
        edges: list[Any] = []
        async with self._driver.session() as session:
            for _ in range(DEPTH):
                result = await session.run(
                    f"UNWIND $ids AS id MATCH (s:{label} {{id: id}})-[e]->(t)"
                    " RETURN collect([id, type(e), e.at.epochMillis, t.id])",
                    ids=frontier,
                )
                found: list[list[Any]] = (await result.single(strict=True))[0]
                edges += found
                frontier = [one for one in dict.fromkeys(edge[3] for edge in found) if one not in seen]
                seen |= set(frontier)
            result = await session.run(
                f"UNWIND $ids AS id MATCH (n:{label} {{id: id}})"
                " RETURN collect(n {.*, at: n.at.epochMillis})",
                ids=list(seen),
            )
            await result.single(strict=True)
        return seen

    async def _do(self, steps: Sequence[tuple[str, dict[str, Any]]]) -> None:
        async def work(transaction: Any) -> None:
            for query, parameters in steps:
                await (await transaction.run(query, parameters)).consume()

        async with self._driver.session() as session:
            await session.execute_write(work)


@dataclass
class Took:
    """Seconds, a figure for each turn."""

    nodes: list[float] = field(default_factory=list[float])
    edges: list[float] = field(default_factory=list[float])
    walks: list[float] = field(default_factory=list[float])
    again: list[float] = field(default_factory=list[float])


async def timed(into: list[float], work: Callable[[], Awaitable[Any]]) -> Any:
    began = time.perf_counter()
    result = await work()
    into.append(time.perf_counter() - began)
    return result


def turns(rivals: dict[str, Any], number: int) -> Iterator[tuple[str, Any]]:
    """Each goes first as often as the others."""
    names = list(rivals)
    for name in names[number % len(names) :] + names[: number % len(names)]:
        yield name, rivals[name]


async def measure(rivals: dict[str, Any], count: int, walks: int) -> dict[str, Took]:
    took = {name: Took() for name in rivals}
    tenant = uuid.uuid4().hex
    nodes, edges = made(count, tenant)
    batches: list[Any] = [(nodes[at : at + BATCH], []) for at in range(0, len(nodes), BATCH)]
    between: list[Any] = [([], edges[at : at + BATCH]) for at in range(0, len(edges), BATCH)]
    for part, which in ((batches, "nodes"), (between, "edges"), (between[:20], "again")):
        for number, batch in enumerate(part):
            for name, rival in turns(rivals, number):
                await timed(getattr(took[name], which), partial(rival.merge, *batch))
    dice = random.Random(6)
    for number in range(walks):
        root = nodes[dice.randrange(count // 2, count)].id
        found: dict[str, set[str]] = {}
        for name, rival in turns(rivals, number):
            found[name] = await timed(took[name].walks, partial(walk, rival, root, tenant))
        assert all(ids == found["raw driver"] for ids in found.values())
    return took


async def walk(rival: Raw | Graph, root: str, tenant: str) -> set[str]:
    if isinstance(rival, Raw):
        return await rival.lineage(root)
    found = await rival.lineage([root], tenant=tenant, direction="back", max_depth=DEPTH, max_nodes=10_000)
    return {node.id for node in found.nodes}


def report(took: dict[str, Took], console: Console, count: int) -> None:
    table = Table(title=f"{count:,} nodes, {EDGES} edges each, batches of {BATCH:,}; walks of depth {DEPTH}")
    for name in (
        "",
        "nodes/s",
        "edges/s",
        "edges again/s",
        "beside raw (≥ 0.8)",
        "walk ms",
        "beside raw (≤ 1.3)",
    ):
        table.add_column(name)
    raw = took["raw driver"]
    for name, each in took.items():
        rates = [BATCH * len(part) / sum(part) for part in (each.nodes, each.edges, each.again)]
        ingest = sum(raw.nodes + raw.edges) / sum(each.nodes + each.edges)
        middle = statistics.median(each.walks)
        ratio = middle / statistics.median(raw.walks)
        table.add_row(
            name, *(f"{rate:,.0f}" for rate in rates), f"{ingest:.2f}", f"{middle * 1e3:.1f}", f"{ratio:.2f}"
        )
    console.print(table)


async def run(count: int, walks: int) -> None:
    with ExitStack() as stack:
        url = os.environ.get("PILOTMAN_TEST_NEO4J_URL") or stack.enter_context(served()).url
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ours, embedded = Neo4jGraph(url), SqlGraph(f"sqlite:///{folder}/graph.db")
        async with neo4j.AsyncGraphDatabase.driver(url) as driver:
            rivals: dict[str, Any] = {"raw driver": Raw(driver, f"Raw{uuid.uuid4().hex}")}
            rivals |= {"Pilotman, Neo4j": ours, "Pilotman, SQLite": embedded}
            for rival in rivals.values():
                await rival.start()
            await measure(rivals, 3_000, 20)  # the server's compiler takes its time
            report(await measure(rivals, count, walks), Console(width=120), count)
            await ours.aclose()
            await embedded.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("nodes", nargs="?", type=int, default=100_000)
    parser.add_argument("--walks", type=int, default=100)
    options = parser.parse_args()
    asyncio.run(run(options.nodes, options.walks))


if __name__ == "__main__":
    main()
