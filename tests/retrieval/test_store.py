from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from langchain_core.documents import Document
from langchain_core.indexing import InMemoryRecordManager, index
from tests.retrieval.conftest import Clock, HashEmbeddings

from pilotman.guardrails.errors import (
    ConfigurationError,
    CorruptIndex,
    InvalidRequest,
    PermissionDenied,
    Unavailable,
)
from pilotman.guardrails.principal import Principal
from pilotman.retrieval import FaissVectorStore, IndexConfig
from pilotman.retrieval.catalogue.entry import Entry
from pilotman.retrieval.catalogue.kept import Kept
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.encoder import Encoder

ALICE = Principal(tenant="acme", user="alice", roles=frozenset({"oncall"}))
BOB = Principal(tenant="acme", user="bob")
EVE = Principal(tenant="umbrella", user="eve", roles=frozenset({"oncall"}))


@pytest.fixture
def store(clock: Clock) -> FaissVectorStore:
    return FaissVectorStore(HashEmbeddings(), clock=clock)


def texts(documents: list[Document]) -> list[str]:
    return [document.page_content for document in documents]


def test_ids_are_a_tenants_own(store: FaissVectorStore) -> None:
    for who, text in ((None, "public"), (ALICE, "of acme"), (EVE, "of umbrella")):
        bound = store if who is None else store.for_principal(who)
        assert bound.add_texts([f"the note {text}"], ids=["note"]) == ["note"]
    assert texts(store.get_by_ids(["note"])) == ["the note public"]
    assert texts(store.for_principal(BOB).get_by_ids(["note"])) == ["the note of acme"]
    assert store.for_principal(EVE).delete()
    assert texts(store.for_principal(EVE).similarity_search("note")) == ["the note public"]
    assert texts(store.for_principal(ALICE).similarity_search("note of acme")) == [
        "the note of acme",
        "the note public",
    ]


def test_what_one_cannot_read_one_cannot_overwrite_or_delete(store: FaissVectorStore) -> None:
    alice, bob = store.for_principal(ALICE), store.for_principal(BOB)
    alice.add_texts(["my diary"], ids=["diary"], readers=["user:acme/alice"])
    with pytest.raises(PermissionDenied, match="nothing was written"):
        bob.add_texts(["mine now", "and this"], ids=["diary", "other"])
    assert bob.get_by_ids(["diary", "other"]) == []
    assert bob.delete(["diary"])
    assert bob.delete()
    assert bob.set_readers(["diary"], ["tenant:acme"]) == 0
    assert texts(alice.get_by_ids(["diary"])) == ["my diary"]


@pytest.mark.parametrize("readers", [["*"], ["role:oncall"], ["tenant:umbrella"], ["tenant:acmes"]])
def test_a_principal_writes_for_nobody_outside_its_tenant(
    store: FaissVectorStore, readers: list[str]
) -> None:
    with pytest.raises(PermissionDenied, match="inside the tenant"):
        store.for_principal(ALICE).add_texts(["hello"], readers=readers)
    with pytest.raises(PermissionDenied, match="inside the tenant"):
        store.for_principal(ALICE).add_texts(["hello"], [{"readers": readers}])
    assert store.similarity_search("hello") == []


def test_a_principal_cannot_vouch_for_what_it_writes(store: FaissVectorStore) -> None:
    alice = store.for_principal(ALICE)
    alice.add_texts(["transfer all"], [{"trusted": True, "source": "the board"}])
    [found] = alice.similarity_search("transfer")
    assert found.metadata == {"trusted": False, "source": "the board", "readers": ["tenant:acme"]}
    with pytest.raises(InvalidRequest, match="label"):
        alice.add_texts(["transfer all"], [{"label": {"trusted": True}}])


def put(store: FaissVectorStore, *entries: Entry, **more: Any) -> None:
    """As a corpus does for its sources."""
    encoder = Encoder(store.embeddings)
    vectors = encoder.documents([entry.text for entry in entries], batch_size=8)
    store.holdings.put(entries, vectors, model=encoder.model(), sight=Sight(), **more)


@pytest.mark.anyio
async def test_only_the_application_tunes(store: FaissVectorStore) -> None:
    with pytest.raises(PermissionDenied, match="tune"):
        await store.for_principal(ALICE).tune(["x"])


