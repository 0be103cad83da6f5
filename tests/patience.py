"""How long a test waits, so that a busy machine is no failure and what hangs still is one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

PATIENCE = 20.0
"""Seconds: what is alive needs far less, however busy the machine is; what hangs in a test hangs longer."""

PROCESS_PATIENCE = 180.0
"""Seconds for a process of its own, which has to be loaded first."""


@contextmanager
def in_time() -> Generator[None]:
    """What is inside does not wait for what hangs."""
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < PATIENCE, f"it took {took:.0f} s: it hung"


async def until(true: Callable[[], bool | Awaitable[bool]]) -> None:
    """Wait for what comes by itself."""
    async with asyncio.timeout(PATIENCE):
        while not (await now if isinstance(now := true(), Awaitable) else now):
            await asyncio.sleep(0.01)


def pass_time(seconds: float) -> None:
    """Let the running loop believe that so many seconds went by: what waits so long is over, at no cost."""
    loop: Any = asyncio.get_running_loop()
    before = loop.time
    loop.time = lambda: before() + seconds
