from __future__ import annotations

import asyncio
import threading

import pytest

from pilotman.retrieval.turn import Turn


@pytest.mark.anyio
async def test_one_at_a_time_and_a_cancelled_waiter_holds_nobody_up() -> None:
    turn, inside, most = Turn(), 0, 0

    async def visit() -> None:
        nonlocal inside, most
        async with turn:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    tasks = [asyncio.create_task(visit()) for _ in range(20)]
    await asyncio.sleep(0)
    tasks[7].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert most == 1
    assert sum(isinstance(result, asyncio.CancelledError) for result in results) == 1


@pytest.mark.anyio
async def test_a_visitor_that_fails_gives_its_turn_back() -> None:
    turn = Turn()
    with pytest.raises(ValueError, match="no"):
        async with turn:
            raise ValueError("no")
    async with turn:
        pass


def test_it_holds_between_event_loops() -> None:
    turn, inside, most = Turn(), 0, 0

    async def visits() -> None:
        nonlocal inside, most
        for _ in range(50):
            async with turn:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=lambda: asyncio.run(visits())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert most == 1
    assert not any(thread.is_alive() for thread in threads)
