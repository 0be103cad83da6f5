"""Forgetting goes through every store, goes on after a crash, counts once, and leaves a receipt."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.memory.forgetting.desk import (
    MARK,
    Crash,
    Fails,
    alice,
    bob,
    bytes_below,
    eve,
    fact,
    facts,
    has_run,
    item,
    items,
    olga,
    unreachable,
)

from pilotman.guardrails.errors import InvalidRequest, NotFound, PermissionDenied
from pilotman.guardrails.seal import Subject
from pilotman.memory import Memory, Receipt, Selector
from pilotman.memory.forgetting.forgetting import Forgetting
from pilotman.memory.forgetting.receipt import digest_of

pytestmark = pytest.mark.anyio
ALICE = Selector(user="alice")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'desk.db'}"


async def fill(memory: Memory) -> None:
    for who in (alice, bob):
        await has_run(memory, f"run_{who.user}", who)
        await fact(memory, f"{MARK} of {who.user}", who)
        await item(memory, who)
        await item(memory, who, space="durable")


async def untouched(memory: Memory) -> None:
    assert (await memory.journal.run("run_bob", tenant="acme")).request == {"text": MARK}
    assert await facts(memory, bob) == [f"{MARK} of bob"]
    assert (await items(memory, bob), await items(memory, bob, "durable")) == (1, 1)


async def gone(memory: Memory) -> None:
    with pytest.raises(NotFound):
        await memory.journal.run("run_alice", tenant="acme")
    assert await facts(memory) == []
    assert (await items(memory, alice), await items(memory, alice, "durable")) == (0, 0)


async def checked(memory: Memory, receipt: Receipt) -> None:
    """The receipt's digest and numbers are those of its marks, and it holds nothing of content."""
    marks = await memory.archive.marks(receipt.receipt_id, tenant="acme")
    assert receipt.digest == digest_of(marks)
    assert sum(receipt.erased.values()) == len(marks)
    assert MARK not in str((receipt, marks))
    told = [one for one in await memory.receipts(principal=olga) if one.receipt_id == receipt.receipt_id]
    assert told == [receipt]


async def test_all_of_a_user_goes_and_the_receipt_says_what_went(url: str, tmp_path: Path) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        receipt = await memory.forgetting([]).forget(ALICE, principal=alice)
        assert receipt.is_complete
        whole = {"runs": 2, "facts": 1, "items": 2, "graphs": 0, "keys": 1, "provenance": 3}  # run and book
        assert receipt.erased == whole
        await checked(memory, receipt)
        await gone(memory)
        await untouched(memory)
        again = await memory.forgetting([]).forget(ALICE, principal=alice)
        assert (again.erased["facts"], again.erased["items"]) == (0, 0), "it was asked, and had nothing"
        assert (await memory.verify()).sound
    assert not bytes_below(tmp_path, MARK)


async def test_another_process_serves_nothing_from_that_moment_on(shared_url: str) -> None:
    async with Memory(shared_url) as here, Memory(shared_url) as there:
        await fill(here)
        assert await facts(there) == [f"{MARK} of alice"]
        assert await items(there, alice) == 1
        await there.journal.run("run_alice", tenant="acme")
        await here.forgetting([]).forget(ALICE, principal=alice)
        await gone(there)
        await untouched(there)


async def test_everybody_may_have_forgotten_what_is_theirs_and_only_operators_more(url: str) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        forgetting = memory.forgetting([])
        for what in (ALICE, Selector(run_id="run_alice"), Selector(source="wiki")):
            with pytest.raises(PermissionDenied):
                await forgetting.forget(what, principal=bob)
        with pytest.raises(InvalidRequest):
            await forgetting.forget(Selector(), principal=olga)
        with pytest.raises(InvalidRequest):
            Selector(source="")
        elsewhere = (await forgetting.forget(ALICE, principal=eve)).erased
        assert {name for name, number in elsewhere.items() if number} <= {"runs", "provenance", "keys"}
        assert await facts(memory) == [f"{MARK} of alice"], "another tenant's"
        assert (await forgetting.forget(Selector(run_id="run_alice"), principal=olga)).erased["runs"] == 1
        assert await facts(memory) == [f"{MARK} of alice"]
        with pytest.raises(NotFound):
            await memory.journal.run("run_alice", tenant="acme")
        await untouched(memory)


