"""A memory that is in use is anchored every so often, and when it closes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.memory.vault import Kept, Vault, event, run

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.memory import Anchors, Memory
from pilotman.memory.audit.anchor import Anchor
from pilotman.memory.audit.keys import PublicKey

pytestmark = pytest.mark.anyio
OFTEN = timedelta(milliseconds=5)
SELDOM = timedelta(days=1)


async def note(memory: Memory, run_id: str) -> None:
    await memory.journal.create_run(run(run_id), events=[event("started")])


def anchors(store: Kept) -> list[Anchor]:
    return [Anchor.from_json(line) for line in store.kept]


async def test_what_was_added_is_anchored_while_the_memory_is_in_use(url: str) -> None:
    store = Kept()
    async with Memory(url, anchors=Anchors(to=store, every=OFTEN)) as memory:
        for n in range(3):
            await note(memory, f"run_{n}")
            while not store.kept or anchors(store)[-1].runs <= n:
                await asyncio.sleep(0.005)
    assert [anchor.events for anchor in anchors(store)] == [1, 2, 3], "nothing new, no anchor"


async def test_closing_anchors_what_was_added_last(url: str, clock: Any) -> None:
    store = Kept()
    async with Memory(url, anchors=Anchors(to=store, every=SELDOM), clock=clock) as memory:
        await note(memory, "run_1")
        memory.journal.append("run_1", [event("last")])
    (anchor,) = anchors(store)
    assert (anchor.events, anchor.at, anchor.key) == (2, clock.now, "")


async def test_a_journal_without_events_is_not_anchored() -> None:
    store = Kept()
    async with Memory(anchors=Anchors(to=store, every=OFTEN)):
        await asyncio.sleep(0.05)
    assert store.kept == []


async def test_a_key_signs_and_its_public_half_verifies(shared_url: str, tmp_path: Path) -> None:
    place, key = tmp_path / "away" / "anchors.jsonl", tmp_path / "audit.key"
    memory = Memory(shared_url, anchors=Anchors(to=place, key=key, every=SELDOM))
    async with memory:
        await note(memory, "run_1")
    anchor = Anchor.from_json(place.read_text())
    assert anchor.signed_by(PublicKey.load(tmp_path / "audit.pub"))
    report = await memory.verify(anchors=place, key=tmp_path / "audit.pub")
    assert report.sound
    assert report.unprotected_events == 0
    await asyncio.to_thread(Vault(shared_url).edit, "run_1", 1, "data", "{}")
    assert not (await memory.verify(anchors=place, key=tmp_path / "audit.pub")).sound


async def test_it_goes_on_after_it_was_closed(shared_url: str) -> None:
    store = Kept()
    memory = Memory(shared_url, anchors=Anchors(to=store, every=SELDOM))
    for n in range(2):
        async with memory:
            await memory.start()
            await note(memory, f"run_{n}")
        await memory.aclose()
    assert [anchor.runs for anchor in anchors(store)] == [1, 2]


class Failing(Kept):
    """A store that cannot be reached until it is mended."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = 0
        self.mended = False

    def append(self, line: str) -> None:
        self.tries += 1
        if not self.mended:
            raise Unavailable("the anchors' disk is full")
        super().append(line)

    def lines(self) -> Iterator[str]:
        raise Unavailable("the anchors' disk is full")


async def test_a_place_that_cannot_be_reached_does_not_stop_the_work(url: str) -> None:
    store = Failing()
    async with Memory(url, anchors=Anchors(to=store, every=OFTEN)) as memory:
        await note(memory, "run_1")
        while store.tries < 3:
            await asyncio.sleep(0.005)
        await note(memory, "run_2")
        store.mended = True
    assert anchors(store)[-1].runs == 2


async def test_what_could_not_be_anchored_at_the_end_is_told_and_the_journal_is_closed(url: str) -> None:
    memory = Memory(url, anchors=Anchors(to=Failing(), every=SELDOM))
    with pytest.raises(Unavailable, match="disk is full"):
        async with memory:
            await note(memory, "run_1")
    assert not memory.journal.started


async def test_a_place_or_key_that_cannot_work_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        Memory(anchors=Anchors(to="nosuch://host/db"))
    with pytest.raises(ConfigurationError, match="pause"):
        Anchors(to="anchors", every=timedelta())
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    with pytest.raises(ConfigurationError, match="another"):
        Memory(url, anchors=Anchors(to=url))
    (tmp_path / "audit.key").write_text("no key")
    memory = Memory(url, anchors=Anchors(to=tmp_path / "a", key=tmp_path / "audit.key"))
    with pytest.raises(ConfigurationError):
        await memory.start()
    await memory.aclose()


async def test_what_is_kept_in_memory_cannot_be_audited() -> None:
    with pytest.raises(ConfigurationError, match="in memory"):
        await Memory().verify()
