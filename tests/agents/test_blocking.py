"""What never returns is left behind: the caller goes on, and the process exits."""

from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from tests.patience import PATIENCE, PROCESS_PATIENCE, in_time, until

from pilotman.agents.blocking import Threads, ThreadsExhausted, bounded

pytestmark = pytest.mark.anyio


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Lets the functions that a test leaves hanging go, so that they do not stay until the process ends."""
    event = threading.Event()
    yield event
    event.set()


async def stubborn(stop: threading.Event) -> None:
    """Swallows every cancellation until the test is over, or for a minute."""
    end = time.monotonic() + 60
    while not stop.is_set() and time.monotonic() < end:
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            continue


# --- bounded -----


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def test_a_result_and_an_error_pass_through() -> None:
    assert await bounded(answer(), PATIENCE) == 42

    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await bounded(fail(), PATIENCE)


async def test_a_coroutine_that_swallows_cancellation_is_left_within_the_grace(
    release: threading.Event,
) -> None:
    with in_time(), pytest.raises(TimeoutError):
        await bounded(stubborn(release), 0.05)


async def test_nothing_starts_when_no_time_is_left() -> None:
    ran: list[int] = []

    async def act() -> None:
        ran.append(1)

    with pytest.raises(TimeoutError):
        await bounded(act(), 0.0)
    with pytest.raises(TimeoutError):
        await bounded(act(), -1.0)
    assert ran == []


async def test_a_result_within_the_grace_counts() -> None:
    async def reluctant() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "the write was applied"
        return "never"

    assert await bounded(reluctant(), 0.01) == "the write was applied"


async def test_an_error_within_the_grace_is_still_a_timeout() -> None:
    async def fail_late() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("cleaning up failed") from None

    with pytest.raises(TimeoutError) as caught:
        await bounded(fail_late(), 0.01)
    assert isinstance(caught.value.__cause__, ValueError)


async def test_cancelling_the_caller_cancels_the_inner_and_does_not_wait_for_it(
    release: threading.Event,
) -> None:
    cancelled: list[bool] = []

    async def polite() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    for inner in (polite(), stubborn(release)):
        task = asyncio.create_task(bounded(inner, 60.0))
        await asyncio.sleep(0.01)
        task.cancel()
        with in_time(), pytest.raises(asyncio.CancelledError):
            await task
    assert cancelled == [True]


async def test_a_coroutine_that_cancels_itself_does_not_look_like_our_cancellation() -> None:
    async def quit_itself() -> None:
        raise asyncio.CancelledError

    with pytest.raises(RuntimeError):
        await bounded(quit_itself(), PATIENCE)


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit()])
async def test_an_exit_inside_does_not_end_the_host(error: BaseException) -> None:
    async def leave() -> None:
        raise error

    with pytest.raises(RuntimeError):
        await bounded(leave(), PATIENCE)


async def test_a_task_may_be_bounded_too() -> None:
    task = asyncio.create_task(answer())
    assert await bounded(task, PATIENCE) == 42


async def test_an_abandoned_task_is_not_a_task_of_the_loop_any_more(release: threading.Event) -> None:
    async def with_children() -> None:
        child = asyncio.create_task(stubborn(release), name="child")
        await asyncio.shield(child)

    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        await bounded(with_children(), 0.02)
    with pytest.raises(TimeoutError):
        await bounded(asyncio.create_task(stubborn(release)), 0.02)
    assert asyncio.all_tasks() - before == set()


async def test_the_given_context_is_used_and_not_changed() -> None:
    variable = contextvars.ContextVar("variable", default="outside")
    context = contextvars.copy_context()
    context.run(variable.set, "inside")

    async def read() -> str:
        value = variable.get()
        variable.set("changed")
        return value

    assert await bounded(read(), PATIENCE, context=context) == "inside"
    assert await bounded(read(), PATIENCE, context=context) == "inside"
    assert variable.get() == "outside"


# --- threads -----


async def test_a_function_runs_in_a_daemon_thread_with_the_callers_context() -> None:
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)

    def look(a: int, *, b: int) -> tuple[int, int, bool]:
        return variable.get(), a + b, threading.current_thread().daemon

    assert await Threads().run(look, 1, b=2) == (7, 3, True)


async def test_threads_are_reused() -> None:
    threads = Threads()
    used = {await threads.run(threading.current_thread) for _ in range(20)}
    assert len(used) < 20  # some may still be on their way back when the next call comes


async def test_idle_threads_beyond_the_limit_end() -> None:
    threads = Threads(idle=1)
    gate = threading.Event()
    calls = [asyncio.create_task(threads.run(gate.wait)) for _ in range(5)]
    await settled(threads, 5)
    gate.set()
    await asyncio.gather(*calls)
    await settled(threads, 1)


async def test_idle_threads_end_after_a_while() -> None:
    threads = Threads(idle_seconds=0.01)
    assert await threads.run(int) == 0
    await settled(threads, 0)
    assert await threads.run(int) == 0


async def test_a_system_without_threads_left_is_as_a_full_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = Threads()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ThreadsExhausted, match="can't start new thread"):
            await threads.run(int)
    assert threads.live == 0
    assert await threads.run(int) == 0


async def settled(threads: Threads, live: int) -> None:
    await until(lambda: threads.live == live)


async def test_a_stuck_function_is_left_and_counts_until_it_returns(release: threading.Event) -> None:
    threads = Threads(limit=2, idle=0)
    for _ in range(2):
        with in_time(), pytest.raises(TimeoutError):
            await bounded(threads.run(release.wait, 60), 0.02)
    ran: list[int] = []
    with pytest.raises(ThreadsExhausted, match="too many calls are stuck"):
        await threads.run(ran.append, 1)
    assert ran == []
    release.set()
    await settled(threads, 0)
    assert await threads.run(int) == 0


@pytest.mark.parametrize("error", [SystemExit(1), StopIteration(), asyncio.CancelledError(), GeneratorExit()])
async def test_what_asyncio_would_take_for_something_else_arrives_as_an_error(error: BaseException) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(RuntimeError, match=type(error).__name__):
        await Threads().run(fail)


async def test_an_error_arrives_as_it_is() -> None:
    def fail() -> None:
        raise LookupError("no such host")

    with pytest.raises(LookupError, match="no such host"):
        await Threads().run(fail)


def test_a_function_that_returns_after_its_loop_was_closed_harms_nothing(release: threading.Event) -> None:
    threads = Threads()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await bounded(threads.run(release.wait), 0.02)

    asyncio.run(main())
    release.set()
    assert asyncio.run(threads.run(int)) == 0


# --- the loop's own executor -----


async def test_libraries_inside_a_bounded_call_use_our_threads_and_the_host_its_own() -> None:
    threads = Threads(name="ours")
    threads.adopt(asyncio.get_running_loop())
    threads.adopt(asyncio.get_running_loop())

    async def library() -> str:
        return await asyncio.to_thread(lambda: threading.current_thread().name)

    assert await bounded(library(), PATIENCE) == "ours"
    assert await library() != "ours"

    def fail() -> None:
        raise KeyError("from a library")

    with pytest.raises(KeyError):
        await bounded(asyncio.to_thread(fail), PATIENCE)


async def test_the_hosts_own_executor_is_kept() -> None:
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(1, thread_name_prefix="host"))
    Threads().adopt(loop)
    assert (await asyncio.to_thread(lambda: threading.current_thread().name)).startswith("host")


# --- a process exits -----

COROUTINES = """
async def swallows_cancellation():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass
async def swallows_everything():  # also what would close it when it is collected
    while True:
        try:
            await asyncio.sleep(3600)
        except BaseException:
            pass
