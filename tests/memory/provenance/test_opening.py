from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pilotman.guardrails.errors import ConfigurationError
from pilotman.memory.provenance.graph import Node
from pilotman.memory.provenance.neo4j_graph import Neo4jGraph
from pilotman.memory.provenance.opening import open_graph
from pilotman.memory.provenance.sql_graph import SqlGraph

pytestmark = pytest.mark.anyio

SOMETHING = Node(id="fact:1", kind="entity", type="fact", tenant="acme")


async def test_it_lies_beside_the_journal_private_and_is_there_again(tmp_path: Path) -> None:
    journal = f"sqlite:///{tmp_path / 'home' / 'desk.db'}"
    for _ in range(2):
        graph = open_graph(None, journal)
        await graph.start()
        await graph.merge([SOMETHING], [])
        assert await graph.node("fact:1", tenant="acme") == SOMETHING
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "home").iterdir()}
        await graph.aclose()
        assert modes.pop("desk.provenance.db") == 0o600
        assert set(modes.values()) <= {0o600}
        assert "desk.db" not in modes


async def test_a_journal_in_memory_has_its_graph_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    graph = open_graph(None, "sqlite://")
    await graph.start()
    await graph.merge([SOMETHING], [])
    assert await graph.count() == (1, 0)
    await graph.aclose()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["bolt://host", "neo4j://user:p%40ss@host:7687/db", "neo4j+s://host"])
def test_neo4j_by_its_urls(url: str) -> None:
    assert isinstance(open_graph(url, "sqlite://"), Neo4jGraph)


@pytest.mark.parametrize("url", ["sqlite:///x.db", "postgresql://host/db"])
def test_databases_by_their_urls(url: str) -> None:
    assert isinstance(open_graph(url, "sqlite://"), SqlGraph)


@pytest.mark.parametrize(
    "url", ["", "graph.db", "http://host", "bolt://", "neo4j+x://host", "mysql://host/db"]
)
def test_other_urls_are_refused_with_a_hint(url: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_graph(url, "sqlite://")
    assert refused.value.hint


def test_without_its_driver_neo4j_says_what_to_install() -> None:
    program = """
import sys
sys.modules["neo4j"] = None
from pilotman.guardrails.errors import ConfigurationError
from pilotman.memory.provenance.opening import open_graph
try:
    open_graph("bolt://host", "sqlite://")
except ConfigurationError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert 'pip install "pilotman[neo4j]"' in done.stdout