STORES = ("runs", "facts", "items", "graphs")


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies", STORES)
async def test_a_crash_at_any_store_is_gone_on_from_and_counts_nothing_twice(
    url: str, dies: str, after: bool
) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        whole = memory.forgetting([])
        stores = list(whole._stores)  # pyright: ignore[reportPrivateUsage]
        at = STORES.index(dies)
        if after:
            stores[at] = Fails(dies, Crash(), after=stores[at])
        else:
            stores.insert(at, Fails(dies, Crash()))
        crashing = Forgetting(
            stores, (), keys=memory.seal.keys, archive=memory.archive, clock=vars(memory.journal)["_clock"]
        )
        with pytest.raises(Crash):
            await crashing.forget(ALICE, principal=alice)
        (begun,) = await memory.receipts(principal=alice)
        assert not begun.is_complete
        await checked(memory, begun)
    async with Memory(url) as memory:  # the next process
        (done,) = await memory.forgetting([]).go_on()
        assert done.receipt_id == begun.receipt_id
        assert done.is_complete
        assert done.erased == {"runs": 2, "facts": 1, "items": 2, "graphs": 0, "keys": 1, "provenance": 3}
        await checked(memory, done)
        await gone(memory)
        await untouched(memory)
        assert await memory.forgetting([]).go_on() == []
        assert await memory.receipts(principal=alice) == [done]
        assert (await memory.verify()).sound


async def test_a_store_that_cannot_be_reached_keeps_the_key_and_is_asked_again(url: str) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        away = Fails("elsewhere", unreachable())
        forgetting = memory.forgetting([away])
        receipt = await forgetting.forget(ALICE, principal=alice)
        assert set(receipt.open) == {"elsewhere"}
        await gone(memory)
        assert memory.seal.keys is not None
        assert memory.seal.keys.find(Subject("acme", "alice")) is not None
        (still,) = await forgetting.go_on()
        assert (still.open, still.digest) == (receipt.open, receipt.digest)
        away.error = None
        (done,) = await forgetting.go_on()
        assert done.is_complete
        assert done.erased == {**receipt.erased, "elsewhere": 0, "keys": 1}, "now it is covered too"
        assert away.asked == 3
        await checked(memory, done)
        assert memory.seal.keys.find(Subject("acme", "alice")) is None


async def test_a_store_that_another_process_has_keeps_the_order_open_until_it_is_asked_there(
    url: str,
) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        elsewhere = Fails("corpus-of-another-team", Crash())
        with pytest.raises(Crash):
            await memory.forgetting([elsewhere]).forget(ALICE, principal=alice)
        (still,) = await memory.forgetting([]).go_on()
        assert still.open.keys() == {"corpus-of-another-team"}
        assert memory.seal.keys is not None
        assert memory.seal.keys.find(Subject("acme", "alice")) is not None
        elsewhere.error = None
        (done,) = await memory.forgetting([elsewhere]).go_on()
        assert done.is_complete
        assert memory.seal.keys.find(Subject("acme", "alice")) is None
        await checked(memory, done)


async def test_what_is_asked_first_is_gone_with_its_process(url: str) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        with pytest.raises(Crash):
            await memory.forgetting([], first=[Fails("in memory", Crash())]).forget(ALICE, principal=alice)
        (done,) = await memory.forgetting([]).go_on()
        assert done.is_complete


async def test_a_graph_that_cannot_be_reached_keeps_no_key_alive(url: str) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        graph = Fails("provenance", unreachable())
        stores = memory.forgetting([])._stores  # pyright: ignore[reportPrivateUsage]
        forgetting = Forgetting(
            stores,
            (graph,),
            keys=memory.seal.keys,
            archive=memory.archive,
            clock=vars(memory.journal)["_clock"],
        )
        receipt = await forgetting.forget(ALICE, principal=alice)
        assert set(receipt.open) == {"provenance"}
        assert receipt.erased["keys"] == 1
        (done,) = await memory.forgetting([]).go_on()
        assert done.is_complete
        assert done.erased["provenance"] == 3


async def test_it_is_noted_in_nobodys_book_who_is_forgotten_and_says_no_content(url: str) -> None:
    async with Memory(url) as memory:
        await fill(memory)
        await memory.forgetting([]).forget(ALICE, principal=alice)
        from pilotman.memory.journal.book import book_id

        told = await memory.journal.events(book_id("acme", "pilotman"), tenant="acme")
        kinds = [event.kind for event in told]
        assert kinds.count("forgotten") == 1
        assert kinds.count("fact_forgotten") == 1
        assert MARK not in str(told)
