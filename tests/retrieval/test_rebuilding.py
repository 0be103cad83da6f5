from __future__ import annotations

from pathlib import Path

from tests.retrieval.conftest import HashEmbeddings

from pilotman.guardrails.errors import CorruptIndex
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


def test_other_processes_search_the_new_epoch_from_the_next_query(tmp_path: Path) -> None:
    one, other = (FaissVectorStore(HashEmbeddings(), tmp_path, config=SMALL) for _ in range(2))
    one.add_texts([f"text {n}" for n in range(1_600)])
    one.holdings.rebuilding.wait()
    assert len(other.similarity_search("text 5", k=7)) == 7
    assert (one.holdings.epoch, other.holdings.epoch) == (1, 1)
    one.holdings.rebuild(retrain=True)
    assert len(other.similarity_search("text 5", k=7)) == 7
    assert (one.holdings.epoch, other.holdings.epoch) == (2, 2)
    one.close()
    other.close()


def test_a_rebuild_that_fails_is_said() -> None:
    class Always(VectorIndex):
        def needs_rebuild(self, *, recall: float | None = None, objective: float = 0.0) -> str | None:
            return "always"

    def fail() -> None:
        raise CorruptIndex("the disk is full")

    rebuilding = Rebuilding(fail)
    rebuilding.consider(Always(None, dimensions=2, config=IndexConfig()))
    rebuilding.wait()
    assert rebuilding.failure == "the index could not be rebuilt: the disk is full"
