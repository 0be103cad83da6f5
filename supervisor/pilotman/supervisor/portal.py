"""A synchronous way into a supervisor, for scripts and threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import ParamSpec, Protocol, TypeVar

from anyio.from_thread import start_blocking_portal

P = ParamSpec("P")
T = TypeVar("T")


class Portal(Protocol):
    """Calls a coroutine function on the portal's event loop and waits for its result."""

    def __call__(self, fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...


@contextmanager
def opened(close: Callable[[], Awaitable[None]]) -> Generator[Portal]:
    """An event loop in a thread of its own; ``close`` is called in it at the end."""
    with start_blocking_portal() as portal:

        def call(fn: Callable[P, Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
            async def work() -> T:
                return await fn(*args, **kwargs)

            return portal.call(work)

        try:
            yield call
        finally:
            portal.call(close)
