"""What came of somebody's own document is told to them by its name, and the name stands nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.supervisor.remains import corpus_at, desk, leaves, left, mark, name, olga, uri, who

from pilotman.guardrails.errors import NotFound
from pilotman.memory import Memory, Selector

pytestmark = pytest.mark.anyio
ALICE = Selector(user="alice")


async def test_the_owner_finds_what_came_of_a_document_by_any_of_its_names(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path / 'desk.db'}") as memory:
        corpus, alice = corpus_at(tmp_path), who("alice")
        async with desk(memory, "alice", corpus) as team:
            done, _ = await leaves(memory, corpus, "alice")
            (found, *_) = (await corpus.search("in which drawer", principal=alice)).documents
            number = next(n for n in range(3) if name("alice", n) == found.metadata["document_id"])
            version = found.metadata["version"]
            called = f"notes/{name('alice', number)}@{version}"
            names = (name("alice", number), uri("alice", number), called, f"document:{called}")
            cited = f"{uri('alice', number)}@{version}"
            for one in (*names, cited):
                reached = {
                    node["id"].partition("/")[0] for node in (await memory.impact(one, principal=alice)).nodes
                }
                assert f"{'answer' if one == cited else 'run'}:{done.run_id}" in reached, one
                with pytest.raises(NotFound):
                    await memory.impact(one, principal=who("bob"))
                with pytest.raises(NotFound):
                    await memory.impact(one, principal=olga)
            why = await memory.why(f"document:{called}", principal=alice)
            assert why.nodes[0]["type"] == "document"
            assert mark("alice", "file") not in str(why.to_dict())
            await team.forget(ALICE, principal=alice)
            for one in names:
                with pytest.raises(NotFound):
                    await memory.impact(one, principal=alice)


async def test_a_fact_stands_on_ones_own_document_without_naming_it(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path / 'desk.db'}") as memory:
        corpus, alice = corpus_at(tmp_path), who("alice")
        async with desk(memory, "alice", corpus) as team:
            (found, *_) = (await corpus.search("in which drawer", principal=alice)).documents
            called = f"document:notes/{found.metadata['document_id']}@{found.metadata['version']}"
            fact = await memory.remember("It lies there", principal=alice, source=called, reason="read")
            assert [one.fact_id for one in await memory.recall(principal=alice)] == [fact.fact_id]
            assert not left([tmp_path], [mark("alice", "file")])
            reached = {node["id"] for node in (await memory.impact(called, principal=alice)).nodes}
            assert f"fact:{fact.fact_id}" in reached
            receipt = await team.forget(Selector(source=called), principal=olga)
            assert receipt.erased["facts"] == 1
            assert await memory.recall(principal=alice) == []
