"""A provenance graph on every database that it supports."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pilotman.memory.provenance.graph import Graph
from pilotman.memory.provenance.opening import open_graph

KINDS = ["memory", "file", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("postgres", "neo4j"))]


@pytest.fixture(params=KINDS)
def graph_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a graph can be."""
    if request.param in ("postgres", "neo4j"):
        return str(request.getfixturevalue(f"{request.param}_url"))
    return "sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path / 'graph.db'}"


@pytest.fixture
async def graph(graph_url: str) -> AsyncIterator[Graph]:
    graph = open_graph(graph_url, "sqlite://")
    await graph.start()
    yield graph
    await graph.aclose()