async def has_such_a_child():
    await asyncio.wait_for(asyncio.create_task(swallows_everything()), 3600)
async def leaves_such_a_child():
    await asyncio.shield(asyncio.create_task(swallows_everything()))
works = [swallows_cancellation, swallows_everything, has_such_a_child, leaves_such_a_child]
"""

FUNCTIONS = """
import time
def sleeps():
    while True:
        time.sleep(3600)
def computes():
    while True:
        pass
works = [
    lambda: threads.run(sleeps),
    lambda: threads.run(computes),
    lambda: asyncio.to_thread(sleeps),  # as a library does it
]
"""

MAIN = """
import asyncio
from pilotman.agents.blocking import Threads, bounded
threads = Threads()
{works}
async def main():
    threads.adopt(asyncio.get_running_loop())
    for work in works:
        try:
            await bounded(work(), 0.1)
        except TimeoutError:
            print("timed out")
asyncio.run(main())
print("left")
"""


@pytest.mark.parametrize(
    ("works", "count"), [(COROUTINES, 4), (FUNCTIONS, 3)], ids=["coroutines", "functions"]
)
def test_the_process_exits_although_nothing_ever_ends(works: str, count: int) -> None:
    done = run_script(MAIN.format(works=works))
    assert done.stdout.splitlines() == ["timed out"] * count + ["left"]
    assert done.stderr == ""
    assert done.returncode == 0


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    """What a process said that has to end by itself."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        timeout=PROCESS_PATIENCE,
        check=False,
    )
