"""What is forgotten is found by nobody, stands in no file, and does not come back by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.retrieval.conftest import HashEmbeddings
from tests.retrieval.test_sealing import ALICE, BOB, Notes, corpus_of, found, note
from tests.retrieval.test_store_crash import child, ended
from tests.retrieval.vectors.spread import SIZE, TRAINED, clustered

from pilotman.guardrails.errors import InvalidRequest, PermissionDenied
from pilotman.guardrails.principal import Principal
from pilotman.retrieval import FaissVectorStore, IndexConfig
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.epochs import Epochs
from pilotman.retrieval.vectors.trained import Trained

Folder = Callable[[Mapping[str, str | bytes]], Path]
SECRETS = ["the zebra crosses at midnight", "a giraffe knows the password", "x" * 5_000 + " walrus"]

DIES = """
import os, signal, sys
from pilotman.retrieval import FaissVectorStore
from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.catalogue.database import Database
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.epochs import Epochs
from pilotman.retrieval.vectors.trained import Trained
from tests.retrieval.conftest import HashEmbeddings

def die(*args, **more):
    os.kill(os.getpid(), signal.SIGKILL)

store = FaissVectorStore(HashEmbeddings(), sys.argv[1])
kinds = {"Change": Change, "VectorIndex": VectorIndex, "Database": Database}
setattr(kinds[sys.argv[2]], sys.argv[3], die)
store.forget(tenant="acme", owner="alice")
"""

FORGETS = """
import sys
from pilotman.retrieval import FaissVectorStore
from tests.retrieval.conftest import HashEmbeddings

FaissVectorStore(HashEmbeddings(), sys.argv[1]).forget(tenant="acme", owner="alice")
"""


def filled(folder: Path, others: int = 40) -> FaissVectorStore:
    """Alice's secrets among what others wrote."""
    store = FaissVectorStore(HashEmbeddings(), folder)
    store.add_texts([f"public number {n}" for n in range(others)])
    store.for_principal(ALICE).add_texts(SECRETS, [{"topic": f"hers {n}"} for n in range(len(SECRETS))])
    store.for_principal(BOB).add_texts([f"of bob {n}" for n in range(others)])
    return store


def vectors_of(store: FaissVectorStore, texts: Sequence[str]) -> list[bytes]:
    """The bytes of the texts' vectors as they are stored."""
    unit = [np.array(HashEmbeddings().embed_query(text), dtype=np.float32) for text in texts]
    index = store.holdings.index()
    assert index is not None
    nearest = index.search(np.stack([one / np.linalg.norm(one) for one in unit]), 1)[0][:, 0]
    return [index.vectors([row]).tobytes() for row in nearest]


def left(folder: Path, secrets: Sequence[bytes | str]) -> list[str]:
    """The files that hold one of the secrets."""
    looked = [one.encode() if isinstance(one, str) else one for one in secrets]
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file.name for file in files if any(one in file.read_bytes() for one in looked)]


def test_no_file_holds_a_text_or_a_vector_of_what_was_forgotten(tmp_path: Path) -> None:
    store = filled(tmp_path)
    secrets: list[bytes | str] = [*SECRETS, "hers 1", *vectors_of(store, SECRETS)]
    assert {"catalogue.db-wal", "vectors.f32"} <= set(left(tmp_path, secrets))
    assert store.forget(tenant="acme", owner="alice") == {"chunks": 3, "documents": 0}
    assert left(tmp_path, secrets) == []
    assert left(tmp_path, ["of bob 7"])
    assert store.forget(tenant="acme", owner="alice") == {"chunks": 0, "documents": 0}
    assert len(store.for_principal(BOB).similarity_search("number bob", k=200)) == 80
    store.close()


def test_the_texts_of_a_document_that_changed_often_leave_no_trace(tmp_path: Path) -> None:
    store = FaissVectorStore(HashEmbeddings(), tmp_path)
    hers = store.for_principal(ALICE)
    secrets = [f"zebra {n} " + "stripes " * (7 * n) for n in range(60)]
    for n, secret in enumerate(secrets):  # cells move between pages, grow, and shrink
        hers.add_texts([secret], ids=[str(n % 7)])
        store.add_texts([f"public {n} " + "words " * (5 * n)])
    store.forget(tenant="acme", owner="alice")
    assert left(tmp_path, [f"zebra {n} " for n in range(60)]) == []
    assert left(tmp_path, ["stripes"]) == []
    store.close()


@pytest.mark.parametrize(
    "where",
    [
        ("Change", "bury"),  # nothing is committed yet
        ("VectorIndex", "erase"),  # committed; vectors, log and index are still there
        ("VectorIndex", "purge"),
        ("Database", "truncate"),
        ("Change", "purged"),  # all is done, nobody knows
    ],
)
def test_a_kill_in_the_middle_is_made_good(tmp_path: Path, where: tuple[str, str]) -> None:
    store = filled(tmp_path)
    secrets: list[bytes | str] = [*SECRETS, *vectors_of(store, SECRETS)]
    store.close()
    assert ended(child(DIES, tmp_path, *where)) == [-9]
    store = FaissVectorStore(HashEmbeddings(), tmp_path)  # which finishes what was committed
    if where != ("Change", "bury"):
        assert left(tmp_path, secrets) == []
    store.forget(tenant="acme", owner="alice")
    assert left(tmp_path, secrets) == []
    assert (
        store.for_principal(ALICE).similarity_search("zebra giraffe", k=200, filter={"topic": "hers 0"}) == []
    )
    store.close()


