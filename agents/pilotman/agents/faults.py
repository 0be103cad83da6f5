"""A tool that fails on cue: for tests of a team, with the real function behind it."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal, ParamSpec, TypeAlias, TypeVar, get_args

from pilotman.agents.blocking import Threads
from pilotman.agents.body import Body
from pilotman.agents.context import ToolContext
from pilotman.agents.tool import Tool
from pilotman.guardrails.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")

Fault: TypeAlias = Literal["ok", "timeout", "hang", "garbage", "crash_before", "crash_after"]


def faulty(tool: Tool[P, R], *, faults: Sequence[Fault]) -> Tool[P, R]:
    """The same tool, whose n-th call suffers the n-th fault; calls after the last one are ok.

    ``ok`` calls the real function. ``timeout`` raises ``TimeoutError`` without calling it. ``hang`` never
    returns, in a thread for a synchronous tool. ``garbage`` calls it and returns what no tool may return.
    ``crash_before`` and ``crash_after`` kill this process (SIGKILL), before or after the real call. Attempts
    count as calls; look-up, compensation and precondition work as before.

    Raises:
        ConfigurationError: a fault of another name.
    """
    unknown = [fault for fault in faults if fault not in get_args(Fault)]
    if unknown:
        raise ConfigurationError(
            f"{unknown[0]!r} is not a fault", hint=f"one of {', '.join(get_args(Fault))}"
        )
    return tool.with_body(FaultyBody(tool.body, faults))


class FaultyBody:
    """A body that fails by a script."""

    def __init__(self, inner: Body, faults: Sequence[Fault]) -> None:
        self._inner = inner
        self._script = itertools.chain(faults, itertools.repeat("ok"))

    @property
    def is_async(self) -> bool:
        return self._inner.is_async

    async def __call__(
        self, values: Mapping[str, Any], ctx: ToolContext, threads: Threads, /, *leading: Any
    ) -> Any:
        fault = next(self._script)
        if fault == "timeout":
            raise TimeoutError("no answer came")
        if fault == "hang":
            return await (asyncio.Event().wait() if self.is_async else threads.run(_never_return))
        if fault == "crash_before":
            _crash()
        result = await self._inner(values, ctx, threads, *leading)
        if fault == "crash_after":
            _crash()
        return object() if fault == "garbage" else result


def _never_return() -> None:
    while True:
        time.sleep(3_600)


def _crash() -> None:
    """End as a power failure does: nothing is flushed, nothing is caught."""
    if hasattr(signal, "SIGKILL"):
        os.kill(os.getpid(), signal.SIGKILL)
    os._exit(137)
