"""Sources that are kept fresh on their own schedules, and what is told of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langchain_core.documents import Document
from tests.patience import in_time, pass_time, until

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import Unavailable
from pilotman.retrieval import Corpus
from pilotman.retrieval.sources import freshness as module

pytestmark = pytest.mark.anyio

ALICE = Principal(tenant="acme", user="alice")


class Notes:
    """A source in memory, with a time of listing and faults."""

    def __init__(self, name: str = "notes", *, max_staleness: timedelta = timedelta(minutes=5)) -> None:
        self.name = name
        self.max_staleness = max_staleness
        self.max_age: timedelta | None = None
        self.texts = {"a": "the disk"}
        self.metadata: dict[str, Any] = {}
        self.broken: Exception | None = None
        self.free = asyncio.Event()
        self.free.set()
        self.listings = 0

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        self.listings += 1
        await self.free.wait()
        if self.broken is not None:
            raise self.broken
        for one, text in self.texts.items():
            yield one, text

    async def fetch(self, document_id: str) -> Document:
        return Document(page_content=self.texts[document_id], metadata={"readers": ["*"], **self.metadata})


class Ticking:
    """The loop's time as a date: ``pass_time`` moves it."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.start = self.loop.time()

    def __call__(self) -> datetime:
        passed = self.loop.time() - self.start
        return datetime(2026, 1, 5, 12, 0, tzinfo=UTC) + timedelta(seconds=passed)


def sources(corpus: Corpus) -> Callable[[], Any]:
    async def found() -> set[str]:
        snapshot = await corpus.search("the disk", principal=ALICE)
        return {document.metadata["source"] for document in snapshot.documents}

    return found


def corpus_of(*notes: Notes, clock: Callable[[], datetime], jitter: float = 0.0) -> Corpus:
    return Corpus(notes, embedding=None, clock=clock, jitter=lambda: jitter)


def just_listed(corpus: Corpus) -> list[bool]:
    """Of each source, whether a pass has ended that began a moment ago."""
    ages = [status.staleness for status in corpus.status()]
    return [age is not None and age < timedelta(seconds=25) for age in ages]


async def test_each_source_is_listed_on_its_own_schedule() -> None:
    often, seldom = (
        Notes("often", max_staleness=timedelta(minutes=1)),
        Notes("seldom", max_staleness=timedelta(hours=1)),
    )
    async with corpus_of(often, seldom, clock=Ticking()) as corpus:
        await until(lambda: all(just_listed(corpus)))
        for round_ in range(2, 6):
            pass_time(50)
            await until(lambda: just_listed(corpus)[0])
            assert often.listings == round_
        assert seldom.listings == 1
        pass_time(3_000)
        await until(lambda: seldom.listings == 2)
    assert often.listings >= 6


async def test_a_deletion_arrives_without_a_search_that_asks_for_it() -> None:
    notes = Notes()
    notes.texts["b"] = "the disk too"
    corpus = corpus_of(notes, clock=Ticking())
    async with corpus:
        await until(lambda: corpus.status()[0].documents == 2)
        del notes.texts["b"]
        pass_time(299)
        await until(lambda: corpus.status()[0].documents == 1)
        listings = notes.listings
        assert await sources(corpus)() == {"a"}
        assert notes.listings == listings


async def test_after_the_end_nobody_lists() -> None:
    notes = Notes()
    async with corpus_of(notes, clock=Ticking()):
        await until(lambda: notes.listings == 1)
    pass_time(3_600)
    for _ in range(5):
        await asyncio.sleep(0)
    assert notes.listings == 1


async def test_a_source_that_hangs_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    hung, well = Notes("hung"), Notes("well")
    clock = Ticking()
    corpus = corpus_of(hung, well, clock=clock)
    await corpus.reconcile()
    hung.free.clear()
    async with corpus:
        for _ in range(3):
            well.texts = {f"b{well.listings}": "the disk"}
            pass_time(300)
            await until(lambda: just_listed(corpus)[1])
        with in_time():
            await until(lambda: corpus.status()[1].fresh)
            assert {"a", *well.texts} <= await sources(corpus)()
        assert not corpus.status()[0].fresh
        assert any(
            caveat.startswith("hung was last listed 15 min") and caveat.endswith("its objective is 5 min")
            for caveat in corpus.caveats
        )
        hung.free.set()
        await until(lambda: corpus.status()[0].fresh)
    assert not any("hung" in caveat for caveat in corpus.caveats)


async def test_a_source_that_cannot_be_read_at_the_start_is_told_while_the_others_serve() -> None:
    gone, well = Notes("gone"), Notes("well")
    gone.broken = OSError("refused")
    corpus = corpus_of(gone, well, clock=Ticking())
    assert await sources(corpus)() == {"a"}
    assert any(caveat.startswith("gone has not been read yet: ") for caveat in corpus.caveats)
    well.broken = OSError("refused")
    with pytest.raises(Unavailable):
        await corpus_of(gone, well, clock=Ticking()).search("disk", principal=ALICE)