def test_what_one_process_forgets_another_serves_no_more(tmp_path: Path) -> None:
    store = filled(tmp_path)
    hers = store.for_principal(ALICE)
    assert hers.similarity_search("zebra at midnight", k=1)[0].page_content == SECRETS[0]
    secrets: list[bytes | str] = [*SECRETS, *vectors_of(store, SECRETS)]
    assert ended(child(FORGETS, tmp_path)) == [0]
    assert left(tmp_path, secrets) == []
    assert not {d.page_content for d in hers.similarity_search("zebra at midnight", k=200)} & set(SECRETS)
    store.close()


def test_what_is_forgotten_while_another_forgetting_ends_is_not_taken_for_done(tmp_path: Path) -> None:
    store = filled(tmp_path)
    catalogue = store.holdings.catalogue
    with catalogue.change() as change:
        change.to_purge(1)
    _, number = catalogue.to_purge()
    with catalogue.change() as change:
        change.to_purge(1)
    with catalogue.change() as change:
        change.purged(number)
    assert catalogue.to_purge() == (1, number + 1)
    store.forget(tenant="acme", owner="alice")
    assert catalogue.to_purge()[0] == 0
    store.close()


def test_a_principal_forgets_its_own_and_nobody_elses(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with pytest.raises(PermissionDenied, match="its own only"):
        store.for_principal(BOB).forget(owner="alice")
    with pytest.raises(PermissionDenied, match="its own only"):
        store.for_principal(BOB).forget(tenant="globex")
    assert store.for_principal(BOB).forget() == {"chunks": 40, "documents": 0}
    assert len(store.for_principal(ALICE).similarity_search("zebra", k=200)) == 43
    for nothing in ({}, {"owner": "alice"}):
        with pytest.raises(InvalidRequest):
            store.forget(**nothing)
    store.close()


def test_a_tenant_is_forgotten_with_all_that_nobody_else_may_read(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.add_texts(["for acme alone"], readers=["tenant:acme"])
    store.add_texts(["for acme and globex"], readers=["tenant:acme", "tenant:globex"])
    store.for_principal(Principal(tenant="acme2", user="alice")).add_texts(["of acme2"])
    assert store.forget(tenant="acme")["chunks"] == 44
    assert left(tmp_path, ["for acme alone"]) == []
    assert left(tmp_path, ["for acme and globex"])
    assert left(tmp_path, ["of acme2"])
    store.close()


def trained(folder: Path, index: VectorIndex) -> Trained:
    """The index that serves, as it is in its folder."""
    return Epochs(folder, dimensions=index.dimensions, fault=lambda _: None).load(index.epoch)


def codes_of(served: Trained, vectors: Any) -> list[bytes]:
    """The 8-bit codes of vectors, as an index that is trained has them."""
    return [bytes(served.codes.sq.compute_codes(one[np.newaxis])[0]) for one in vectors]


def test_a_trained_index_keeps_no_code_of_what_was_erased(tmp_path: Path) -> None:
    vectors = clustered(1_600)
    index = VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED)
    index.append(vectors)
    index.rebuild()
    rows = np.array([3, 700, 1_599])
    codes, raw = codes_of(trained(tmp_path, index), vectors[rows]), [one.tobytes() for one in vectors[rows]]
    assert left(tmp_path, codes)
    index.erase(rows)
    assert index.holds_dead()
    index.purge(retrain=False)
    assert left(tmp_path, [*codes, *raw]) == []
    assert not index.holds_dead()
    assert len(list(tmp_path.glob("epoch-*"))) == 1
    assert index.epoch == 2
    other = VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED)
    assert np.isin(rows, other.search(vectors[rows], 50)[0]).sum() == 0
    other.close()
    index.close()


def test_a_centre_that_is_a_vector_is_told_and_learnt_anew(tmp_path: Path) -> None:
    vectors = np.repeat(clustered(20), 80, axis=0)  # twenty texts, eighty times each
    index = VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED)
    index.append(vectors)
    index.rebuild()
    groups = np.arange(1_600).reshape(20, 80)
    rows = next(rows for rows in groups if index.tells(rows[:1]))

    def nearest() -> float:
        return float((trained(tmp_path, index).centres @ vectors[rows[0]]).max())

    index.erase(rows)
    assert not index.tells(rows)  # it has to be asked before
    index.purge(retrain=False)
    assert nearest() > 0.999
    index.purge(retrain=True)
    assert nearest() < 0.999
    index.close()


