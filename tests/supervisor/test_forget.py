"""After somebody was forgotten no byte of anything says what was theirs, and everybody else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.memory.provenance.neo4j_server import Neo4jServer
from tests.patience import until
from tests.supervisor.remains import (
    corpus_at,
    desk,
    graph,
    guesses,
    leaves,
    left,
    mark,
    marks,
    olga,
    own,
    remembers,
    vectors,
    who,
)

from pilotman.guardrails.errors import NotFound
from pilotman.guardrails.seal import Subject
from pilotman.memory import Memory, Selector
from pilotman.retrieval import Corpus
from pilotman.supervisor import Run
from pilotman.supervisor.forgetting import corpus_stores

pytestmark = pytest.mark.anyio
ALICE = Selector(user="alice")


async def _works(memory: Memory, corpus: Corpus, runs: tuple[Run, Run], user: str = "bob") -> None:
    """All that a user has left is still there."""
    team, principal = desk(memory, user, corpus), who(user)
    ended, waits = runs
    assert mark(user, "answer") in str((await team.get(ended.run_id, principal=principal)).answer)
    assert (await team.get(waits.run_id, principal=principal)).state == "ESCALATED"
    assert len([fact for fact in await memory.recall(principal=principal) if fact.owner == user]) == 2
    store = memory.as_store(principal=principal, thread_id=f"talk-{user}")
    for space in ("session", "durable"):
        assert await store.aget((space, mark(user, "space")), mark(user, "name")) is not None
    snapshot = await corpus.search("in which drawer does it lie", principal=principal)
    assert mark(user, "document") in str(snapshot.documents)
    kept = await memory.as_checkpointer().aget_tuple(own(user))
    assert kept is not None
    assert mark(user, "state") in str(kept.checkpoint)


async def _is_gone(memory: Memory, corpus: Corpus, runs: tuple[Run, Run]) -> None:
    """No verb serves anything of alice's."""
    team, principal = desk(memory, "alice", corpus), who("alice")
    for run in runs:
        with pytest.raises(NotFound):
            await team.get(run.run_id, principal=principal)
        with pytest.raises(NotFound):
            await team.resume(run.run_id, principal=principal)
    assert not [run for run in await team.runs(principal=principal) if run.principal.user == "alice"]
    assert not [fact for fact in await memory.recall(principal=principal) if fact.owner == "alice"]
    store = memory.as_store(principal=principal, thread_id="talk-alice")
    for space in ("session", "durable"):
        assert await store.asearch((space,)) == []
    snapshot = await corpus.search("in which drawer does it lie", principal=principal)
    assert mark("alice", "document") not in str(snapshot.documents)
    assert await memory.as_checkpointer().aget_tuple(own("alice")) is None


async def test_no_byte_of_the_home_folder_tells_of_a_user_who_was_forgotten(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    async with Memory(url) as memory:
        corpus = corpus_at(tmp_path)
        team = desk(memory, "alice", corpus)
        async with team:
            hers = await leaves(memory, corpus, "alice")
            his = await leaves(memory, corpus, "bob")
            secrets = [*marks("alice"), *guesses("alice"), *vectors(corpus, "alice")]
            assert left([tmp_path], vectors(corpus, "alice")), "they are searched for as they are stored"
            assert not left([tmp_path], [*marks("alice"), *guesses("alice")]), "only keys open them before"
            receipt = await team.forget(ALICE, principal=who("alice"))
            assert receipt.is_complete, receipt.open
            assert receipt.erased.keys() >= {
                "runs",
                "facts",
                "items",
                "provenance",
                "keys",
                corpus_stores([corpus])[0].name,
            }
            assert memory.seal.keys is not None
            assert memory.seal.keys.find(Subject("acme", "alice")) is None
            await _is_gone(memory, corpus, hers)
            await _works(memory, corpus, his)
            assert not left([tmp_path], secrets), "write-ahead logs included"
        report = await memory.verify()
        assert report.sound, report
    assert not left([tmp_path], secrets)


async def test_who_comes_back_begins_anew_and_can_be_forgotten_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    async with Memory(url) as memory:
        corpus = corpus_at(tmp_path)
        async with desk(memory, "alice", corpus) as team:
            await leaves(memory, corpus, "alice")
            first = await team.forget(ALICE, principal=who("alice"))
            await remembers(memory, "alice")
            await graph(memory, "alice")
            again = desk(memory, "alice", corpus, name="again")
            run = await again.run("anew", principal=who("alice"), thread_id="talk-alice")
            assert (await again.get(run.run_id, principal=who("alice"))).state == run.state
            assert len(await memory.recall(principal=who("alice"))) == 2
            second = await team.forget(ALICE, principal=who("alice"))
            assert second.is_complete, second.open
            assert second.digest != first.digest
            assert second.erased["facts"] == 3
            assert await memory.recall(principal=who("alice")) == []
        assert (await memory.verify()).sound
    assert not left([tmp_path], marks("alice"))


@pytest.mark.slow
async def test_neither_does_postgresql_nor_neo4j(
    postgres_server: str, postgres_url: str, neo4j_server: Neo4jServer, tmp_path: Path
) -> None:
    """All that their servers have in their folders: tables, indexes, logs."""
    import psycopg

    with psycopg.connect(postgres_server, autocommit=True) as connection:
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    folders = [tmp_path, Path(row[0]), neo4j_server.home]
    async with Memory(postgres_url, provenance=neo4j_server.url) as memory:
        corpus = corpus_at(tmp_path)
        async with desk(memory, "alice", corpus) as team:
            hers = await leaves(memory, corpus, "alice")
            his = await leaves(memory, corpus, "bob")
            secrets = [*marks("alice"), *guesses("alice"), *vectors(corpus, "alice")]
            shared = mark("olga", "shared")
            fact = await memory.remember(shared, principal=olga, source="wiki", reason="asked", shared=True)

            async def told() -> bool:
                node = await (await memory.provenance.graph()).node(f"fact:{fact.fact_id}", tenant="acme")
                return node is not None and shared in str(node)

            await until(told)
            receipt = await team.forget(ALICE, principal=who("alice"))
            assert receipt.is_complete, receipt.open
            await _is_gone(memory, corpus, hers)
            await _works(memory, corpus, his)
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
        assert left(folders, [shared]), "what everybody may read is found"
        assert not left(folders, secrets)