async def test_a_source_that_fails_is_tried_again_later_and_later() -> None:
    notes = Notes()
    corpus = corpus_of(notes, clock=Ticking())
    await corpus.reconcile()
    notes.broken = OSError("refused")
    async with corpus:
        pass_time(240)
        for failures, wait in enumerate((1, 2, 4, 8, 16), start=1):
            await until(lambda failures=failures: corpus.status()[0].failures == failures)  # type: ignore[misc]
            pass_time(wait)
        notes.broken = None
        pass_time(300)
        await until(lambda: corpus.status()[0].failures == 0)


async def test_an_origin_that_asks_for_patience_gets_it(clock: Any) -> None:
    notes = Notes(max_staleness=timedelta(seconds=1))
    corpus = corpus_of(notes, clock=clock)
    await corpus.reconcile()
    notes.broken = Unavailable("busy", retry_after=120)
    for _ in range(5):
        clock.forward(seconds=20)
        await sources(corpus)()
    assert notes.listings == 2
    clock.forward(seconds=60)
    await sources(corpus)()
    assert notes.listings == 3


async def test_a_row_for_each_source_says_how_fresh_it_is(clock: Any) -> None:
    notes = Notes()
    corpus = corpus_of(notes, clock=clock)
    (row,) = corpus.status()
    assert (row.documents, row.staleness, row.fresh) == (0, None, False)
    await corpus.reconcile()
    clock.forward(minutes=4)
    (row,) = corpus.status()
    assert (row.source, row.documents, row.staleness, row.fresh) == ("notes", 1, timedelta(minutes=4), True)
    assert row.to_dict()["staleness_s"] == 240
    notes.broken = OSError("refused")
    clock.forward(minutes=2)
    await sources(corpus)()
    (row,) = corpus.status()
    assert (row.failures, row.fresh) == (1, False)
    assert "refused" in row.error


async def test_a_large_loss_takes_effect_at_once_and_is_told_for_a_day(clock: Any) -> None:
    notes = Notes()
    notes.texts = {f"n{n}": f"the disk {n}" for n in range(40)}
    corpus = corpus_of(notes, clock=clock)
    await corpus.reconcile()
    notes.texts = {"n0": "the disk 0"}
    clock.forward(minutes=6)
    assert await sources(corpus)() == {"n0"}
    said = "notes: 39 of 40 documents went at once, at 2026-01-05 12:06 UTC"
    assert said in corpus.caveats
    clock.forward(hours=23)
    await sources(corpus)()
    assert said in corpus.caveats
    clock.forward(hours=2)
    await sources(corpus)()
    assert said not in corpus.caveats


async def test_what_has_expired_is_not_served(clock: Any) -> None:
    notes = Notes(max_staleness=timedelta(days=9))
    notes.metadata = {"expires_at": "2026-01-05T15:00:00+01:00"}
    corpus = corpus_of(notes, clock=clock)
    snapshot = await corpus.search("the disk", principal=ALICE)
    assert snapshot.documents[0].metadata["expires_at"] == "2026-01-05T14:00:00+00:00"
    clock.forward(minutes=119)
    assert await sources(corpus)() == {"a"}
    clock.forward(minutes=1)
    assert await sources(corpus)() == set()


async def test_documents_expire_when_their_source_was_not_listed_for_too_long(clock: Any) -> None:
    notes = Notes(max_staleness=timedelta(minutes=30))
    notes.max_age = timedelta(hours=2)
    corpus = corpus_of(notes, clock=clock)
    await sources(corpus)()
    for _ in range(5):
        clock.forward(hours=1)
        assert await sources(corpus)() == {"a"}
    notes.broken = OSError("refused")
    clock.forward(hours=1)
    assert await sources(corpus)() == {"a"}
    clock.forward(hours=1)
    assert await sources(corpus)() == set()
    notes.broken = None
    clock.forward(hours=1)
    assert await sources(corpus)() == {"a"}


async def test_sources_of_one_name_are_kept_apart(clock: Any) -> None:
    one, other = Notes("notes"), Notes("notes")
    other.texts = {"a": "the disk again"}
    corpus = corpus_of(one, other, clock=clock)
    await corpus.reconcile()
    assert [row.documents for row in corpus.status()] == [1, 1]
    one.texts = {}
    await corpus.reconcile()
    (found,) = (await corpus.search("the disk", principal=ALICE)).documents
    assert found.page_content == "the disk again"


async def test_a_search_that_is_given_up_leaves_the_listing_to_end_by_itself(clock: Any) -> None:
    notes = Notes()
    notes.free.clear()
    corpus = corpus_of(notes, clock=clock)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await corpus.search("disk", principal=ALICE)
    notes.free.set()
    await until(lambda: corpus.status()[0].documents == 1)
    assert notes.listings == 1


async def test_a_search_at_the_opening_and_the_background_list_a_source_once() -> None:
    notes = Notes()
    corpus = corpus_of(notes, clock=Ticking())
    async with corpus:
        assert await sources(corpus)() == {"a"}
        for _ in range(5):
            await asyncio.sleep(0)
        assert notes.listings == 1
        await corpus.reconcile()
        assert notes.listings == 2, "who asks for it gets a new listing"
