"""What each store erases for a selector, and what a hold keeps there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from tests.memory.forgetting.desk import (
    MARK,
    alice,
    bob,
    bytes_below,
    fact,
    facts,
    has_read,
    has_run,
    has_said,
    item,
    items,
    olga,
    was_told,
)

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import NotFound
from pilotman.guardrails.seal import Forgotten, Subject
from pilotman.memory import Memory, Receipt, Selector

pytestmark = pytest.mark.anyio
ALICE = Selector(user="alice")
START = datetime(2026, 1, 2, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


async def has(memory: Memory, run_id: str) -> bool:
    try:
        await memory.journal.run(run_id, tenant="acme")
    except NotFound:
        return False
    return True


async def forget(memory: Memory, what: Selector, who: Principal = olga) -> Any:
    receipt = await memory.forgetting([]).forget(what, principal=who)
    assert receipt.is_complete, receipt.open
    return receipt


def has_key(memory: Memory, user: str = "alice") -> bool:
    keys = memory.seal.keys
    assert keys is not None
    return keys.find(Subject("acme", user)) is not None


async def fill(memory: Memory) -> None:
    for n in (1, 2):
        await has_run(memory, f"run_{n}", alice)
        await fact(memory, f"{MARK} {n}", source=f"run:run_{n}")
    await has_read(memory, "run_1", ("wiki", "a"))
    await item(memory, alice)


# selectors


def went(receipt: Receipt) -> dict[str, int]:
    """Of the stores where something went, how many things."""
    return {store: number for store, number in receipt.erased.items() if number}


async def test_what_a_source_said_goes_from_facts_and_from_the_runs_that_read_it(
    url: str, tmp_path: Path
) -> None:
    async with Memory(url) as memory:
        for n, (source, document) in enumerate((("wiki", "a"), ("wiki", "b"), ("wiki2", "a"))):
            await has_run(memory, f"run_{n}", alice)
            await has_read(memory, f"run_{n}", (source, document))
            await fact(memory, f"fact {n}", source=f"document:{source}/{document}@v1")
        both = ("document:wiki/a@v1", "document:news/x@v1")
        other = await fact(memory, "stands on two", source="user")
        await memory.fact_book.support(other, both[:1], alice)
        receipt = await forget(memory, Selector(source="wiki/a"))
        assert (receipt.erased["facts"], receipt.erased["runs"]) == (1, 1)
        bodies = [len(await memory.journal.payloads(f"run_{n}")) for n in range(3)]
        assert bodies == [0, 1, 1]
        assert await has(memory, "run_0"), "the run itself stays"
        receipt = await forget(memory, Selector(source="wiki", user="alice"), alice)
        assert (receipt.erased["facts"], receipt.erased["runs"]) == (1, 1)
        assert [len(await memory.journal.payloads(f"run_{n}")) for n in range(3)] == [0, 0, 1]
        assert "fact 2" in str(await memory.inventory(ALICE, principal=alice))
        assert (await memory.verify()).sound


async def test_an_answer_that_cites_other_sources_alone_stays_and_the_receipt_counts_it(url: str) -> None:
    async with Memory(url) as memory:
        for n, cited in enumerate(([("wiki", "a")], [("news", "x")], [])):
            await has_run(memory, f"run_{n}", alice)
            await has_read(memory, f"run_{n}", ("wiki", "a"), ("news", "x"))
            await has_said(memory, f"run_{n}", f"{MARK} {n}", *cited)
        receipt = await forget(memory, Selector(source="wiki"))
        assert went(receipt) == {"runs": 3 + 2}, "three bodies, two answers"
        assert "1" in receipt.left["runs"]
        said = [str(await memory.journal.events(f"run_{n}", tenant="acme")) for n in range(3)]
        assert [f"{MARK} {n}" in one for n, one in enumerate(said)] == [False, True, False]
        assert went(await forget(memory, Selector(source="wiki"))) == {}
        assert (await memory.verify()).sound


async def test_what_stood_on_nothing_but_what_goes_goes_with_it(url: str) -> None:
    async with Memory(url) as memory:
        first = await fact(memory, "from the wiki", source="document:wiki/a@v1")
        second = await fact(memory, "from that", source=f"fact:{first}")
        third = await fact(memory, "from that in turn", source=f"fact:{second}")
        both = await fact(memory, "from that or the news", source=f"fact:{first}")
        await memory.fact_book.support(both, ["document:news/x@v1"], alice)
        await memory.hold(Selector(fact_id=third), principal=olga, reason="a court asks")
        receipt = await forget(memory, Selector(source="wiki"))
        assert (receipt.erased["facts"], receipt.held) == (2, {"facts": 1})
        for gone in (first, second):
            with pytest.raises(Forgotten):
                await memory.fact_book.get(gone, alice)
        for stays in (third, both):
            assert (await memory.fact_book.get(stays, alice)).text


async def test_a_run_that_was_told_such_a_fact_has_read_the_source_too(url: str) -> None:
    async with Memory(url) as memory:
        one = await fact(memory, "from the wiki", source="document:wiki/a@v1")
        for run_id, told in (("run_1", one), ("run_2", "fact_of_something_else")):
            await has_run(memory, run_id, alice)
            await was_told(memory, run_id, told)
            await has_said(memory, run_id, MARK)
        receipt = await forget(memory, Selector(source="wiki"))
        assert (receipt.erased["facts"], receipt.erased["runs"]) == (1, 2)
        assert MARK not in str(await memory.journal.events("run_1", tenant="acme"))
        assert MARK in str(await memory.journal.events("run_2", tenant="acme"))


async def test_a_run_that_goes_on_with_what_it_has_read_keeps_the_order_open_until_it_ends(url: str) -> None:
    async with Memory(url) as memory:
        one = await fact(memory, "from the wiki", source="document:wiki/a@v1")
        await has_run(memory, "run_1", alice, state="ESCALATED")
        await was_told(memory, "run_1", one)
        receipt = await memory.forgetting([]).forget(Selector(source="wiki"), principal=olga)
        assert receipt.open.keys() == {"runs"}
        assert "run_1" in receipt.open["runs"]
        assert receipt.erased["facts"] == 1
        ended = "UPDATE runs SET state = 'CANCELLED' WHERE run_id = 'run_1'"
        await memory.journal.transact(lambda connection: connection.execute(text(ended)))
        (done,) = await memory.forgetting([]).go_on()
        assert done.is_complete
        assert went(done) == {"facts": 1, "provenance": 1, "runs": 1}
        assert await memory.journal.payloads("run_1") == {}


async def test_a_run_goes_with_the_facts_and_items_that_come_from_it_alone(url: str) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        receipt = await forget(memory, Selector(run_id="run_1"))
        assert (receipt.erased["runs"], receipt.erased["facts"]) == (1, 1)
        assert (await has(memory, "run_1"), await has(memory, "run_2")) == (False, True)
        assert await facts(memory) == [f"{MARK} 2"]
        assert await items(memory, alice) == 1
        assert has_key(memory)


async def test_one_fact_goes_alone(url: str) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        one = await fact(memory, "one of many")
        erased = (await forget(memory, Selector(fact_id=one))).erased
        assert {name: n for name, n in erased.items() if n} == {"facts": 1, "provenance": 1}
        assert await facts(memory) == [f"{MARK} 1", f"{MARK} 2"]


async def test_only_what_is_older_goes(url: str, clock: Clock) -> None:
    async with Memory(url, clock=clock) as memory:
        await has_run(memory, "run_old", alice)
        await fact(memory, "old")
        await item(memory, alice, "old", "durable")
        clock.now += timedelta(days=2)
        await has_run(memory, "run_new", alice)
        await fact(memory, "new")
        await item(memory, alice, "new", "durable")
        await forget(memory, Selector(user="alice", before=START + timedelta(days=1)), alice)
        assert (await has(memory, "run_old"), await has(memory, "run_new")) == (False, True)
        assert await facts(memory) == ["new"]
        assert await items(memory, alice, "durable") == 1
        assert has_key(memory), "what is new stays readable"
        assert (await memory.verify()).sound


# holds


@pytest.mark.parametrize(
    ("what", "runs", "told", "kept"),
    [
        (Selector(user="alice"), (True, True), 2, 1),
        (Selector(run_id="run_1"), (True, False), 1, 0),
        (Selector(source="wiki"), (True, False), 0, 0),
        (Selector(user="bob"), (False, False), 0, 0),
    ],
)
async def test_a_hold_keeps_what_it_covers_and_nothing_else(
    url: str, what: Selector, runs: tuple[bool, bool], told: int, kept: int
) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        await item(memory, bob)
        hold = await memory.hold(what, principal=olga, reason="a court asks")
        receipt = await forget(memory, ALICE, alice)
        assert has_key(memory) == bool(receipt.held)
        assert (await has(memory, "run_1"), await has(memory, "run_2")) == runs
        assert len(await memory.inventory(ALICE, principal=alice)) >= told
        assert await items(memory, alice) == kept
        assert bool(receipt.held) == any(runs)
        await memory.lift(hold.hold_id, principal=olga, reason="the court is done")
        again = await forget(memory, ALICE, alice)
        assert not again.held
        assert not has_key(memory)
        assert not await has(memory, "run_1")
        assert (await facts(memory), await items(memory, alice)) == ([], 0)
        assert (await memory.verify()).sound


async def test_a_hold_on_a_fact_keeps_it_readable(url: str, tmp_path: Path) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        one = await fact(memory, "evidence")
        await memory.hold(Selector(fact_id=one), principal=olga, reason="a court asks")
        receipt = await forget(memory, ALICE, alice)
        assert receipt.held == {"facts": 1}
        assert await facts(memory) == ["evidence"]
        assert not await has(memory, "run_1")
    assert not bytes_below(tmp_path, MARK, "evidence")


async def test_a_hold_on_a_source_keeps_facts_that_stand_on_it_and_bodies_of_runs_that_read_it(
    url: str,
) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        one = await fact(memory, "stands on it", source="user", derived_from=["document:wiki/a@v1"])
        await memory.hold(Selector(source="wiki"), principal=olga, reason="a court asks")
        receipt = await forget(memory, Selector(source="wiki/a"))
        assert receipt.held == {"facts": 1, "runs": 1}
        assert len(await memory.journal.payloads("run_1")) == 1
        kept = await memory.inventory(ALICE, principal=alice)
        assert one in str(kept)
