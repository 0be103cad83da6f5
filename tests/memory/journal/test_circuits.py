"""Open circuits in the journal: every process sees them, and one of them probes."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tests.memory.conftest import Clock
from tests.memory.test_processes import finish, start

from pilotman.memory.journal.access import now
from pilotman.memory.journal.journal import Journal

pytestmark = pytest.mark.anyio


async def probe(journal: Journal, owner: str, cool_down: float = 30.0) -> bool:
    return await journal.probe_circuit("desk", "tool:x", owner=owner, cool_down=cool_down)


async def test_an_open_circuit_is_seen_with_its_age(journal: Journal, clock: Clock) -> None:
    await journal.open_circuit("desk", "tool:x")
    clock.forward(seconds=7)
    await journal.open_circuit("desk", "tool:x")  # late news of the same
    assert await journal.open_circuits("desk") == {"tool:x": 7.0}
    assert await journal.open_circuits("other") == {}


async def test_nobody_probes_before_the_rest_is_over_and_then_one_does(
    journal: Journal, clock: Clock
) -> None:
    await journal.open_circuit("desk", "tool:x")
    clock.forward(seconds=29)
    assert not await probe(journal, "a")
    clock.forward(seconds=1)
    assert [await probe(journal, owner) for owner in "abc"] == [True, False, False]


async def test_what_the_probe_showed_decides(journal: Journal, clock: Clock) -> None:
    await journal.open_circuit("desk", "tool:x")
    clock.forward(seconds=30)
    assert await probe(journal, "a")
    await journal.end_probe("desk", "tool:x", owner="a", ok=False)
    assert await journal.open_circuits("desk") == {"tool:x": 0.0}
    clock.forward(seconds=30)
    assert await probe(journal, "b")
    await journal.end_probe("desk", "tool:x", owner="b", ok=None)
    assert await probe(journal, "c"), "b's told nothing"
    await journal.end_probe("desk", "tool:x", owner="c", ok=True)
    assert await journal.open_circuits("desk") == {}
    assert not await probe(journal, "d"), "there is nothing to find out"


async def test_a_prober_that_died_is_replaced_and_not_believed_any_more(
    journal: Journal, clock: Clock
) -> None:
    await journal.open_circuit("desk", "tool:x")
    clock.forward(seconds=30)
    assert await probe(journal, "a")
    clock.forward(seconds=30)
    assert await probe(journal, "b")
    for ok in (True, False, None):
        await journal.end_probe("desk", "tool:x", owner="a", ok=ok)
    assert await journal.open_circuits("desk") == {"tool:x": 60.0}
    assert not await probe(journal, "c"), "b is at it"


async def test_of_many_processes_one_probes(shared_url: str) -> None:
    journal = Journal(shared_url, clock=lambda: now() - timedelta(hours=2))
    await journal.start()
    await journal.open_circuit("desk", "tool:x")
    await journal.aclose()
    body = """
say([await journal.probe_circuit("desk", "tool:x", owner=name, cool_down=3600) for _ in range(20)])
"""
    said = await asyncio.to_thread(finish, [start(shared_url, f"p{n}", body) for n in range(4)])
    assert sum(sum(won) for [won] in said) == 1
