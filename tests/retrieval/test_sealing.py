"""What a user owns is unreadable on the disk, and nowhere found once its key is gone."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document
from tests.retrieval.conftest import HashEmbeddings

from pilotman.guardrails.errors import ConfigurationError, PermissionDenied
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import KeysInMemory, Seal, Subject
from pilotman.retrieval import Corpus, FaissVectorStore, FolderSource, SQLSource
from pilotman.retrieval.catalogue import database

Folder = Callable[[Mapping[str, str | bytes]], Path]
ALICE = Principal(tenant="acme", user="alice")
BOB = Principal(tenant="acme", user="bob")
OWNER = "user:acme/alice"
SECRET = "the zebra crosses at midnight"


class Notes:
    """A source of the user's own, of documents that have owners."""

    name = "notes"
    max_staleness = timedelta(0)

    def __init__(self, **documents: Document) -> None:
        self.documents = documents

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        for name, document in self.documents.items():
            yield name, str(hash((document.page_content, str(document.metadata))))

    async def fetch(self, document_id: str) -> Document:
        return self.documents[document_id]


def note(text: str, owner: str | None = OWNER, **more: Any) -> Document:
    return Document(page_content=text, metadata={**({} if owner is None else {"owner": owner}), **more})


def corpus_of(source: Any, path: Path | None = None, **more: Any) -> Corpus:
    return Corpus([source], path=path, embedding=HashEmbeddings(), objective=None, **more)


