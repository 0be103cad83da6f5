from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from tests.patience import in_time
from tests.retrieval.conftest import HashEmbeddings

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.retrieval import Corpus, FolderSource, IndexConfig, Snapshot
from pilotman.retrieval import corpus as module

pytestmark = pytest.mark.anyio

Folder = Callable[[Mapping[str, str | bytes]], Path]
ALICE = Principal(tenant="acme", user="alice")
BOB = Principal(tenant="globex", user="bob")

BOOKS = {
    "DiskFull.md": "# DiskFull\n\n## Look\n\nThe disk has no space left. Find the largest files.\n",
    "CPUBusy.md": "# CPUBusy\n\n## Look\n\nThe processors are busy. Find the greedy process.\n",
    "QueueLong.md": "# QueueLong\n\n## Look\n\nThe queue of messages grows. Start more consumers.\n",
    "CertificateExpired.md": "# CertificateExpired\n\n## Look\n\nThe certificate has expired. Renew it.\n",
}


class Shelf:
    """A source of the user's own, in memory."""

    name = "shelf"
    max_staleness = timedelta(minutes=5)

    def __init__(self, **documents: Document) -> None:
        self.documents = documents
        self.broken: Exception | None = None
        self.listings = 0

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        self.listings += 1
        if self.broken is not None:
            raise self.broken
        for name, document in self.documents.items():
            yield name, str(hash(document.page_content))

    async def fetch(self, document_id: str) -> Document:
        return self.documents[document_id]


def document(text: str, **metadata: Any) -> Document:
    return Document(page_content=text, metadata={"readers": ["*"], **metadata})


def sources(snapshot: Snapshot) -> list[str]:
    return [found.metadata["source"] for found in snapshot.documents]


@pytest.fixture(params=["lexical", "hybrid", "dense"])
def corpus(request: pytest.FixtureRequest, folder: Folder, embeddings: Embeddings) -> Corpus:
    embedding = None if request.param == "lexical" else embeddings
    return Corpus([FolderSource(folder(BOOKS))], embedding=embedding, hybrid=request.param != "dense")


async def test_the_right_document_comes_first_with_its_place_and_labels(
    corpus: Corpus, folder: Folder
) -> None:
    snapshot = await corpus.search("no space left on the disk", principal=ALICE)
    assert snapshot.mode == corpus.mode
    assert snapshot.covered
    best = snapshot.documents[0]
    assert best.metadata["source"] == "DiskFull.md"
    assert best.metadata["heading"] == "DiskFull"
    assert best.metadata["readers"] == ["*"]
    assert best.metadata["trusted"] is False
    assert best.metadata["fetched_at"].endswith("+00:00")
    text = (folder({}) / "DiskFull.md").read_text()
    assert text[best.metadata["start"] : best.metadata["end"]] == best.page_content


async def test_it_is_a_retriever_of_what_its_principal_may_read(folder: Folder) -> None:
    source = FolderSource(folder(BOOKS), readers=["tenant:acme"])
    async with Corpus([source], embedding=None) as corpus:
        retriever = corpus.as_retriever(principal=ALICE, k=1)
        (found,) = await retriever.ainvoke("the disk is full")
        assert found.metadata["source"] == "DiskFull.md"
        assert "no space left" in found.page_content
        assert found.metadata["version"]
        assert await corpus.as_retriever(principal=BOB).ainvoke("the disk is full") == []
    (again,) = await asyncio.to_thread(
        Corpus([source], embedding=None).as_retriever(principal=ALICE, k=1).invoke, "disk"
    )
    assert again.metadata["source"] == "DiskFull.md"


async def test_a_strange_question_is_not_covered(corpus: Corpus) -> None:
    snapshot = await corpus.search("Which violin concerto did the orchestra rehearse?", principal=ALICE)
    assert not snapshot.covered
    assert snapshot.coverage < 0.5


class InOtherWords:
    """Says each query as it was told."""

    def __init__(self, words: str | Exception | None) -> None:
        self.words = words
        self.asked: list[str] = []

    async def reformulate(self, query: str) -> str | None:
        self.asked.append(query)
        if isinstance(self.words, Exception):
            raise self.words
        return self.words


