from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.patience import PATIENCE
from tests.retrieval.conftest import HashEmbeddings

from pilotman.guardrails.errors import CorruptIndex, InvalidRequest
from pilotman.guardrails.principal import Principal
from pilotman.retrieval import FaissVectorStore, IndexConfig
from pilotman.retrieval.rebuilding import Rebuilding
from pilotman.retrieval.vectors import VectorIndex

ALICE = Principal(tenant="acme", user="alice")
SMALL = IndexConfig(exact_below=1_500, nlist=16, nprobe=16)


def test_a_store_that_grows_is_indexed_by_itself_and_stays_right(tmp_path: Path) -> None:
    store = FaissVectorStore(HashEmbeddings(), tmp_path, config=SMALL)
    alice = store.for_principal(ALICE)
    for part in range(4):
        alice.add_texts([f"secret {n} {part}" for n in range(250)], ids=[f"{part}-{n}" for n in range(250)])
        store.add_texts([f"open {n} {part}" for n in range(250)], ids=[f"{part}-{n}" for n in range(250)])
    store.holdings.rebuilding.wait()
    assert store.holdings.epoch == 1
    assert store.holdings.caveats == ()
    store.delete([f"2-{n}" for n in range(250)])
    alice.add_texts(["secret 7 again"], ids=["2-7"])
    for _ in range(2):
        for k in (1, 50, 1_000):
            public = {document.page_content for document in store.similarity_search("secret 7 2", k=k)}
            assert len(public) == min(k, 750)
            assert all(text.startswith("open") and not text.endswith(" 2") for text in public)
        bound = [
            document.page_content
            for document in store.for_principal(ALICE).similarity_search("secret 7 again", k=3)
        ]
        assert "secret 7 again" in bound
        store.close()
        store = FaissVectorStore(HashEmbeddings(), tmp_path, config=SMALL)
    assert store.holdings.epoch == 1
    store.close()


@pytest.mark.anyio
async def test_a_store_tunes_itself_for_the_recall_that_is_wanted(tmp_path: Path) -> None:
    store = FaissVectorStore(HashEmbeddings(), tmp_path, config=SMALL)
    with pytest.raises(InvalidRequest, match="empty"):
        await store.tune(["anything"])
    await store.aadd_texts([f"word{n % 90} word{n % 71} word{n % 53}" for n in range(1_600)])
    store.holdings.rebuilding.wait()
    with pytest.raises(InvalidRequest, match="queries"):
        await store.tune([])
    chosen = await store.tune([f"word{n} word{n + 1}" for n in range(30)], recall=0.5)
    assert 1 <= chosen.nprobe <= 16
    assert chosen.metric == "cosine"
    index = store.holdings.index()
    assert index is not None
    assert (index.settings.nprobe, index.settings.k_factor) == (chosen.nprobe, chosen.k_factor)
    store.close()


def test_a_rebuild_that_fails_is_said_and_the_index_serves_on() -> None:
    class Full(VectorIndex):
        def needs_rebuild(self) -> str | None:
            return "always"

        def rebuild(self, *, retrain: bool = False) -> None:
            raise CorruptIndex("the disk is full")

    rebuilding = Rebuilding()
    index = Full(None, dimensions=2, config=IndexConfig())
    index.append([[1.0, 0.0]])
    rebuilding.consider(index)
    rebuilding.wait()
    assert rebuilding.failure == "the index could not be rebuilt: the disk is full"
    assert index.search([[1.0, 0.0]], 1)[0].tolist() == [[0]]


def test_what_comes_during_a_rebuild_is_looked_at_when_it_ends() -> None:
    started, go_on = threading.Event(), threading.Event()

    class Slow(VectorIndex):
        rebuilt = 0

        @property
        def epoch(self) -> int:
            return self.rebuilt

        def needs_rebuild(self) -> str | None:
            return "it grew" if self.count > self.rebuilt else None

        def rebuild(self, *, retrain: bool = False) -> None:
            started.set()
            assert go_on.wait(PATIENCE)
            self.rebuilt += 1

    rebuilding = Rebuilding()
    index = Slow(None, dimensions=2, config=IndexConfig())
    index.append([[1.0, 0.0]])
    rebuilding.consider(index)
    assert started.wait(PATIENCE)
    index.append([[0.0, 1.0]])
    rebuilding.consider(index)
    go_on.set()
    rebuilding.wait()
    assert index.rebuilt == 2
    index.append([[0.0, 1.0]])
    rebuilding.consider(index)
    rebuilding.wait()
    assert index.rebuilt == 3