def on_disk(folder: Path, text: str) -> list[str]:
    """The files below the folder that hold the text."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file.name for file in files if text.encode() in file.read_bytes()]


async def found(corpus: Corpus, query: str, principal: Principal = ALICE) -> list[str]:
    snapshot = await corpus.search(query, principal=principal)
    return [document.page_content for document in snapshot.documents]


def test_what_a_principal_adds_is_sealed_for_it_and_what_the_application_adds_is_not(tmp_path: Path) -> None:
    keys = KeysInMemory()
    store = FaissVectorStore(HashEmbeddings(), tmp_path, keys=keys)
    store.for_principal(ALICE).add_texts([SECRET], [{"topic": "giraffe"}])
    store.add_texts(["a public platypus"])
    assert on_disk(tmp_path, SECRET) == on_disk(tmp_path, "giraffe") == []
    assert on_disk(tmp_path, "a public platypus")
    [document] = store.for_principal(ALICE).similarity_search("zebra", k=1, filter={"topic": "giraffe"})
    assert document.page_content == SECRET
    store.close()


def test_without_its_key_a_chunk_is_found_by_nobody_and_costs_no_result(tmp_path: Path) -> None:
    keys = KeysInMemory()
    store = FaissVectorStore(HashEmbeddings(), tmp_path, keys=keys)
    mine, his = store.for_principal(ALICE), store.for_principal(BOB)
    [id_] = mine.add_texts([SECRET])
    his.add_texts(["a zebra of bob"])
    keys.destroy(Subject("acme", "alice"))
    for sight in (mine, his):
        assert [d.page_content for d in sight.similarity_search("zebra", k=1)] == ["a zebra of bob"]
        assert sight.similarity_search("zebra", filter={"topic": "x"}) == []
        assert sight.get_by_ids([id_]) == []
    assert len(mine.max_marginal_relevance_search("zebra")) == 1
    [again] = mine.add_texts(["alice is back"])  # with another key
    assert [d.page_content for d in mine.get_by_ids([id_, again])] == ["alice is back"]
    store.close()


def test_what_was_moved_from_its_place_is_not_served_and_it_is_said(tmp_path: Path) -> None:
    store = FaissVectorStore(HashEmbeddings(), tmp_path, keys=KeysInMemory())
    mine = store.for_principal(ALICE)
    mine.add_texts(["first zebra", "second zebra"])
    with sqlite3.connect(tmp_path / database.FILE) as other:
        other.execute("UPDATE chunk SET text = (SELECT text FROM chunk WHERE row = 1) WHERE row = 0")
    other.close()
    assert [d.page_content for d in mine.similarity_search("first zebra", k=1)] == ["second zebra"]
    assert "1 chunks are not found: they are not what was sealed" in store.holdings.caveats
    store.close()


def test_the_application_says_whose_texts_are(tmp_path: Path) -> None:
    store = FaissVectorStore(HashEmbeddings(), tmp_path, keys=KeysInMemory())
    store.add_texts([SECRET], ids=["hers"], owner=OWNER)
    assert on_disk(tmp_path, SECRET) == []
    assert store.get_by_ids(["hers"]) == store.for_principal(BOB).get_by_ids(["hers"]) == []
    [document] = store.for_principal(ALICE).get_by_ids(["hers"])
    assert document.page_content == SECRET
    with pytest.raises(ConfigurationError, match="is no owner"):
        store.add_texts(["x"], owner="alice")
    with pytest.raises(PermissionDenied, match="belongs to user:acme/alice"):
        store.for_principal(BOB).add_texts(["x"], owner=OWNER)
    store.close()


@pytest.mark.anyio
async def test_a_document_of_a_source_arrives_with_its_owner_and_is_the_owners_alone(tmp_path: Path) -> None:
    source = Notes(hers=note(f"# Night\n\n{SECRET}"), all=note("zebras for everybody", None, readers=["*"]))
    corpus = corpus_of(source, tmp_path, keys=KeysInMemory())
    snapshot = await corpus.search("zebra at midnight", principal=ALICE)
    best = snapshot.documents[0]
    assert SECRET in best.page_content
    assert (best.metadata["owner"], best.metadata["readers"]) == (OWNER, [OWNER])
    assert await found(corpus, "zebra at midnight", BOB) == ["zebras for everybody"]
    assert on_disk(tmp_path, SECRET) == []
    source.documents["hers"] = note("an owner that is none", "alice")
    assert await found(corpus, "zebra at midnight") == ["zebras for everybody"]
    assert any("'alice' is no owner" in caveat for caveat in corpus.caveats)


@pytest.mark.anyio
async def test_connectors_know_owners(tmp_path: Path, folder: Folder) -> None:
    books = FolderSource(folder({"a.md": SECRET}), owner=OWNER)
    assert (await books.fetch("a.md")).metadata["owner"] == OWNER
    assert (await books.fetch("a.md")).metadata["readers"] == [OWNER]
    assert books.terms != FolderSource(folder({"a.md": SECRET})).terms
    with sqlite3.connect(tmp_path / "notes.db") as notes:
        notes.execute("CREATE TABLE note (id INTEGER, body TEXT, who TEXT)")
        notes.execute("INSERT INTO note VALUES (1, 'hers', 'user:acme/alice'), (2, 'all', NULL)")
    notes.close()
    rows = SQLSource(
        f"sqlite:///{tmp_path / 'notes.db'}", "select * from note", id="id", text="body", owner="who"
    )
    hers, everybodys = await rows.fetch("1"), await rows.fetch("2")
    assert (hers.metadata["owner"], hers.metadata["readers"]) == (OWNER, [OWNER])
    assert ("owner" in everybodys.metadata, everybodys.metadata["readers"]) == (False, ["*"])


@pytest.mark.anyio
async def test_keys_that_come_later_seal_what_lay_in_clear(tmp_path: Path) -> None:
    source = Notes(hers=note(SECRET))
    corpus = corpus_of(source, tmp_path)
    assert await found(corpus, "zebra") == [SECRET]
    assert on_disk(tmp_path, SECRET)
    keys = KeysInMemory()
    corpus.seal_with(Seal(keys))
    assert on_disk(tmp_path, SECRET) == []
    assert await found(corpus, "zebra") == [SECRET]
    without = corpus_of(source, tmp_path)
    assert await found(without, "zebra") == []
    without.seal_with(Seal(keys))
    assert await found(without, "zebra") == [SECRET]


@pytest.mark.anyio
async def test_a_corpus_with_keys_of_its_own_keeps_them(tmp_path: Path) -> None:
    own, others = KeysInMemory(), KeysInMemory()
    corpus = corpus_of(Notes(hers=note(SECRET)), tmp_path, keys=own)
    corpus.seal_with(Seal(others))
    assert await found(corpus, "zebra") == [SECRET]
    assert others.find(Subject("acme", "alice")) is None


def test_a_catalogue_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    first = sqlite3.connect(tmp_path / database.FILE)
    for statement in database.TABLES.split(";\n"):
        first.execute(statement)
    first.execute(f"PRAGMA application_id = {database.APPLICATION_ID}")
    first.execute("PRAGMA user_version = 1")
    first.execute("INSERT INTO readers VALUES (1, '[\"tenant:a/c%\"]')")
    first.execute(
        "INSERT INTO chunk (row, seq, readers, tenant, id, owner, metadata, text)"
        " VALUES (0, 1, 1, 'a/c%', 'x', 'al/ice', CAST('{}' AS BLOB), CAST('old zebra' AS BLOB))"
    )
    first.commit()
    first.close()
    store = FaissVectorStore(HashEmbeddings(), tmp_path, keys=KeysInMemory())
    with sqlite3.connect(tmp_path / database.FILE) as other:
        assert other.execute("SELECT owner FROM chunk").fetchall() == [("user:a%2Fc%25/al%2Fice",)]
    other.close()
    assert on_disk(tmp_path, "old zebra") == []
    store.close()


NAME, URI = "salary of Ada.md", "notes://ada/salary"
TITLED = f"---\ntitle: Ada earns much\n---\n# Pay\n\n{SECRET}"


def named_anywhere(folder: Path) -> list[str]:
    """Files that tell what alice's document is called, or what its text is, to whoever guesses it."""
    guesses = [sha256(one.encode()).hexdigest()[:16] for one in (SECRET, TITLED, NAME, f'"{NAME}"', URI)]
    return [file for one in (NAME, URI, "Ada earns much", *guesses) for file in on_disk(folder, one)]