WEAK = "Volume exhausted: rotate logs"


async def test_a_query_that_found_little_is_asked_once_more_in_other_words(folder: Folder) -> None:
    told = InOtherWords("disk full, no space left, rotate the logs")
    alone = await Corpus([FolderSource(folder(BOOKS))], embedding=None).search(WEAK, principal=ALICE)
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=None, reformulator=told)
    snapshot = await corpus.search(WEAK, principal=ALICE)
    assert told.asked == [WEAK]
    assert (snapshot.query, snapshot.reformulated) == (WEAK, told.words)
    assert snapshot.coverage > alone.coverage
    assert sources(snapshot)[0] == "DiskFull.md"


async def test_a_query_that_found_enough_is_not_reformulated(folder: Folder) -> None:
    told = InOtherWords("anything")
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=None, reformulator=told)
    assert (await corpus.search("The disk is full, no space is left", principal=ALICE)).reformulated == ""
    assert told.asked == []


@pytest.mark.parametrize("words", [None, " ", RuntimeError("no model"), TimeoutError()])
async def test_a_model_that_has_no_other_words_leaves_it_to_the_rules(
    folder: Folder, words: str | Exception | None
) -> None:
    query = "VolumeExhausted on web-7f9c, rotate the logs of PostgresPrimary"
    by_rules = await Corpus([FolderSource(folder(BOOKS))], embedding=None).search(query, principal=ALICE)
    told = InOtherWords(words)
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=None, reformulator=told)
    snapshot = await corpus.search(query, principal=ALICE)
    assert told.asked == [query]
    assert (snapshot.snapshot_id, snapshot.reformulated) == (by_rules.snapshot_id, by_rules.reformulated)


async def test_other_words_do_not_make_a_stranger_covered(corpus: Corpus, folder: Folder) -> None:
    told = InOtherWords("The disk is full, no space is left")
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=None, reformulator=told)
    snapshot = await corpus.search("Which violin concerto did the orchestra rehearse?", principal=ALICE)
    assert told.asked
    assert not snapshot.covered


async def test_an_unknown_fusion_is_refused(folder: Folder) -> None:
    with pytest.raises(ConfigurationError, match="fusion"):
        Corpus([FolderSource(folder(BOOKS))], embedding=None, fusion="best")  # type: ignore[arg-type]


async def test_fusion_by_ranks_finds_the_right_document_too(folder: Folder, embeddings: Embeddings) -> None:
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=embeddings, fusion="reciprocal")
    snapshot = await corpus.search("The disk is full, no space is left", principal=ALICE)
    assert snapshot.mode == "hybrid"
    assert sources(snapshot)[0] == "DiskFull.md"


async def test_each_of_the_best_documents_comes_once_before_further_passages(
    folder: Folder, embeddings: Embeddings
) -> None:
    long = "# DiskFull\n\n" + "\n\n".join(
        f"## Part {n}\n\n" + f"The disk is full, part {n}. " * 20 for n in range(9)
    )
    root = folder({**BOOKS, "DiskFull.md": long})
    for embedding in (None, embeddings):
        corpus = Corpus([FolderSource(root)], embedding=embedding)
        snapshot = await corpus.search("disk full, disk full: find or start", principal=ALICE, k=3)
        assert len(set(sources(snapshot)[:3])) == 3
        assert set(sources(snapshot)[3:]) == {sources(snapshot)[0]}
        assert len(snapshot.documents) == 6
        scores = [found.metadata["score"] for found in snapshot.documents]
        assert scores[:3] == sorted(scores[:3], reverse=True)
        assert scores[3:] == sorted(scores[3:], reverse=True)
        assert scores[0] >= scores[3]
        places = [(found.metadata["start"], found.metadata["source"]) for found in snapshot.documents]
        assert len(set(places)) == 6


