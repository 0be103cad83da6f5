"""What a corpus forgets: document by document, by whose, whence and when, but what is held."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.retrieval.conftest import HashEmbeddings
from tests.retrieval.test_sealing import Notes, note
from tests.supervisor.remains import olga

from pilotman.guardrails import Principal
from pilotman.guardrails.seal import Subject
from pilotman.memory import Memory, Receipt, Selector
from pilotman.retrieval import Corpus
from pilotman.supervisor.forgetting import corpus_stores

pytestmark = pytest.mark.anyio
alice = Principal(tenant="acme", user="alice")
ALICE = Selector(user="alice")
START = datetime(2026, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


class Desk:
    """A memory, and a corpus of two of alice's documents and one of bob's."""

    def __init__(self, memory: Memory, folder: Path) -> None:
        self.memory, self.clock = memory, Clock()
        notes = {f"{user}/{n}": f"the drawer number {n} of {user}" for user, n in OWNED}
        self.notes = Notes(**{one: note(text, f"user:acme/{one[:-2]}") for one, text in notes.items()})
        self.corpus = Corpus(
            [self.notes], path=folder / "corpus", embedding=HashEmbeddings(), objective=None, clock=self.clock
        )
        self.corpus.seal_with(memory.seal)

    async def forget(self, what: Selector) -> Receipt:
        forgetting = self.memory.forgetting(corpus_stores([self.corpus]))
        receipt = await forgetting.forget(what, principal=olga)
        assert receipt.is_complete, receipt.open
        return receipt

    async def kept(self, user: str = "alice") -> list[str]:
        await self.corpus.reconcile()  # what was forgotten does not come back by that
        found = await self.corpus.pieces(tenant="acme", owner=user)
        return sorted({min(name for name, _ in piece.names) for piece in found})  # a pseudonym comes last

    def has_key(self) -> bool:
        keys = self.memory.seal.keys
        assert keys is not None
        return keys.find(Subject("acme", "alice")) is not None


OWNED = (("alice", 1), ("alice", 2), ("bob", 1))


async def desk_at(memory: Memory, folder: Path) -> Desk:
    desk = Desk(memory, folder)
    assert await desk.kept() == ["alice/1", "alice/2"]
    return desk


def chunks(receipt: Receipt) -> Mapping[str, Any]:
    told = {"erased": receipt.erased, "held": receipt.held, "left": receipt.left}
    return {name: n for name, of in told.items() for store, n in of.items() if store.startswith("corpus-")}


async def test_a_hold_keeps_the_documents_that_it_covers_and_the_others_go(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        desk = await desk_at(memory, tmp_path)
        hold = await memory.hold(Selector(source="notes/alice/1"), principal=olga, reason="a court asks")
        assert chunks(await desk.forget(ALICE)) == {"erased": 1, "held": 1}
        assert await desk.kept() == ["alice/1"]
        assert desk.has_key(), "what is held can be read"
        snapshot = await desk.corpus.search("the drawer number", principal=alice)
        assert [one.page_content for one in snapshot.documents] == ["the drawer number 1 of alice"]
        await memory.lift(hold.hold_id, principal=olga, reason="the court is done")
        assert chunks(await desk.forget(ALICE)) == {"erased": 1}
        assert (await desk.kept(), await desk.kept("bob"), desk.has_key()) == ([], ["bob/1"], False)


@pytest.mark.parametrize(
    "held",
    [
        Selector(user="bob"),
        Selector(source="notes/bob"),
        Selector(source="elsewhere"),
        Selector(run_id="run_1"),
        Selector(user="alice", before=START - DAY),
    ],
)
async def test_a_hold_on_something_else_keeps_nothing(tmp_path: Path, held: Selector) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        desk = await desk_at(memory, tmp_path)
        await memory.hold(held, principal=olga, reason="a court asks")
        assert chunks(await desk.forget(ALICE)) == {"erased": 2}
        assert (await desk.kept(), await desk.kept("bob")) == ([], ["bob/1"])


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("notes", ("", "")),
        ("notes/alice", ("", "bob/1")),
        ("document:notes/alice/1", ("alice/2", "bob/1")),
        ("note", ("alice/1 alice/2", "bob/1")),
        ("run:notes", ("alice/1 alice/2", "bob/1")),
    ],
)
async def test_a_source_means_all_that_is_in_it(tmp_path: Path, source: str, kept: tuple[str, str]) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        desk = await desk_at(memory, tmp_path)
        await desk.forget(Selector(source=source))
        assert (" ".join(await desk.kept()), " ".join(await desk.kept("bob"))) == kept
        assert desk.has_key(), "she may own more than that"


async def test_only_documents_that_are_older_go(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        desk = await desk_at(memory, tmp_path)
        desk.clock.now += 2 * DAY
        desk.notes.documents["alice/2"] = note("another drawer")
        assert await desk.kept() == ["alice/1", "alice/2"]
        receipt = await desk.forget(Selector(user="alice", before=START + DAY))
        assert chunks(receipt) == {"erased": 1}
        assert await desk.kept() == ["alice/2"]
        assert desk.has_key()


async def test_what_has_no_time_is_left_and_the_receipt_says_so(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path}/desk.db") as memory:
        desk = await desk_at(memory, tmp_path)
        store = desk.corpus.store.for_principal(alice)
        (added,) = store.add_texts(["a drawer of her own"], owner="user:acme/alice")
        receipt = await desk.forget(Selector(user="alice", before=START + DAY))
        assert chunks(receipt)["erased"] == 2
        assert "1" in chunks(receipt)["left"]
        assert await desk.kept() == [added]
        (told,) = await memory.receipts(principal=olga)
        assert told == receipt
        await memory.hold(Selector(user="alice", before=START), principal=olga, reason="it may be older")
        assert chunks(await desk.forget(ALICE)) == {"erased": 0, "held": 1}
        assert await desk.kept() == [added]