@pytest.mark.anyio
async def test_what_an_owned_document_is_called_lies_nowhere_in_clear(tmp_path: Path) -> None:
    source = Notes(
        **{NAME: note(TITLED, source=URI), "public.md": note("a zebra for all", None, readers=["*"])}
    )
    keys = KeysInMemory()
    corpus = corpus_of(source, tmp_path, keys=keys)
    snapshot = await corpus.search("zebra at midnight", principal=ALICE)
    best = snapshot.documents[0].metadata
    assert (best["document_id"], best["source"], best["origin"]) == (NAME, URI, "notes")
    assert named_anywhere(tmp_path) == []
    assert on_disk(tmp_path, "public.md")
    assert await corpus.reconcile() == {"added": 0, "updated": 0, "deleted": 0}, "it is known again"
    again = corpus_of(source, tmp_path, keys=keys)
    assert await again.reconcile() == {"added": 0, "updated": 0, "deleted": 0}
    clear = f"notes/{NAME}@{best['version']}"
    assert await again.live({clear, best["ref"], "notes/~00@~00"}, principal=ALICE) == {clear, best["ref"]}
    assert await again.live({clear, best["ref"]}, principal=BOB) == set()
    source.documents[NAME] = note(f"{TITLED} again", source=URI)
    assert await again.reconcile() == {"added": 0, "updated": 1, "deleted": 0}
    assert await again.live({clear, best["ref"]}, principal=ALICE) == set(), "of that version"
    del source.documents[NAME]
    assert await again.reconcile() == {"added": 0, "updated": 0, "deleted": 1}
    assert await found(again, "zebra at midnight") == ["a zebra for all"]


@pytest.mark.anyio
async def test_a_forgotten_document_is_known_again_by_a_mark_that_nobody_can_guess(tmp_path: Path) -> None:
    source = Notes(**{NAME: note(SECRET, source=URI)})
    keys = KeysInMemory()
    corpus = corpus_of(source, tmp_path, keys=keys)
    assert await found(corpus, "zebra") == [SECRET]
    assert await corpus.forget(source="notes", document=NAME) == {"chunks": 1, "documents": 1}
    assert named_anywhere(tmp_path) == []
    again = corpus_of(source, tmp_path, keys=keys)
    assert await found(again, "zebra") == []
    assert await again.readmit(source="notes", document=NAME) == 1
    assert await found(again, "zebra") == [SECRET]


@pytest.mark.anyio
async def test_a_document_whose_key_is_gone_does_not_come_back_by_itself(tmp_path: Path) -> None:
    source = Notes(hers=note(SECRET))
    keys = KeysInMemory()
    corpus = corpus_of(source, tmp_path, keys=keys)
    assert await found(corpus, "zebra") == [SECRET]
    keys.destroy(Subject("acme", "alice"))
    assert await found(corpus, "zebra") == []
    again = corpus_of(source, tmp_path, keys=keys)
    assert await found(again, "zebra") == []
    assert keys.find(Subject("acme", "alice")) is None, "looking makes no key"
    assert await again.readmit(tenant="acme", owner="alice") == 0
    assert await found(again, "zebra") == [SECRET]


def test_ids_stay_the_tenants_own_although_they_lie_blind(tmp_path: Path) -> None:
    store = FaissVectorStore(HashEmbeddings(), tmp_path, keys=KeysInMemory())
    mine, his = store.for_principal(ALICE), store.for_principal(BOB)
    mine.add_texts([SECRET], ids=[NAME], readers=[OWNER])
    assert on_disk(tmp_path, NAME) == []
    with pytest.raises(PermissionDenied, match="one of these ids"):
        his.add_texts(["bob takes it"], ids=[NAME])
    his.delete([NAME])
    assert [d.id for d in mine.get_by_ids([NAME])] == [NAME]
    mine.add_texts(["another"], ids=[NAME], readers=[OWNER])
    assert [d.page_content for d in mine.similarity_search("zebra another")] == ["another"]
    mine.set_readers([NAME], ["tenant:acme"])
    assert [d.id for d in his.get_by_ids([NAME])] == [NAME]
    mine.delete([NAME])
    assert mine.get_by_ids([NAME]) == []
    store.close()


@pytest.mark.anyio
async def test_names_that_an_older_version_left_in_clear_are_sealed(tmp_path: Path) -> None:
    source = Notes(**{NAME: note(TITLED, source=URI)})
    corpus = corpus_of(source, tmp_path)  # without keys all lies as it is
    assert await found(corpus, "zebra") == [f"# Pay\n\n{SECRET}"]
    assert on_disk(tmp_path, NAME)
    keys = KeysInMemory()
    again = corpus_of(source, tmp_path, keys=keys)
    assert named_anywhere(tmp_path) == []
    assert await again.reconcile() == {"added": 0, "updated": 0, "deleted": 0}
    [document] = (await again.search("zebra", principal=ALICE)).documents
    assert document.metadata["document_id"] == NAME
    assert document.id == f"notes/{NAME}#0"