async def test_a_snapshot_tells_with_which_settings_it_was_found(
    folder: Folder, embeddings: Embeddings
) -> None:
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=embeddings, config=IndexConfig(nprobe=7))
    snapshot = await corpus.search("disk full", principal=ALICE, k=2)
    assert snapshot.parameters["k"] == 2
    assert (snapshot.parameters["nprobe"], snapshot.parameters["metric"]) == (7, "cosine")
    assert (snapshot.index_epoch, snapshot.permission_epoch >= 0) == (0, True)
    assert Snapshot.from_dict(snapshot.to_dict()) == snapshot


async def test_the_same_search_gives_the_same_snapshot(corpus: Corpus) -> None:
    one, other = [await corpus.search("busy processors", principal=ALICE) for _ in range(2)]
    assert one == other


@pytest.mark.parametrize("query", ["", " \n", "!!!", "\x00", "the of and"])
async def test_a_query_without_words_finds_nothing_and_fails_not(corpus: Corpus, query: str) -> None:
    snapshot = await corpus.search(query, principal=ALICE)
    assert not snapshot.covered


async def test_a_very_long_query_is_bounded(corpus: Corpus) -> None:
    snapshot = await corpus.search("disk full " * 100_000, principal=ALICE)
    assert len(snapshot.query) <= 4_000
    assert sources(snapshot)[0] == "DiskFull.md"


async def test_fewer_than_one_document_cannot_be_asked_for(corpus: Corpus) -> None:
    with pytest.raises(ConfigurationError):
        await corpus.search("disk", principal=ALICE, k=0)


async def test_reconcile_counts_and_a_deleted_file_is_gone(corpus: Corpus, folder: Folder) -> None:
    assert await corpus.reconcile() == {"added": 4, "updated": 0, "deleted": 0}
    before = await corpus.search("disk space", principal=ALICE)
    root = folder({"CPUBusy.md": "# CPUBusy\n\nThe turbine hums.\n", "New.md": "# New\n\nA new page.\n"})
    (root / "DiskFull.md").unlink()
    assert await corpus.reconcile() == {"added": 1, "updated": 1, "deleted": 1}
    after = await corpus.search("disk space", principal=ALICE)
    assert "DiskFull.md" not in sources(after)
    assert after.epoch > before.epoch
    assert sources(await corpus.search("turbine hums", principal=ALICE))[0] == "CPUBusy.md"
    assert await corpus.reconcile() == {"added": 0, "updated": 0, "deleted": 0}
    assert (await corpus.search("disk space", principal=ALICE)).epoch == after.epoch


async def test_a_search_reconciles_when_the_listing_is_too_old(folder: Folder, clock: Any) -> None:
    root = folder(BOOKS)
    corpus = Corpus([FolderSource(root, max_staleness=timedelta(minutes=5))], embedding=None, clock=clock)
    await corpus.search("disk", principal=ALICE)
    (root / "DiskFull.md").unlink()
    clock.forward(minutes=4)
    assert "DiskFull.md" in sources(await corpus.search("disk space", principal=ALICE))
    clock.forward(minutes=2)
    assert "DiskFull.md" not in sources(await corpus.search("disk space", principal=ALICE))


async def test_searches_at_the_same_time_reconcile_once(embeddings: Embeddings) -> None:
    shelf = Shelf(a=document("# A\n\ndisk"))
    corpus = Corpus([shelf], embedding=embeddings)
    await asyncio.gather(*(corpus.search("disk", principal=ALICE) for _ in range(10)))
    assert shelf.listings == 1


@pytest.mark.parametrize("mode", ["lexical", "hybrid"])
async def test_tenants_in_one_corpus_do_not_touch_each_other(
    mode: str, folder: Folder, embeddings: Embeddings, tmp_path: Path
) -> None:
    embedding = None if mode == "lexical" else embeddings
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for number in range(30):
        (theirs / f"disk{number}.md").write_text(
            f"# Disk {number}\n\nThe disk has no space left, case {number}.\n"
        )
    mine = FolderSource(folder(BOOKS), readers=["tenant:acme"])
    alone = Corpus([mine], embedding=embedding)
    shared = Corpus([FolderSource(theirs, readers=["tenant:globex"]), mine], embedding=embedding)
    for query in ("no space left on the disk", "busy processors", "violins"):
        one = await alone.search(query, principal=ALICE, k=10)
        other = await shared.search(query, principal=ALICE, k=10)
        assert sources(one) == sources(other)
        assert one.coverage == other.coverage
        assert [d.metadata["score"] for d in one.documents] == pytest.approx(
            [d.metadata["score"] for d in other.documents]
        )
        assert all(
            source.startswith("disk") for source in sources(await shared.search(query, principal=BOB, k=10))
        )
    stranger = await shared.search("disk", principal=Principal(tenant="initech", user="x"))
    assert stranger.documents == ()
    assert not stranger.covered


