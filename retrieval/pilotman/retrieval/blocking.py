"""Blocking work off the event loop, on threads that never keep the process from exiting."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


async def off_loop(work: Callable[..., T], *args: Any) -> T:
    """The result of ``work(*args)``, computed on a daemon thread of its own.

    ``asyncio.to_thread`` would do, but the interpreter waits for its threads at exit: a hung network
    drive would keep the process alive. A caller that is cancelled leaves the thread to itself.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]  # None only where T allows it
        else:
            done.set_exception(error)

    def run() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = context.run(work, *args)
        except BaseException as caught:  # raised again where it is awaited
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="pilotman-retrieval", daemon=True).start()
    return await done
