from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pilotman.memory.journal import Journal

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)


def alive(_: str) -> bool:
    return False


async def take(journal: Journal, owner: str = "me", supervisor: str = "desk") -> str | None:
    run = await journal.next_queued(supervisor=supervisor, owner=owner, lease=MINUTE, is_dead=alive)
    if run is None:
        return None
    assert (run.owner, run.active) == (owner, True)
    return run.run_id


async def test_the_most_urgent_first_then_the_oldest(journal: Journal, make: Any, clock: Any) -> None:
    for name, severity in (("low", 1), ("old", 2), ("new", 2), ("high", 3)):
        clock.forward(seconds=1)
        run = make.run(name, severity=severity, created_at=clock.now)
        _, new = await journal.create_run(run, events=[make.event()], queued=True)
        assert new
    assert await journal.queue_length() == 4
    assert [await take(journal) for _ in range(5)] == ["high", "old", "new", "low", None]
    assert await journal.queue_length() == 0


async def test_tenants_are_served_in_turn(journal: Journal, make: Any, clock: Any) -> None:
    many = [("many", f"m{n}") for n in range(6)]
    for tenant, name in (*many, ("one", "o0"), ("two", "t0"), ("two", "t1")):
        clock.forward(seconds=1)
        run = make.run(name, tenant=tenant, created_at=clock.now)
        await journal.create_run(run, events=[], queued=True)
    taken = [await take(journal) for _ in range(9)]
    assert taken == ["m0", "o0", "t0", "m1", "t1", "m2", "m3", "m4", "m5"]


async def test_a_flood_that_came_before_keeps_nobody_waiting(journal: Journal, make: Any) -> None:
    for n in range(40):
        await journal.create_run(make.run(f"flood{n:02}", tenant="flood"), events=[], queued=True)
    assert await take(journal) == "flood00"
    await journal.create_run(make.run("late", tenant="late"), events=[], queued=True)
    assert await take(journal) == "late"


async def test_urgency_counts_before_turns_and_each_supervisor_has_its_own(
    journal: Journal, make: Any
) -> None:
    await journal.create_run(make.run("a1", tenant="a", severity=3), events=[], queued=True)
    await journal.create_run(make.run("a2", tenant="a", severity=3), events=[], queued=True)
    await journal.create_run(make.run("b1", tenant="b", severity=1), events=[], queued=True)
    await journal.create_run(make.run("x1", tenant="a", supervisor="x"), events=[], queued=True)
    await journal.create_run(make.run("x2", tenant="c", supervisor="x"), events=[], queued=True)
    assert [await take(journal) for _ in range(3)] == ["a1", "a2", "b1"]
    assert [await take(journal, supervisor="x") for _ in range(2)] == ["x1", "x2"]


async def test_a_queued_run_waits_until_its_conversation_is_free(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run("first", thread_id="t", severity=9), events=[], queued=True)
    await journal.create_run(make.run("second", thread_id="t", severity=5), events=[], queued=True)
    await journal.create_run(make.run("else", thread_id="u", severity=1), events=[], queued=True)
    assert [await take(journal) for _ in range(3)] == ["first", "else", None]
    await journal.move(
        "first", owner="me", transition=make.move(1, "RECEIVED", "COMPLETED", "first"), events=[]
    )
    assert await take(journal) == "second"


async def test_each_supervisor_takes_its_own(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run(supervisor="desk"), events=[], queued=True)
    assert await take(journal, supervisor="other") is None
    assert await take(journal) == "run_1"


async def test_many_workers_never_take_the_same_run(journal: Journal, make: Any) -> None:
    for i in range(8):
        await journal.create_run(make.run(f"run_{i}"), events=[], queued=True)
    taken = await asyncio.gather(*(take(journal, f"worker {i}") for i in range(12)))
    assert sorted(filter(None, taken)) == [f"run_{i}" for i in range(8)]


async def test_the_run_of_a_dead_worker_comes_back(journal: Journal, make: Any, clock: Any) -> None:
    await journal.create_run(make.run(), events=[], queued=True)
    assert await take(journal, "dead") == "run_1"
    assert await take(journal, "me") is None
    run = await journal.next_queued(
        supervisor="desk", owner="me", lease=MINUTE, is_dead=lambda owner: owner == "dead"
    )
    assert run is not None
    clock.forward(seconds=61)
    assert await take(journal, "other") == "run_1"


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED", "ESCALATED"])
async def test_a_run_that_is_over_or_waits_does_not_come_back(
    journal: Journal, make: Any, clock: Any, state: str
) -> None:
    await journal.create_run(make.run(), events=[], queued=True)
    await take(journal)
    await journal.move("run_1", owner="me", transition=make.move(1, "RECEIVED", state), events=[])
    clock.forward(days=1)
    assert await take(journal, "other") is None


async def test_a_run_can_be_taken_out(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run(), events=[], queued=True)
    await journal.create_run(make.run("run_2", tenant="other"), events=[], queued=True)
    assert await journal.queue_length("acme") == 1
    await journal.dequeue("run_1")
    assert (await journal.queue_length("acme"), await journal.queue_length()) == (0, 1)
    assert await take(journal) == "run_2"