async def test_readers_may_be_users_and_roles() -> None:
    shelf = Shelf(
        alice=document("disk", readers=["user:acme/alice"]),
        oncall=document("disk", readers=["role:oncall"]),
        everybody=document("disk"),
    )
    corpus = Corpus([shelf], embedding=None)
    oncall = Principal(tenant="globex", user="eve", roles=frozenset({"oncall"}))
    assert set(sources(await corpus.search("disk", principal=ALICE))) == {"alice", "everybody"}
    assert set(sources(await corpus.search("disk", principal=oncall))) == {"oncall", "everybody"}
    assert set(sources(await corpus.search("disk", principal=BOB))) == {"everybody"}


async def test_changed_readers_hold_from_the_next_reconcile() -> None:
    shelf = Shelf(page=document("the disk", readers=["tenant:acme"]))
    corpus = Corpus([shelf], embedding=None)
    assert sources(await corpus.search("disk", principal=ALICE)) == ["page"]
    shelf.documents["page"] = document("the disk!", readers=["tenant:globex"])
    await corpus.reconcile()
    assert sources(await corpus.search("disk", principal=ALICE)) == []


@pytest.mark.parametrize("readers", [(), "tenant:acme", ["somebody"], None])
async def test_a_document_without_clear_readers_is_served_to_nobody_and_said(readers: Any) -> None:
    metadata = {} if readers is None else {"readers": readers}
    corpus = Corpus(
        [Shelf(bad=Document(page_content="disk", metadata=metadata), good=document("disk"))], embedding=None
    )
    assert sources(await corpus.search("disk", principal=ALICE)) == ["good"]
    assert any("bad of shelf is not served" in caveat for caveat in corpus.caveats)


async def test_without_an_embedding_it_says_why(folder: Folder) -> None:
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=None)
    assert corpus.mode == "lexical"
    assert "no embedding was given" in corpus.caveats[0]


async def test_without_the_extra_the_default_is_lexical_and_says_so(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilotman.retrieval.embedding.installed", lambda: False)
    corpus = Corpus([FolderSource(folder(BOOKS))])
    assert corpus.mode == "lexical"
    assert "pilotman[embeddings]" in corpus.caveats[0]
    assert (await corpus.search("disk full", principal=ALICE)).mode == "lexical"


def test_an_embedding_of_another_provider_is_refused_at_once(folder: Folder) -> None:
    with pytest.raises(ConfigurationError):
        Corpus([FolderSource(folder(BOOKS))], embedding="openai:ada")
    with pytest.raises(ConfigurationError):
        Corpus([])


async def test_an_embedding_that_fails_leaves_words_until_it_recovers(
    folder: Folder, embeddings: Any, clock: Any
) -> None:
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=embeddings, clock=clock)
    embeddings.broken = RuntimeError("the service is down")
    snapshot = await corpus.search("disk full", principal=ALICE)
    assert (snapshot.mode, corpus.mode) == ("lexical", "lexical")
    assert sources(snapshot)[0] == "DiskFull.md"
    assert "the service is down" in corpus.caveats[0]
    embeddings.broken = None
    clock.forward(hours=1)
    assert (await corpus.search("disk full", principal=ALICE)).mode == "hybrid"
    assert corpus.caveats == ()
    embeddings.broken = RuntimeError("down again")
    assert (await corpus.search("disk full", principal=ALICE)).mode == "lexical"
    embeddings.broken = None
    assert (await corpus.search("disk full", principal=ALICE)).mode == "hybrid"
    assert corpus.mode == "hybrid"


