from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pilotman.guardrails.errors import ConfigurationError, CorruptJournal, Unavailable
from pilotman.memory.journal.journal import Journal
from pilotman.memory.provenance.graph import Node
from pilotman.memory.provenance.sql_graph import SqlGraph
from pilotman.memory.provenance.walk import EDGES_A_NODE, Walk

pytestmark = pytest.mark.anyio

SECRET = "alpenglow at four"


def node(name: str = "fact:1") -> Node:
    return Node(
        id=name, kind="entity", type="fact", tenant="acme", data={"text": f"{SECRET} {name}", "digest": "d1"}
    )


async def filled(path: Path, count: int = 1) -> SqlGraph:
    graph = SqlGraph(f"sqlite:///{path}")
    await graph.start()
    await graph.merge([node(f"fact:{number}") for number in range(count)], [])
    return graph


async def test_what_was_erased_stands_in_no_byte_of_its_files(tmp_path: Path) -> None:
    graph = await filled(tmp_path / "g.db", 300)
    bytes_of = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert any(SECRET.encode() in body for body in bytes_of.values())
    await graph.erase([f"fact:{number}" for number in range(300)], tenant="acme")
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes(), path.name
    await graph.aclose()


async def test_a_reader_elsewhere_only_delays_that(tmp_path: Path) -> None:
    graph = SqlGraph(f"sqlite:///{tmp_path / 'g.db'}", busy_timeout=0.01)
    await graph.start()
    await graph.merge([node()], [])
    with closing(sqlite3.connect(tmp_path / "g.db", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM provenance_nodes").fetchone()
        assert await graph.erase(["fact:1"], tenant="acme") == 1
        assert SECRET.encode() in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    await graph.count()
    assert SECRET.encode() not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    await graph.aclose()


async def test_a_graph_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    await (await filled(tmp_path / "g.db")).aclose()
    with closing(sqlite3.connect(tmp_path / "g.db")) as connection:
        connection.execute("UPDATE provenance_version SET version = 99")
        connection.commit()
    before = (tmp_path / "g.db").read_bytes()
    with pytest.raises(CorruptJournal, match="99"):
        await SqlGraph(f"sqlite:///{tmp_path / 'g.db'}").start()
    assert (tmp_path / "g.db").read_bytes() == before


async def test_what_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "g.db").write_text("# Shopping\n- milk\n" * 100)
    with pytest.raises(CorruptJournal):
        await SqlGraph(f"sqlite:///{tmp_path / 'g.db'}").start()
    assert (tmp_path / "g.db").read_text().startswith("# Shopping")


async def test_what_cannot_be_opened_is_opened_as_soon_as_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    graph = SqlGraph(f"sqlite:///{tmp_path / 'folder' / 'g.db'}")
    with pytest.raises(Unavailable):
        await graph.start()
    with pytest.raises(Unavailable):
        await graph.merge([node()], [])
    (tmp_path / "folder").unlink()
    await graph.merge([node()], [])
    assert await graph.count() == (1, 0)
    await graph.aclose()


async def test_it_must_be_started() -> None:
    with pytest.raises(ConfigurationError, match="not started"):
        await SqlGraph("sqlite://").count()


async def test_it_bears_being_in_the_journals_own_database(shared_url: str) -> None:
    graph, journal = SqlGraph(shared_url), Journal(shared_url)
    await graph.start()
    await journal.start()
    await graph.merge([node()], [])
    await journal.aclose()
    await graph.aclose()
    journal = Journal(shared_url)
    await journal.start()
    await journal.aclose()
    await graph.start()
    assert await graph.count() == (1, 0)
    await graph.aclose()


async def test_two_that_open_it_first_at_the_same_time_make_it_once(shared_url: str) -> None:
    graphs = [SqlGraph(shared_url) for _ in range(4)]
    await asyncio.gather(*(graph.start() for graph in graphs))
    await asyncio.gather(*(graph.merge([node(f"fact:{n}") for n in range(50)], []) for graph in graphs))
    assert [await graph.count() for graph in graphs] == [(50, 0)] * 4
    for graph in graphs:
        await graph.aclose()


def test_a_hub_is_not_read_to_its_end() -> None:
    walk: Walk[int, int] = Walk([0], max_depth=5, max_nodes=10)
    taken = iter(range(1, 10**9))
    walk.step((number, number) for number in taken)
    assert walk.truncated
    assert len(walk.depths) == 10
    assert next(taken) <= 10 * EDGES_A_NODE + 2
