from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.memory.conftest import START

from pilotman.guardrails import Capacity
from pilotman.guardrails.capacity import UNKNOWN_SECONDS
from pilotman.guardrails.errors import Overloaded
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import RunRow

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)
LATER = START + timedelta(hours=1)


async def take(journal: Journal, owner: str = "me", supervisor: str = "desk") -> str | None:
    run = await journal.next_queued(supervisor=supervisor, owner=owner, lease=MINUTE)
    if run is None:
        return None
    assert (run.owner, run.active) == (owner, True)
    return run.run_id


async def left(journal: Journal, owner: str, *, dead: str = "") -> RunRow | None:
    return await journal.take_over(
        supervisor="desk", owner=owner, lease=MINUTE, is_dead=lambda name: name == dead
    )


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
    run = await left(journal, "me", dead="dead")
    assert run is not None
    assert (run.run_id, run.owner, run.failures) == ("run_1", "me", 1)
    assert await left(journal, "other") is None, "its new owner lives"
    clock.forward(seconds=61)
    run = await left(journal, "other")
    assert run is not None
    assert (run.owner, run.failures) == ("other", 2)


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


async def queued(journal: Journal, make: Any, name: str, capacity: Capacity, **fields: Any) -> bool:
    """Whether the request was accepted."""
    run = make.run(name, **fields)
    try:
        await journal.create_run(run, events=[make.event()], queued=True, capacity=capacity)
    except Overloaded:
        return False
    return True


async def test_a_full_queue_takes_no_more(journal: Journal, make: Any) -> None:
    few = Capacity(max_queued=3)
    assert [await queued(journal, make, f"r{n}", few) for n in range(5)] == [True, True, True, False, False]
    assert len(await journal.runs(tenant="acme")) == await journal.queue_length() == 3
    with pytest.raises(Overloaded, match="desk is full: 3 requests wait") as refused:
        await journal.create_run(make.run("now"), events=[], capacity=few)
    assert refused.value.retry_after == UNKNOWN_SECONDS, "nothing was served yet"
    assert await queued(journal, make, "elsewhere", few, supervisor="other"), (
        "each team has a queue of its own"
    )
    assert await take(journal) == "r0"
    assert await queued(journal, make, "r5", few), "what is driven does not wait"
    assert not await queued(journal, make, "r6", few)


async def test_one_tenant_cannot_fill_the_queue_of_all(journal: Journal, make: Any) -> None:
    some = Capacity(max_queued=4, max_queued_per_tenant=2)
    assert [await queued(journal, make, f"m{n}", some, tenant="many") for n in range(3)] == [
        True,
        True,
        False,
    ]
    assert await queued(journal, make, "o", some, tenant="other")
    with pytest.raises(Overloaded, match="many's part"):
        await journal.create_run(make.run("m9", tenant="many"), events=[], queued=True, capacity=some)


async def test_a_request_that_was_accepted_before_is_not_refused(journal: Journal, make: Any) -> None:
    one = Capacity(max_queued=1)
    assert await queued(journal, make, "first", one, idempotency_key="k")
    run, new = await journal.create_run(
        make.run("again", idempotency_key="k"), events=[], queued=True, capacity=one
    )
    assert (run.run_id, new) == ("first", False)


async def test_of_many_at_once_exactly_as_many_are_accepted_as_there_is_room(
    journal: Journal, make: Any
) -> None:
    ten = Capacity(max_queued=10)
    accepted = await asyncio.gather(*(queued(journal, make, f"r{n}", ten) for n in range(30)))
    assert (sum(accepted), await journal.queue_length()) == (10, 10)


async def test_the_time_to_try_again_follows_the_rate_of_service(
    journal: Journal, make: Any, clock: Any
) -> None:
    ten = Capacity(max_queued=10)
    for n in range(30):  # one a second
        clock.forward(seconds=1)
        await queued(journal, make, f"r{n}", ten, created_at=clock.now)
        assert await take(journal) == f"r{n}"
    for n in range(10):
        assert await queued(journal, make, f"w{n}", ten, created_at=clock.now)
    with pytest.raises(Overloaded) as refused:
        await journal.create_run(make.run("x", created_at=clock.now), events=[], queued=True, capacity=ten)
    assert 1.0 <= refused.value.retry_after <= 1.5
    clock.forward(minutes=2)
    with pytest.raises(Overloaded) as refused:
        await journal.create_run(make.run("x", created_at=clock.now), events=[], queued=True, capacity=ten)
    assert refused.value.retry_after == UNKNOWN_SECONDS, "nothing was served lately"


async def test_a_run_whose_question_was_answered_stands_in_line_again(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run("asked"), events=[], queued=True)
    await take(journal)
    await journal.move(
        "asked", owner="me", transition=make.move(1, "RECEIVED", "ESCALATED", "asked"), events=[]
    )
    await journal.release("asked", owner="me")
    await journal.create_run(make.run("later", created_at=LATER), events=[], queued=True)
    for _ in range(2):
        await journal.enqueue("asked")
    assert [await take(journal) for _ in range(3)] == ["asked", "later", None]


async def test_who_waits_is_listed_in_order_and_for_its_tenant_only(journal: Journal, make: Any) -> None:
    for name, severity, tenant in (("low", 1, "acme"), ("high", 3, "acme"), ("theirs", 2, "other")):
        await journal.create_run(make.run(name, severity=severity, tenant=tenant), events=[], queued=True)
    assert [run.run_id for run in await journal.waiting(supervisor="desk", tenant="acme")] == ["high", "low"]
    await take(journal)
    assert [run.run_id for run in await journal.waiting(supervisor="desk", tenant="acme")] == ["low"]
