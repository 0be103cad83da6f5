"""Questions about provenance while the graph is behind, and what it is called."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from tests.memory.provenance.told import lived
from tests.patience import pass_time, until

from pilotman.guardrails.principal import Principal
from pilotman.memory import Lineage, Memory
from pilotman.memory.provenance.provenance import PATIENCE, name_of

pytestmark = pytest.mark.anyio
ALICE = Principal(tenant="acme", user="alice")


async def test_a_fresh_run_is_explained_at_once(url: str) -> None:
    async with Memory(url) as memory:
        await lived(memory.journal, "run_a")
        why = await memory.why("run_a", principal=ALICE)
        assert {node["id"] for node in why.of("effect")} == {"effect:eff_1_run_a"}
        assert {node["id"] for node in why.of("user")} == {"user:alice", "user:bob"}
        assert not why.remarks


async def test_a_run_is_explained_while_another_process_has_not_told_it_yet(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path / 'desk.db'}") as memory:
        await memory.provenance.graph()
        await memory.journal._write(_held)  # pyright: ignore[reportPrivateUsage]
        await lived(memory.journal, "run_a", "run_b")
        why = await _out_of_patience(memory.why("run_a", principal=ALICE))
        assert {node["id"] for node in why.of("effect")} == {"effect:eff_1_run_a"}
        assert "behind" in why.remarks[0]
        assert why.remarks[0] in str(why)


def _held(connection: Connection) -> None:
    claim = "INSERT INTO outbox VALUES ('embedded', -1, 'somebody alive, elsewhere', :until)"
    connection.execute(text(claim), {"until": 2**62})


async def _out_of_patience(asked: Coroutine[Any, Any, Lineage]) -> Lineage:
    task = asyncio.create_task(asked)
    await asyncio.sleep(0.2)
    pass_time(PATIENCE)
    await until(task.done)
    return task.result()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("neo4j://a:secret@host:7687", "neo4j://b:other@host:7687", True),
        ("neo4j://host:7687", "neo4j://elsewhere:7687", False),
        ("sqlite:///a.db", "sqlite:///b.db", False),
        (None, "sqlite:///b.db", False),
    ],
)
def test_a_graph_is_known_by_its_place_not_by_who_logs_in(one: str | None, other: str, same: bool) -> None:
    assert (name_of(one) == name_of(other)) is same
    assert "secret" not in name_of(one)