def test_forgetting_takes_codes_also_of_what_was_only_deleted_before(tmp_path: Path) -> None:
    config = IndexConfig(exact_below=700, nlist=16, threads=1)
    store = FaissVectorStore(HashEmbeddings(), tmp_path, config=config)
    store.add_texts([f"public {n} of {n % 40} and {n % 7}" for n in range(900)])
    hers = store.for_principal(ALICE)
    hers.add_texts(SECRETS, ids=["a", "b", "c"])
    store.add_texts([f"public too {n}" for n in range(9)])
    index = store.holdings.index()
    assert index is not None
    store.holdings.rebuilding.wait()
    index.rebuild()
    before = index.epoch
    hers_alone = [np.frombuffer(one, dtype=np.float32) for one in vectors_of(store, SECRETS)]
    secrets = codes_of(trained(tmp_path / "vectors-0", index), hers_alone)
    hers.delete(["a", "b", "c"])
    assert left(tmp_path, secrets)
    assert store.forget(tenant="acme", owner="alice")["chunks"] == 0
    assert left(tmp_path, secrets) == []
    assert (index.epoch, index.holds_dead()) == (before + 1, False)
    store.forget(tenant="acme", owner="alice")
    assert index.epoch == before + 1, "nothing was left to do"
    store.close()


def test_too_few_rows_for_a_trained_index_leave_none_behind(tmp_path: Path) -> None:
    vectors = clustered(1_200)
    index = VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED)
    index.append(vectors)
    index.rebuild()
    other = VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED)
    index.erase(np.arange(400))
    index.purge(retrain=False)
    assert list(tmp_path.glob("epoch-*")) == []
    other.refresh()
    for each in (index, other):
        assert each.epoch == 0
        assert each.search(vectors[[800]], 1)[0][0, 0] == 800
        each.close()


def test_bytes_that_a_crash_left_behind_the_last_vector_go(tmp_path: Path) -> None:
    store = filled(tmp_path)
    with (tmp_path / "vectors-0" / "vectors.f32").open("ab") as file:
        file.write(b"a vector that was never committed")
    store.forget(tenant="acme", owner="alice")
    assert left(tmp_path, ["never committed"]) == []
    store.close()


@pytest.mark.anyio
async def test_a_source_does_not_bring_back_what_an_owner_had(
    tmp_path: Path,
) -> None:
    source = Notes(alices_diary=note("alice saw a zebra"), his=note("bob saw a zebra", "user:acme/bob"))
    corpus = corpus_of(source, tmp_path)
    assert await found(corpus, "zebra") == ["alice saw a zebra"]
    assert await corpus.forget(tenant="acme", owner="alice") == {"chunks": 1, "documents": 1}
    source.documents["another"] = note("alice saw a giraffe")
    for each in (corpus, corpus_of(source, tmp_path)):
        assert await found(each, "zebra giraffe") == []
        assert await found(each, "zebra giraffe", BOB) == ["bob saw a zebra"]
        assert "documents of notes that were forgotten and are not taken: 2" in each.caveats
        assert not any("diary" in caveat for caveat in each.caveats)
    assert left(tmp_path, ["alice saw", "alices_diary"]) == []
    with pytest.raises(InvalidRequest, match="an owner, or a source"):
        await corpus.readmit(tenant="acme")
    assert await corpus.readmit(tenant="acme", owner="alice") == 1
    assert sorted(await found(corpus, "zebra giraffe")) == ["alice saw a giraffe", "alice saw a zebra"]


@pytest.mark.anyio
async def test_a_document_that_was_forgotten_stays_away_whatever_its_version(tmp_path: Path) -> None:
    source = Notes(a=note("zebra one", None, readers=["*"]), b=note("zebra two", None, readers=["*"]))
    corpus = corpus_of(source, tmp_path)
    await corpus.reconcile()
    assert await corpus.forget(source="notes", document="a") == {"chunks": 1, "documents": 1}
    source.documents["a"] = note("zebra one, changed", None, readers=["*"])
    assert await found(corpus, "zebra") == ["zebra two"]
    assert await corpus.forget(source="notes") == {"chunks": 1, "documents": 1}
    assert await found(corpus, "zebra") == []
    assert await corpus.readmit(source="notes", document="b") == 1
    assert await found(corpus, "zebra") == ["zebra two"]
    assert await corpus.readmit(source="notes") == 1
    assert len(await found(corpus, "zebra")) == 2


@pytest.mark.anyio
async def test_a_tenant_cannot_forget_what_others_read_too(tmp_path: Path) -> None:
    source = Notes(
        ours=note("zebra of acme", None, readers=["tenant:acme"]),
        shared=note("zebra of both", None, readers=["tenant:acme", "tenant:globex"]),
        all=note("zebra of all", None, readers=["*"]),
    )
    corpus = corpus_of(source, tmp_path)
    await corpus.reconcile()
    assert await corpus.forget(tenant="acme", source="notes") == {"chunks": 1, "documents": 1}
    assert sorted(await found(corpus, "zebra")) == ["zebra of all", "zebra of both"]
