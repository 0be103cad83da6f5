"""Calls in flight: never more than there are places, and nobody waits for ever."""

from __future__ import annotations

import asyncio

import pytest

from pilotman.agents.lane import Lane

pytestmark = pytest.mark.anyio


async def test_never_more_than_there_are_places_and_in_the_order_of_arrival() -> None:
    lane, inside, most, order = Lane(2), 0, 0, list[int]()

    async def call(number: int) -> None:
        nonlocal inside, most
        assert await lane.enter(10.0)
        inside += 1
        most = max(most, inside)
        order.append(number)
        await asyncio.sleep(0)
        inside -= 1
        lane.leave()

    await asyncio.gather(*(call(number) for number in range(20)))
    assert (most, inside, order) == (2, 0, list(range(20)))


async def test_who_has_no_patience_left_gets_no_place_and_takes_none_along() -> None:
    lane = Lane(1)
    assert await lane.enter(0.0)
    assert not await lane.enter(0.0)
    assert not await lane.enter(-1.0)
    lane.leave()
    assert await lane.enter(0.0)


async def test_who_is_cancelled_while_waiting_takes_no_place() -> None:
    lane = Lane(1)
    assert await lane.enter(1.0)
    waiting = asyncio.create_task(lane.enter(10.0))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    lane.leave()
    assert await lane.enter(1.0)