async def test_an_embedding_that_hangs_delays_a_search_by_its_timeout_at_most(
    folder: Folder, embeddings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Corpus([FolderSource(folder(BOOKS))], embedding=embeddings)
    await corpus.reconcile()
    monkeypatch.setattr(module, "_QUERY_TIMEOUT", 0.05)

    def hangs(text: str) -> list[float]:
        time.sleep(60)
        return [0.0]

    monkeypatch.setattr(embeddings, "embed_query", hangs)
    with in_time():
        assert (await corpus.search("disk full", principal=ALICE)).mode == "lexical"


async def test_an_unknown_model_is_an_error_not_a_degradation(folder: Folder, embeddings: Any) -> None:
    embeddings.broken = ConfigurationError("no such model")
    with pytest.raises(ConfigurationError, match="no such model"):
        await Corpus([FolderSource(folder(BOOKS))], embedding=embeddings).search("disk", principal=ALICE)


async def test_a_source_that_never_answered_is_an_error(tmp_path: Path) -> None:
    corpus = Corpus([FolderSource(tmp_path / "missing")], embedding=None)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="there is no folder"):
            await corpus.search("disk", principal=ALICE)
    with pytest.raises(ConfigurationError):
        await corpus.reconcile()


async def test_a_source_that_fails_later_is_served_as_it_was_and_said(clock: Any) -> None:
    shelf, other = Shelf(a=document("disk")), Shelf(b=document("disk"))
    corpus = Corpus([shelf, other], embedding=None, clock=clock)
    await corpus.reconcile()
    shelf.broken = OSError("connection refused")
    other.documents["c"] = document("disk")
    clock.forward(hours=1)
    assert set(sources(await corpus.search("disk", principal=ALICE))) == {"a", "b", "c"}
    assert any("connection refused" in caveat for caveat in corpus.caveats)
    with pytest.raises(Unavailable, match="connection refused"):
        await corpus.reconcile()
    shelf.broken = None
    await corpus.reconcile()
    assert not any("connection refused" in caveat for caveat in corpus.caveats)


async def test_a_document_that_goes_between_listing_and_fetch_is_a_deletion(folder: Folder) -> None:
    root = folder(BOOKS)

    class Racing(FolderSource):
        async def fetch(self, document_id: str) -> Document:
            if document_id == "DiskFull.md":
                (root / document_id).unlink()
            return await super().fetch(document_id)

    corpus = Corpus([Racing(root)], embedding=None)
    assert (await corpus.reconcile())["added"] == 3


async def test_a_document_that_cannot_be_fetched_leaves_its_source_as_it_was() -> None:
    shelf = Shelf(a=document("disk"))
    corpus = Corpus([shelf], embedding=None)
    await corpus.reconcile()

    async def fails(document_id: str) -> Document:
        raise OSError("reset by peer")

    shelf.documents["b"] = document("disk")
    shelf.fetch = fails  # type: ignore[method-assign]
    with pytest.raises(Unavailable, match="b of shelf could not be fetched"):
        await corpus.reconcile()
    assert sources(await corpus.search("disk", principal=ALICE)) == ["a"]


async def test_a_corpus_that_was_emptied_says_so(folder: Folder, embeddings: Embeddings) -> None:
    root = folder({"a.md": "# A\n\ndisk"})
    corpus = Corpus([FolderSource(root)], embedding=embeddings)
    await corpus.reconcile()
    (root / "a.md").unlink()
    assert (await corpus.reconcile())["deleted"] == 1
    snapshot = await corpus.search("disk", principal=ALICE)
    assert snapshot.documents == ()
    assert "the corpus holds no documents" in corpus.caveats


@pytest.mark.parametrize("text", ["", "\n\n", "---\ntitle: x\n---\n", "!!!"])
async def test_a_document_without_words_does_no_harm(
    text: str, folder: Folder, embeddings: Embeddings
) -> None:
    for embedding in (None, embeddings):
        corpus = Corpus([FolderSource(folder({**BOOKS, "0.md": text}))], embedding=embedding)
        assert sources(await corpus.search("disk full", principal=ALICE))[0] == "DiskFull.md"


