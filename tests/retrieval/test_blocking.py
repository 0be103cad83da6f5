from __future__ import annotations

import asyncio
import contextvars
import subprocess
import sys
import threading

import pytest
from tests.patience import PROCESS_PATIENCE, in_time

from pilotman.retrieval.blocking import off_loop


@pytest.mark.anyio
async def test_work_runs_on_another_thread_and_its_failure_comes_back() -> None:
    assert await off_loop(threading.get_ident) != threading.get_ident()
    with pytest.raises(ZeroDivisionError):
        await off_loop(lambda: 1 / 0)


@pytest.mark.anyio
async def test_the_context_goes_along() -> None:
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)
    assert await off_loop(variable.get) == 7


@pytest.mark.anyio
async def test_a_caller_that_gives_up_does_not_wait() -> None:
    release = threading.Event()
    with in_time(), pytest.raises(TimeoutError):
        await asyncio.wait_for(off_loop(release.wait, 60), 0.05)
    release.set()
    await asyncio.sleep(0.05)  # the late result finds nobody, and nothing is raised


def test_work_that_never_ends_does_not_keep_the_process() -> None:
    code = """
import asyncio, time
from pilotman.retrieval.blocking import off_loop
async def main():
    try:
        await asyncio.wait_for(off_loop(time.sleep, 3600), 0.1)
    except TimeoutError:
        print("gave up")
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PROCESS_PATIENCE
    )
    assert done.stdout.strip() == "gave up"
