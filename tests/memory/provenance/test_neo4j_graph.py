from __future__ import annotations

import asyncio
import socket
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.memory.provenance.neo4j_server import Neo4jServer
from tests.patience import in_time

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.memory.provenance.graph import ENDS, KINDS, RELATIONS, Edge, Node
from pilotman.memory.provenance.neo4j_graph import Neo4jGraph

pytestmark = pytest.mark.anyio


@pytest.fixture
async def driver(neo4j_url: str) -> AsyncIterator[Any]:
    """The raw driver, as another program has it."""
    import neo4j

    async with neo4j.AsyncGraphDatabase.driver(neo4j_url) as driver:
        yield driver


@pytest.fixture
async def graph(neo4j_url: str) -> AsyncIterator[Neo4jGraph]:
    graph = Neo4jGraph(neo4j_url)
    await graph.start()
    yield graph
    await graph.aclose()


@pytest.fixture
def tenant() -> str:
    return uuid.uuid4().hex


def derived(source: str, target: str, tenant: str) -> Edge:
    return Edge(source=source, relation="WAS_DERIVED_FROM", target=target, tenant=tenant)


@pytest.mark.slow
async def test_the_server_itself_refuses_a_node_twice(graph: Neo4jGraph, driver: Any, tenant: str) -> None:
    import neo4j

    await graph.start()  # once more
    await graph.merge([Node(id="fact:1", kind="entity", type="fact", tenant=tenant)], [])
    with pytest.raises(neo4j.exceptions.ConstraintError):
        await driver.execute_query("CREATE (:Prov {tenant: $tenant, id: 'fact:1'})", tenant=tenant)
    plan = await driver.execute_query(
        "EXPLAIN MATCH (n:Prov {tenant: $tenant, id: 'fact:1'}) RETURN n", tenant=tenant
    )
    assert "UniqueIndexSeek" in repr(plan.summary.plan)


@pytest.mark.slow
async def test_everybody_finds_prov_terms_in_it(graph: Neo4jGraph, driver: Any, tenant: str) -> None:
    nodes = [Node(id=kind, kind=kind, type="x", tenant=tenant) for kind in KINDS]
    edges = [
        Edge(source=ENDS[relation][0], relation=relation, target=ENDS[relation][1], tenant=tenant)
        for relation in RELATIONS
    ]
    await graph.merge(nodes, edges)
    found = await driver.execute_query(
        "MATCH (a {tenant: $tenant})-[e]->(b) RETURN labels(a), type(e), labels(b)", tenant=tenant
    )
    assert sorted(map(str, found.records)) == sorted(
        str(record)
        for record in [
            (await driver.execute_query(
                "RETURN $a AS `labels(a)`, $e AS `type(e)`, $b AS `labels(b)`",
                a=["Prov", ENDS[relation][0].capitalize()],
                e=relation,
                b=["Prov", ENDS[relation][1].capitalize()],
            )).records[0]
            for relation in RELATIONS
        ]
    )  # fmt: skip


@pytest.mark.slow
async def test_an_edge_that_somebody_drew_between_tenants_leads_nowhere(
    graph: Neo4jGraph, driver: Any, tenant: str
) -> None:
    other = f"not {tenant}"
    await graph.merge([], [derived("b", "a", tenant), derived("b", "a", other)])
    await driver.execute_query(
        "MATCH (b:Prov {tenant: $tenant, id: 'b'}), (a:Prov {tenant: $other, id: 'a'})"
        " CREATE (b)-[:USED {tenant: $other}]->(a)",
        tenant=tenant,
        other=other,
    )
    found = await graph.lineage(["b"], tenant=tenant, direction="back", max_depth=5, max_nodes=9)
    assert [edge.relation for edge in found.edges] == ["WAS_DERIVED_FROM"]
    assert {node.tenant for node in found.nodes} == {tenant}


@pytest.mark.slow
async def test_a_server_that_goes_and_comes_back_loses_and_doubles_nothing(
    neo4j_server: Neo4jServer, tenant: str
) -> None:
    graph = Neo4jGraph(neo4j_server.url, timeout=5.0)
    await graph.start()
    before = await graph.count()
    gone, refused = asyncio.Event(), 0

    async def stream() -> None:
        nonlocal refused
        for number in range(60):
            edge = derived(f"fact:{number + 1}", f"fact:{number}", tenant)
            node = Node(id=edge.source, kind="entity", type="fact", tenant=tenant)
            while True:
                try:
                    await graph.merge([node], [edge])
                    break
                except Unavailable:
                    refused += 1
                    gone.set()
            if number == 20:
                asyncio.get_running_loop().run_in_executor(None, again)
            if number == 40:
                await gone.wait()

    def again() -> None:
        neo4j_server.stop()
        neo4j_server.start()

    await asyncio.gather(stream())
    after = await graph.count()
    assert refused
    assert (after[0] - before[0], after[1] - before[1]) == (61, 60)
    found = await graph.lineage(["fact:60"], tenant=tenant, direction="back", max_depth=99, max_nodes=99)
    assert len(found.nodes) == 61
    await graph.aclose()


async def test_nobody_there_is_said_soon() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        graph = Neo4jGraph(f"bolt://127.0.0.1:{taken.getsockname()[1]}", timeout=1.0)
        with in_time():
            for attempt in (graph.start(), graph.count(), graph.merge([], [derived("a", "b", "acme")])):
                with pytest.raises(Unavailable, match=r"127\.0\.0\.1") as refused:
                    await attempt
                assert refused.value.hint
            await graph.aclose()


async def test_a_server_that_takes_connections_and_says_nothing_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        graph = Neo4jGraph(f"neo4j://user:secret@127.0.0.1:{port}", timeout=0.2)
        with in_time(), pytest.raises(Unavailable) as refused:
            await graph.start()
        await graph.aclose()
    assert "secret" not in str(refused.value)


async def test_it_must_be_started() -> None:
    with pytest.raises(ConfigurationError, match="not started"):
        await Neo4jGraph("bolt://host").count()