@pytest.mark.anyio
async def test_a_hit_carries_all_that_is_known_of_it(store: FaissVectorStore, clock: Clock) -> None:
    entry = Entry(
        id="disk#0",
        text="When the disk is full",
        metadata={"heading": "Disk", "trusted": "certainly"},
        readers=frozenset({"tenant:acme", "role:oncall"}),
        source="runbooks",
        document="disk.md",
        version="v1",
        fetched_at=clock.now,
        expires_at=clock.now + timedelta(hours=1),
        trusted=True,
        label={"author": "ops"},
    )
    put(store, entry)
    [found] = await store.for_principal(EVE).asimilarity_search("disk full")
    assert found.id == "disk#0"
    assert found.metadata == {
        "heading": "Disk",
        "source": "disk.md",
        "version": "v1",
        "fetched_at": "2026-01-05T12:00:00+00:00",
        "expires_at": "2026-01-05T13:00:00+00:00",
        "trusted": True,
        "label": {"author": "ops"},
        "readers": ["role:oncall", "tenant:acme"],
    }
    assert store.similarity_search("disk full") == []
    eve = store.for_principal(EVE)
    for key in ("source", "version", "trusted", "label", "readers", "fetched_at", "expires_at"):
        assert await eve.asimilarity_search("disk", filter={key: found.metadata[key]}) == [found]
        assert await eve.asimilarity_search("disk", filter={"$not": {key: found.metadata[key]}}) == []


@pytest.mark.anyio
async def test_a_document_is_replaced_as_a_whole(store: FaissVectorStore) -> None:
    def chunks(version: str, count: int) -> list[Entry]:
        return [
            Entry(id=f"a.md#{n}", text=f"{version} part {n}", source="s", document="a.md", version=version)
            for n in range(count)
        ]

    put(store, *chunks("v1", 3), Entry(id="b", text="v1 other", source="s", document="b.md", version="v1"))
    put(store, *chunks("v2", 2), replacing={"s": ["a.md"]}, documents=[Kept("s", "a.md", "2", None)])
    assert sorted(texts(store.similarity_search("part", k=9))) == ["v1 other", "v2 part 0", "v2 part 1"]
    holdings = store.holdings
    assert holdings.catalogue.listed("s") == {"a.md": "2"}
    assert holdings.delete_documents("s", ["a.md"]) == 2
    assert texts(store.similarity_search("part", k=9)) == ["v1 other"]
    assert holdings.catalogue.listed("s") == {}
    places = [("s", "a.md"), ("s", "b.md")]
    assert holdings.catalogue.standing_documents(places, Sight()) == {("s", "b.md")}
    epoch = holdings.catalogue.permission_epoch
    assert holdings.set_readers(Sight(), ["b"], frozenset({"tenant:acme"})) == 1
    assert holdings.catalogue.standing_documents(places, Sight()) == set()
    assert texts(store.for_principal(BOB).similarity_search("part")) == ["v1 other"]
    assert holdings.catalogue.permission_epoch > epoch
    assert holdings.memory()["rows"] > 0


@pytest.mark.anyio
async def test_what_is_stale_is_dropped_and_comes_back_when_it_was_looked_at(
    store: FaissVectorStore, clock: Clock
) -> None:
    soon = clock.now + timedelta(minutes=5)
    old = Entry(id="1", text="prices today", source="s", document="p", expires_at=soon)
    put(store, old, Entry(id="2", text="prices for ever"))
    clock.forward(minutes=5)
    assert texts(store.similarity_search("prices", k=1)) == ["prices for ever"]
    assert store.get_by_ids(["1"]) == []
    until = clock.now + timedelta(minutes=5)
    store.holdings.confirm_documents("s", ["p"], until.timestamp())
    [found] = store.get_by_ids(["1"])
    assert found.metadata["expires_at"] == until.isoformat()
    assert len(store.similarity_search("prices")) == 2


def test_what_is_stale_can_be_marked(clock: Clock) -> None:
    store = FaissVectorStore(HashEmbeddings(), stale="mark", clock=clock)
    store.add_texts(
        ["prices today"],
        [
            {"expires_at": "2026-01-05T13:00:00+01:00"},
        ],
        ids=["1"],
    )
    store.add_texts(["prices then"], ids=["2"], expires_at=datetime(2027, 1, 1, tzinfo=UTC))
    found = {d.id: d.metadata for d in store.similarity_search("prices")}
    assert found == {
        "1": {"expires_at": "2026-01-05T13:00:00+01:00", "stale": True},
        "2": {"expires_at": "2027-01-01T00:00:00+00:00"},
    }


def _is_away(document: Document) -> bool:
    return "away" in document.page_content


