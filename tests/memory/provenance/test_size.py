"""A hundred thousand nodes and three times as many edges."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from tests.bench.provenance import made
from tests.patience import PROCESS_PATIENCE

from pilotman.memory.provenance.graph import DIRECTIONS, Graph
from pilotman.memory.provenance.model import Model
from pilotman.memory.provenance.neo4j_graph import Neo4jGraph
from pilotman.memory.provenance.sql_graph import SqlGraph

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NODES = 100_000


@pytest.mark.parametrize("kind", ["file", "neo4j"])
async def test_a_large_graph_is_loaded_once_and_walked_as_the_model_says(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    graph: Graph = SqlGraph(f"sqlite:///{tmp_path / 'g.db'}")
    if kind == "neo4j":
        graph = Neo4jGraph(str(request.getfixturevalue("neo4j_url")), timeout=PROCESS_PATIENCE)
    model = Model(uuid.uuid4().hex)
    nodes, edges = made(NODES, model.tenant)
    model.merge(nodes, edges)
    assert len(model.nodes) == NODES
    assert len(model.edges) > 2.9 * NODES
    await graph.start()
    before = await graph.count()
    await graph.merge(nodes, edges)
    await graph.merge(nodes[-2_000:], edges[-2_000:])
    after = await graph.count()
    assert (after[0] - before[0], after[1] - before[1]) == (NODES, len(model.edges))
    for direction in DIRECTIONS:
        roots = [nodes[NODES // 2].id, nodes[NODES // 3].id]
        found = await graph.lineage(
            roots, tenant=model.tenant, direction=direction, max_depth=4, max_nodes=5_000
        )
        assert found.truncated
        assert found == model.lineage(roots, direction=direction, max_depth=4, max_nodes=5_000)
        large = await graph.lineage(
            roots, tenant=model.tenant, direction=direction, max_depth=99, max_nodes=1_000
        )
        assert len(large.nodes) == 1_000
    await graph.aclose()