async def test_one_document_is_enough_for_a_corpus(folder: Folder, embeddings: Embeddings) -> None:
    for embedding in (None, embeddings):
        corpus = Corpus([FolderSource(folder({"DiskFull.md": BOOKS["DiskFull.md"]}))], embedding=embedding)
        assert (await corpus.search("the disk is full, no space left", principal=ALICE)).covered
        assert not (await corpus.search("the printer is out of toner", principal=ALICE)).covered


async def test_the_folder_of_the_index_spares_the_next_process_the_embedding(
    folder: Folder, embeddings: Any, tmp_path: Path
) -> None:
    root = folder(BOOKS)
    first = await Corpus([FolderSource(root)], embedding=embeddings, path=tmp_path / "index").search(
        "disk", principal=ALICE
    )
    count = len(embeddings.texts)
    again = Corpus([FolderSource(root)], embedding=embeddings, path=tmp_path / "index")
    second = await again.search("disk", principal=ALICE)
    assert len(embeddings.texts) - count < 10
    assert sources(second) == sources(first)


def test_a_corpus_serves_several_event_loops(folder: Folder, embeddings: Embeddings) -> None:
    corpus = Corpus([FolderSource(folder(BOOKS), max_staleness=timedelta(0))], embedding=embeddings)
    for _ in range(3):
        assert asyncio.run(corpus.search("disk full", principal=ALICE)).covered


async def test_a_snapshot_is_served_again_less_what_was_deleted_or_withdrawn(folder: Folder) -> None:
    root = folder(BOOKS)
    corpus = Corpus([FolderSource(root, max_staleness=timedelta(0))], embedding=None)
    snapshot = await corpus.search("disk full", principal=ALICE)
    assert await corpus.again(snapshot, principal=ALICE) == snapshot
    (root / "DiskFull.md").write_text("# Disk full\n\nAnother text.\n")
    assert await corpus.again(snapshot, principal=ALICE) == snapshot, "it is what was read then"
    (root / "DiskFull.md").unlink()
    left = await corpus.again(snapshot, principal=ALICE)
    texts = {d.metadata["source"]: d.page_content for d in left.documents}
    assert texts["DiskFull.md"] == ""
    assert sources(left) == sources(snapshot), "each keeps its place"


async def test_what_is_no_source_any_more_is_not_served(folder: Folder, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "disk.md").write_text("# Disk\n\nThe other disk.\n")
    both = [FolderSource(folder(BOOKS)), FolderSource(other)]
    await Corpus(both, embedding=None, path=tmp_path / "index").reconcile()
    again = Corpus(both[:1], embedding=None, path=tmp_path / "index")
    assert "disk.md" not in sources(await again.search("the other disk", principal=ALICE))


async def test_what_was_stored_for_other_readers_is_not_served_until_it_is_read_again(
    folder: Folder, tmp_path: Path
) -> None:
    root, index = folder(BOOKS), tmp_path / "index"
    await Corpus([FolderSource(root)], embedding=None, path=index).reconcile()
    narrower = Corpus([FolderSource(root, readers=["tenant:acme"])], embedding=None, path=index)
    assert (await narrower.reconcile())["added"] == len(BOOKS)
    eve = Principal(tenant="umbrella", user="eve")
    assert (await narrower.search("disk full", principal=eve)).documents == ()
    assert sources(await narrower.search("disk full", principal=ALICE))[0] == "DiskFull.md"


async def test_the_store_beneath_serves_what_its_principal_may_read(
    folder: Folder, embeddings: Embeddings
) -> None:
    corpus = Corpus([FolderSource(folder(BOOKS), readers=["tenant:acme"])], embedding=embeddings)
    await corpus.reconcile()
    [found] = await corpus.store.for_principal(ALICE).asimilarity_search("disk full", k=1)
    assert found.metadata["source"] == "DiskFull.md"
    assert corpus.store.similarity_search("disk full") == []
    with pytest.raises(ConfigurationError, match="no vectors"):
        _ = Corpus([FolderSource(folder(BOOKS))], embedding=None).store


