"""What is left behind and computes for ever is ended, and nothing else ever is."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from pilotman.agents.blocking import Threads, ThreadsExhausted, bounded
from pilotman.agents.thread_call import Interrupted, ThreadCall

pytestmark = pytest.mark.anyio


def spin(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


async def free(threads: Threads) -> None:
    """Wait until all threads of a pool take work again."""
    for _ in range(300):
        try:
            await asyncio.gather(*(threads.run(int) for _ in range(2)))
        except ThreadsExhausted:
            await asyncio.sleep(0.01)
        else:
            return
    raise AssertionError("a thread is still taken")


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


async def test_a_read_that_computes_for_ever_is_ended_and_its_thread_is_used_again() -> None:
    threads = Threads(limit=4)
    for _ in range(8):
        await free(threads)
        with pytest.raises(TimeoutError):
            await bounded(threads.run(spin, 60.0), 0.02, interrupts=True)
    await free(threads)


async def test_what_a_library_sends_to_the_loops_executor_is_ended_too() -> None:
    threads = Threads(limit=2)
    threads.adopt(asyncio.get_running_loop())
    with pytest.raises(TimeoutError):
        await bounded(asyncio.to_thread(spin, 60.0), 0.02, interrupts=True)
    await free(threads)


async def test_a_write_may_come_to_its_end() -> None:
    ended = threading.Event()

    def write() -> None:
        spin(0.2)
        ended.set()

    with pytest.raises(TimeoutError):
        await bounded(Threads().run(write), 0.02)
    await until(ended.is_set)


async def test_a_write_inside_a_read_may_come_to_its_end() -> None:
    ended = threading.Event()
    threads = Threads()

    def write() -> None:
        spin(0.2)
        ended.set()

    with pytest.raises(TimeoutError):
        await bounded(bounded(threads.run(write), 60.0), 0.02, interrupts=True)
    await until(ended.is_set)


async def test_an_interruption_never_reaches_another_call() -> None:
    """Calls end at about the moment when they are interrupted; those of others run in the same threads."""
    threads = Threads(limit=6)
    for n in range(300):
        left = asyncio.create_task(bounded(threads.run(spin, 0.001), 60.0, interrupts=True))
        await asyncio.sleep(0.0005 + n % 10 / 10_000)
        left.cancel()
        assert await threads.run(sum, range(100)) == 4950
        await asyncio.wait([left])
    await free(threads)


def test_a_call_that_is_left_before_it_starts_is_not_made() -> None:
    made: list[int] = []
    ends: list[BaseException | None] = []
    call = ThreadCall(lambda: made.append(1), lambda _, error: ends.append(error))
    call.interrupt()
    call()
    assert made == []
    assert isinstance(ends[0], RuntimeError)
    assert isinstance(ends[0].__cause__, Interrupted)


def test_an_end_is_no_interruption() -> None:
    ends: list[object] = []
    call = ThreadCall(lambda: 7, lambda result, error: ends.append((result, error)))
    call()
    call.interrupt()
    assert ends == [(7, None)]