def test_a_filter_loses_nothing(store: FaissVectorStore) -> None:
    wanted = [{"shelf": "a", "n": n, "tags": ["x", "y"]} for n in range(3)]
    others: list[dict[str, Any]] = [{"shelf": "b", "n": n} for n in range(200)]
    store.add_texts([f"far away {n}" for n in range(3)], wanted)
    store.add_texts([f"disk full {n}" for n in range(200)], others)

    def found(filter: Any) -> int:
        by_k = [len(store.similarity_search("disk full", k=k, filter=filter)) for k in (1, 500)]
        assert by_k[0] == min(1, by_k[1])
        return by_k[1]

    assert found({"shelf": "a"}) == 3
    assert found({"shelf": "a", "n": 1}) == 1
    assert found({"tags": ["x", "y"]}) == 3
    assert found({"n": {"$gte": 1, "$lt": 3}}) == 4
    assert found({"$or": [{"shelf": "a"}, {"n": {"$in": [7, 8]}}]}) == 5
    assert found({"$not": {"shelf": "b"}}) == 3
    assert found({"shelf": {"$gt": 5}}) == 0
    assert found({"missing": None}) == 203
    assert found(_is_away) == 3
    store.delete([d.id for d in store.similarity_search("away", k=1, filter={"shelf": "a"}) if d.id])
    store.add_texts(["new"], [{"shelf": "a"}])
    store.add_texts(["newer"], [{"shelf": "a"}])
    assert found({"shelf": "a"}) == 4


@pytest.mark.parametrize(
    "filter", [{"a": {"$near": 1}}, {"$xor": []}, {"$and": {}}, {"a": {"$in": 3}}, {"a": {1, 2}}, {"$not": 1}]
)
def test_a_filter_that_cannot_be_understood_is_an_error(store: FaissVectorStore, filter: Any) -> None:
    store.add_texts(["hello"])
    with pytest.raises(InvalidRequest):
        store.similarity_search("hello", filter=filter)


def test_a_filter_looks_at_nothing_that_may_not_be_read(store: FaissVectorStore) -> None:
    store.for_principal(ALICE).add_texts(["secret"])
    store.add_texts(["open"])
    seen: list[str] = []

    def look(document: Document) -> bool:
        seen.append(document.page_content)
        return True

    assert texts(store.for_principal(EVE).similarity_search("x", filter=look)) == ["open"]
    assert seen == ["open"]


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: "a"},
        float("nan"),
        datetime(2026, 1, 1),
        b"bytes",
        2**70,
        {"x": {"y"}},
        "\ud800",
        np.float32(1),
    ],
)
def test_metadata_that_json_would_not_give_back_is_refused(store: FaissVectorStore, value: object) -> None:
    store.add_texts(["old"], ids=["1"])
    with pytest.raises(InvalidRequest, match="JSON"):
        store.add_texts(["new", "newer"], [{"fine": 1}, {"key": value}], ids=["1", "2"])
    assert texts(store.get_by_ids(["1", "2"])) == ["old"]


def test_texts_of_any_characters_come_back(store: FaissVectorStore) -> None:
    odd = ["a\x00b", "\ud83d", "é\u202e", "", "'; DROP TABLE chunk; --"]
    ids = store.add_texts(odd, ids=[f"id'\x00{n}" for n in range(5)])
    assert texts(store.get_by_ids(ids)) == odd


def test_wrong_arguments_are_errors(store: FaissVectorStore) -> None:
    with pytest.raises(ValueError, match="2 ids for 1 texts"):
        store.add_texts(["a"], ids=["1", "2"])
    with pytest.raises(ValueError, match="1 metadatas for 2 texts"):
        store.add_texts(["a", "b"], [{}])
    with pytest.raises(InvalidRequest, match="reader"):
        store.add_texts(["a"], reader=["tenant:acme"])
    with pytest.raises(ConfigurationError, match="readers"):
        store.add_texts(["a"], [{"readers": "bob"}])
    with pytest.raises(InvalidRequest, match="expires_at"):
        store.add_texts(["a"], [{"expires_at": "next week"}])
    with pytest.raises(InvalidRequest, match="time zone"):
        store.add_texts(["a"], expires_at=datetime(2026, 1, 1))
    with pytest.raises(InvalidRequest, match="a text, not 5"):
        store.add_texts([5])  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidRequest, match="no Unicode"):
        store.add_texts(["a"], ids=["\ud800"])
    assert store.get_by_ids(["\ud800"]) == []
    assert store.delete(["\ud800"])
    wrong: Any = "hello"
    with pytest.raises(InvalidRequest, match="a list"):
        store.add_texts(wrong)
    with pytest.raises(InvalidRequest, match="a list"):
        store.delete(wrong)
    store.add_texts(["a"])
    with pytest.raises(InvalidRequest, match="k=0"):
        store.similarity_search("a", k=0)
    with pytest.raises(InvalidRequest, match="between 0 and 1"):
        store.max_marginal_relevance_search("a", lambda_mult=2)
    with pytest.raises(InvalidRequest, match="fiter"):
        store.similarity_search("a", fiter={"x": 1})
    with pytest.raises(InvalidRequest, match="finite"):
        store.similarity_search_by_vector([float("nan")] * 64)
    with pytest.raises(InvalidRequest, match="64 dimensions"):
        store.similarity_search_by_vector([1.0] * 3)