async def test_a_text_added_to_the_store_beneath_is_found_and_cited(embeddings: Embeddings) -> None:
    corpus = Corpus([Shelf(disk=document("The disk is full."))], embedding=embeddings)
    corpus.store.add_texts(["The lift is stuck."], ids=["lift"])
    snapshot = await corpus.search("Is the lift stuck?", principal=ALICE, k=1)
    [found] = snapshot.documents
    assert (found.page_content, found.metadata["source"]) == ("The lift is stuck.", "lift")
    assert (found.metadata["start"], found.metadata["end"]) == (0, len(found.page_content))
    assert Snapshot.from_dict(snapshot.to_dict()).snapshot_id == snapshot.snapshot_id
    assert await corpus.again(snapshot, principal=ALICE) == snapshot
    corpus.store.add_texts(["The lift is stuck again."], ids=["lift"])
    changed = await corpus.search("Is the lift stuck?", principal=ALICE, k=1)
    assert changed.documents[0].metadata["version"] != found.metadata["version"]
    corpus.store.delete(["lift"])
    assert (await corpus.again(snapshot, principal=ALICE)).documents[0].page_content == ""


async def test_a_document_is_live_in_its_version_and_for_its_readers(folder: Folder) -> None:
    root = folder(BOOKS)
    source = FolderSource(root, readers=["tenant:acme"], max_staleness=timedelta(0))
    corpus = Corpus([source], embedding=None)
    snapshot = await corpus.search("disk full", principal=ALICE)
    named = {
        f"{d.metadata['origin']}/{d.metadata['document_id']}@{d.metadata['version']}"
        for d in snapshot.documents
    }
    assert named
    assert await corpus.live(named | {"elsewhere/x@1", "x", "/x@1"}, principal=ALICE) == named
    other = Principal(tenant="evil", user="alice")
    assert await corpus.live(named, principal=other) == set()
    (root / "DiskFull.md").write_text("# Disk full\n\nAnother text.\n")
    left = await corpus.live(named, principal=ALICE)
    assert {one for one in named if "DiskFull.md" in one} == named - left
    assert named - left


def section(name: str) -> str:
    """Long enough to be a chunk of its own."""
    return (
        f"## {name}\n\n"
        + f"The {name.lower()} is what it was. Look at the {name.lower()} first. " * 6
        + "\n\n"
    )


@pytest.mark.parametrize(
    ("parts", "embedded"),
    [
        (["Disk", "Network", "Memory", "Printer"], 0),  # the last one goes
        (["Disk", "Network", "Memory", "Printer", "Clock", "Disk"], 1),
        (["Memory", "Clock", "Network", "Disk", "Printer"], 0),  # another order, other ids
        (["Network", "Memory", "Printer", "Clock"], 0),
        (["Disk", "Lamp", "Memory", "Printer", "Clock"], 1),
        (["Lamp"], 1),
    ],
)
async def test_what_a_changed_document_still_says_is_not_embedded_again(
    embeddings: HashEmbeddings, tmp_path: Path, parts: list[str], embedded: int
) -> None:
    before = ("Disk", "Network", "Memory", "Printer", "Clock")
    begins = "# Book\n\n" + "All of it, in the order in which it was found. " * 7 + "\n\n"
    shelf = Shelf(book=document(begins + "".join(map(section, before))), other=document("Tea."))
    corpus = Corpus([shelf], path=tmp_path, embedding=embeddings)
    await corpus.reconcile()
    text = begins + "".join(map(section, parts))
    shelf.documents["book"] = document(text)
    embeddings.texts.clear()
    assert (await corpus.reconcile())["updated"] == 1
    assert len([one for one in embeddings.texts if one != "book"]) == embedded
    for each in (corpus, Corpus([shelf], path=tmp_path, embedding=HashEmbeddings())):
        for part in parts:
            best = (await each.search(f"look at the {part}", principal=ALICE)).documents[0]
            start, end = best.metadata["start"], best.metadata["end"]
            assert best.page_content == text[start:end]
            assert part in best.page_content
        chunks = each.store.holdings.catalogue.of_document("shelf", "book")
        places = sorted(chunks, key=lambda chunk: chunk.metadata["start"])
        assert [chunk.id for chunk in places] == [f"shelf/book#{n}" for n in range(len(parts) + 1)]
