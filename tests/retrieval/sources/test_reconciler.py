from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from langchain_core.documents import Document

from pilotman.guardrails.errors import ConfigurationError, NotFound, Unavailable
from pilotman.retrieval.sources.reconciler import Fetched, Outcome, Reconciler

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class Notes:
    """A source in memory; what is in ``broken`` cannot be fetched."""

    name = "notes"
    max_staleness = timedelta(minutes=5)
    max_age: timedelta | None = None

    def __init__(self, **texts: str) -> None:
        self.texts = texts
        self.broken: dict[str, Exception] = {}
        self.fetched: list[str] = []
        self.at_once = self.most = 0

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        for one, text in self.texts.items():
            yield one, text

    async def fetch(self, document_id: str) -> Document:
        self.fetched.append(document_id)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if document_id in self.broken:
            raise self.broken[document_id]
        return Document(page_content=self.texts[document_id])


class Log:
    """A stock that keeps what is done to it, in order."""

    def __init__(self) -> None:
        self.held: dict[str, str] = {}
        self.log: list[tuple[str, ...]] = []
        self.refused: dict[str, str] = {}
        self.until: dict[str, datetime | None] = {}

    async def versions(self, source: str) -> Mapping[str, str]:
        return dict(self.held)

    async def stopped(self, source: str, document_ids: Collection[str]) -> Collection[str]:
        return ()

    async def delete(self, source: str, document_ids: Collection[str]) -> None:
        self.log.append(("delete", *sorted(document_ids)))
        for one in document_ids:
            self.held.pop(one, None)

    async def put(self, source: str, documents: Sequence[Fetched]) -> Mapping[str, str]:
        self.log.append(("put", *(one.document_id for one in documents)))
        for one in documents:
            self.held[one.document_id] = one.listed
            self.until[one.document_id] = one.until
        refused = {one: why for one, why in self.refused.items() if one in self.held}
        for document_id in refused:
            del self.held[document_id]
        return refused

    async def confirm(self, source: str, document_ids: Collection[str], *, until: datetime) -> None:
        self.log.append(("confirm", *sorted(document_ids)))
        self.until |= dict.fromkeys(document_ids, until)


def reconciler(stock: Log, **more: Any) -> Reconciler:
    return Reconciler(stock, clock=lambda: NOW, **more)


def counts(outcome: Outcome) -> tuple[int, int, int, int]:
    return outcome.added, outcome.updated, outcome.deleted, outcome.documents


async def test_what_was_deleted_goes_before_anything_is_fetched() -> None:
    notes, stock = Notes(a="1", b="1"), Log()
    run = reconciler(stock)
    assert counts(await run.run(notes, "notes")) == (2, 0, 0, 2)
    notes.texts = {"b": "2", "c": "1"}
    stock.log.clear()
    assert counts(await run.run(notes, "notes")) == (1, 1, 1, 2)
    assert stock.log == [("delete", "a"), ("put", "c", "b")]
    assert stock.held == {"b": "2", "c": "1"}
    stock.log.clear()
    assert counts(await run.run(notes, "notes")) == (0, 0, 0, 2)
    assert stock.log == []


async def test_a_listing_that_fails_or_breaks_off_changes_nothing() -> None:
    class Breaks(Notes):
        async def list(self) -> AsyncIterator[tuple[str, str]]:
            yield "a", "1"
            raise OSError("reset by peer\nsecond line")

    stock = Log()
    stock.held = {"a": "1", "b": "1"}
    with pytest.raises(Unavailable, match=r"the source notes could not be listed: OSError: reset by peer$"):
        await reconciler(stock).run(Breaks(), "notes")
    assert stock.log == []


async def test_a_listing_that_hangs_ends() -> None:
    class Hangs(Notes):
        async def list(self) -> AsyncIterator[tuple[str, str]]:
            await asyncio.sleep(3_600)
            yield "a", "1"

    with pytest.raises(Unavailable, match="no answer within"):
        await reconciler(Log(), listing_timeout=0.01).run(Hangs(), "notes")


async def test_one_document_that_cannot_be_fetched_holds_up_no_other() -> None:
    notes, stock = Notes(a="1", b="1", c="1"), Log()
    notes.broken["b"] = OSError("reset")
    outcome = await reconciler(stock).run(notes, "notes")
    assert stock.held == {"a": "1", "c": "1"}
    assert str(outcome.error) == "b of notes could not be fetched: OSError: reset"
    notes.broken.clear()
    assert counts(await reconciler(stock).run(notes, "notes")) == (1, 0, 0, 3)


async def test_an_update_that_cannot_be_fetched_leaves_the_old_version() -> None:
    notes, stock = Notes(a="2"), Log()
    stock.held = {"a": "1"}
    notes.broken["a"] = OSError("reset")
    outcome = await reconciler(stock).run(notes, "notes")
    assert stock.held == {"a": "1"}
    assert counts(outcome) == (0, 0, 0, 1)
    assert outcome.error is not None


async def test_a_source_that_fails_again_and_again_is_left_for_later() -> None:
    texts = {f"{n:03}": "1" for n in range(100)}
    notes, stock = Notes(**texts), Log()
    notes.broken = {one: OSError("gone") for one in texts}
    await reconciler(stock, at_once=2).run(notes, "notes")
    assert len(notes.fetched) < 10


async def test_at_most_so_many_are_fetched_at_once_and_put_by_batches() -> None:
    notes, stock = Notes(**{f"{n:02}": "1" for n in range(25)}), Log()
    await reconciler(stock, at_once=4, batch=10).run(notes, "notes")
    assert notes.most == 4
    assert [len(call) - 1 for call in stock.log] == [10, 10, 5]


async def test_what_goes_between_listing_and_fetch_is_deleted() -> None:
    notes, stock = Notes(a="2", b="1"), Log()
    stock.held = {"a": "1"}
    notes.broken = {"a": NotFound("a"), "b": NotFound("b")}
    outcome = await reconciler(stock).run(notes, "notes")
    assert stock.held == {}
    assert counts(outcome) == (0, 0, 1, 0)
    assert outcome.error is None


async def test_what_cannot_be_served_is_named_taken_away_and_not_asked_for_again() -> None:
    notes, stock = Notes(a="2", b="1", c="1"), Log()
    stock.held = {"a": "1"}
    stock.refused = {"b": "no readers"}
    notes.broken["a"] = ConfigurationError("it is not UTF-8")
    run = reconciler(stock)
    for _ in range(2):
        outcome = await run.run(notes, "notes")
        assert stock.held == {"c": "1"}
        assert outcome.caveats == (
            "a of notes is not served: it is not UTF-8",
            "b of notes is not served: no readers",
        )
    assert sorted(notes.fetched) == ["a", "b", "c"]
    notes.texts["a"], notes.broken = "3", {}
    outcome = await run.run(notes, "notes")
    assert stock.held == {"a": "3", "c": "1"}
    assert len(outcome.caveats) == 1


async def test_documents_of_a_source_with_an_age_hold_from_each_listing_on() -> None:
    notes, stock = Notes(a="1"), Log()
    notes.max_age = timedelta(hours=1)
    await reconciler(stock).run(notes, "notes")
    assert stock.until == {"a": NOW + timedelta(hours=1)}
    notes.max_age = timedelta(hours=2)
    await reconciler(stock).run(notes, "notes")
    assert stock.until == {"a": NOW + timedelta(hours=2)}
    assert stock.log[-1] == ("confirm", "a")