def test_a_store_that_cannot_be_is_an_error(store: FaissVectorStore, tmp_path: Path) -> None:
    wrong: Any = "alice"
    with pytest.raises(ConfigurationError, match="no principal"):
        store.for_principal(wrong)
    with pytest.raises(ConfigurationError, match="no embedding"):
        FaissVectorStore(wrong)
    with pytest.raises(ConfigurationError, match="'drop' or 'mark'"):
        FaissVectorStore(HashEmbeddings(), stale=wrong)
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be made"):
        FaissVectorStore(HashEmbeddings(), tmp_path / "file" / "folder")
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        store.similarity_search("a")


def test_ids_that_are_left_out_are_made(store: FaissVectorStore) -> None:
    ids = store.add_texts(["a", "b", "c"], ids=["1", None, ""])
    assert ids[0] == "1"
    assert len({*ids}) == 3
    assert len(store.get_by_ids(ids)) == 3


def test_the_last_of_equal_ids_stands(store: FaissVectorStore) -> None:
    assert store.add_texts(["first", "second"], ids=["1", "1"]) == ["1", "1"]
    assert texts(store.similarity_search("first", k=9)) == ["second"]


def test_get_by_ids_keeps_the_order(store: FaissVectorStore) -> None:
    store.add_texts(["a", "b"], ids=["1", "2"])
    assert texts(store.get_by_ids(["2", "9", "1", "2"])) == ["b", "a"]


def test_scores_are_cosines_and_relevance_keeps_their_order(store: FaissVectorStore) -> None:
    store.add_texts(["the disk is full", "the disk is slow", "bake bread"])
    scored = store.similarity_search_with_score("the disk is full", k=3)
    scores = [score for _, score in scored]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(1, abs=1e-5)
    relevance = [score for _, score in store.similarity_search_with_relevance_scores("the disk is full", k=3)]
    assert relevance == sorted(relevance, reverse=True)
    kept = store.similarity_search_with_relevance_scores("the disk is full", k=3, score_threshold=0.5)
    assert texts([document for document, _ in kept]) == ["the disk is full", "the disk is slow"]


def test_the_metric_is_a_setting() -> None:
    store = FaissVectorStore(HashEmbeddings(), config=IndexConfig(metric="dot"))
    store.add_texts(["disk disk disk disk", "disk"])
    [(far, most), (_, least)] = store.similarity_search_with_score("disk")
    assert (far.page_content, most > 3 * least) == ("disk disk disk disk", True)
    relevance = [one for _, one in store.similarity_search_with_relevance_scores("disk")]
    assert 1 >= relevance[0] > relevance[1] > 0.5


def test_marginal_relevance_avoids_repetition(store: FaissVectorStore) -> None:
    store.add_texts(["disk full alarm", "disk full alarm", "disk slow", "bread"])
    near = store.max_marginal_relevance_search("disk full alarm", k=2, lambda_mult=1)
    apart = store.max_marginal_relevance_search("disk full alarm", k=2, lambda_mult=0.3, fetch_k=4)
    assert texts(near) == ["disk full alarm", "disk full alarm"]
    assert texts(apart)[0] == "disk full alarm"
    assert texts(apart)[1] != "disk full alarm"
    assert texts(store.max_marginal_relevance_search("x", k=9, filter={"none": 1})) == []


@pytest.mark.anyio
async def test_the_twins_agree(store: FaissVectorStore) -> None:
    documents = [Document(page_content=f"disk {n}", metadata={"n": n}, id=str(n)) for n in range(8)]
    other = await FaissVectorStore.afrom_documents(documents, HashEmbeddings())
    assert await store.aadd_documents(documents) == [document.id for document in documents]
    vector = HashEmbeddings().embed_query("disk 3")
    few = {"n": {"$lt": 5}}
    assert store.similarity_search("disk 3", filter=few) == await other.asimilarity_search(
        "disk 3", filter=few
    )
    assert store.similarity_search_by_vector(vector) == await other.asimilarity_search_by_vector(vector)
    assert store.similarity_search_with_score("disk") == await other.asimilarity_search_with_score("disk")
    mmr = store.max_marginal_relevance_search("disk 3", k=3)
    assert mmr == await other.amax_marginal_relevance_search("disk 3", k=3)
    assert mmr == store.max_marginal_relevance_search_by_vector(vector, k=3)
    assert mmr == await other.amax_marginal_relevance_search_by_vector(vector, k=3)
    assert store.as_retriever(search_type="mmr", k=3).invoke("disk 3") == mmr
    assert await other.adelete(["3"])
    assert await other.aget_by_ids(["3", "4"]) == store.get_by_ids(["4"])


def test_langchains_indexing_keeps_it_in_step_with_documents(store: FaissVectorStore) -> None:
    records = InMemoryRecordManager(namespace="test")
    records.create_schema()

    def run(*contents: str) -> Any:
        documents = [Document(page_content=text, metadata={"source": text[0]}) for text in contents]
        kind: Any = {"cleanup": "full", "source_id_key": "source", "key_encoder": "sha256"}
        return index(documents, records, store, **kind)

    assert run("a1", "b1")["num_added"] == 2
    done = run("a2", "b1")
    assert (done["num_added"], done["num_deleted"], done["num_skipped"]) == (1, 1, 1)
    assert sorted(texts(store.similarity_search("a", k=9))) == ["a2", "b1"]


def test_a_store_is_there_after_the_process(tmp_path: Path) -> None:
    first = FaissVectorStore.from_texts(["disk full"], HashEmbeddings(), ids=["1"], path=tmp_path)
    first.for_principal(ALICE).add_texts(["of acme"], ids=["1"])
    first.close()
    again = FaissVectorStore(HashEmbeddings(), tmp_path)
    assert texts(again.similarity_search("disk")) == ["disk full"]
    assert texts(again.for_principal(BOB).get_by_ids(["1"])) == ["of acme"]
    again.close()


def test_another_model_is_refused_and_nothing_is_lost(tmp_path: Path) -> None:
    FaissVectorStore.from_texts(["disk full"], HashEmbeddings(), path=tmp_path).close()

    class Short(HashEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [vector[:8] for vector in super().embed_documents(texts)]

    for embedding, why in ((HashEmbeddings("salt"), "another model"), (Short(), "64 dimensions")):
        store = FaissVectorStore(embedding, tmp_path)
        with pytest.raises(ConfigurationError, match=why):
            store.similarity_search("disk")
        with pytest.raises(ConfigurationError, match=why):
            store.add_texts(["more"])
        assert store.delete(["missing"])
        store.close()
    store = FaissVectorStore(HashEmbeddings(), tmp_path)
    assert texts(store.similarity_search("disk", k=9)) == ["disk full"]
    store.close()


def test_an_embedding_that_fails_stores_nothing(store: FaissVectorStore) -> None:
    class Broken(HashEmbeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            found = super().embed_documents(texts)
            return [[float("nan")] * 64 if "nan" in text else v for text, v in zip(texts, found, strict=True)]

    broken = FaissVectorStore(Broken())
    with pytest.raises(InvalidRequest, match="not finite"):
        broken.add_texts(["fine", "nan"])
    assert broken.similarity_search("fine") == []


@pytest.mark.parametrize("damage", ["text", "other", "newer", "cut"])
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, damage: str) -> None:
    import sqlite3

    file = tmp_path / "catalogue.db"
    if damage == "text":
        file.write_text("this is no database" * 99)
    else:
        FaissVectorStore.from_texts(["disk full"] * 50, HashEmbeddings(), path=tmp_path).close()
        if damage == "cut":
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        else:
            connection = sqlite3.connect(file)
            connection.execute(f"PRAGMA {'application_id' if damage == 'other' else 'user_version'} = 77")
            connection.close()
    before = file.read_bytes()
    with pytest.raises(CorruptIndex, match="left untouched"):
        FaissVectorStore(HashEmbeddings(), tmp_path)
    assert file.read_bytes() == before


def test_what_was_deleted_is_not_in_the_file(tmp_path: Path) -> None:
    store = FaissVectorStore(HashEmbeddings(), tmp_path)
    store.add_texts(["keep this", "the secret word is xyzzy"], [{}, {"by": "plugh"}], ids=["1", "2-fee"])
    store.delete(["2-fee"])
    store.close()
    held = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b"keep this" in held
    assert not any(word in held for word in (b"xyzzy", b"plugh", b"2-fee"))
