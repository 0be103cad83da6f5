"""One attempt of a call: isolated from the host, bounded in time, its failure a value."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from pilotman.agents.blocking import Threads, bounded
from pilotman.agents.body import Body
from pilotman.agents.context import ToolContext
from pilotman.agents.failure import classify
from pilotman.agents.isolation import isolated
from pilotman.agents.output import WrongOutput, runs_no_code, wrong_output
from pilotman.agents.result import ToolError, ToolResult
from pilotman.agents.schema import Arguments
from pilotman.guardrails.policy import Effect

T = TypeVar("T")


async def attempt(
    body: Body,
    arguments: Arguments,
    args: Mapping[str, Any],
    ctx: ToolContext,
    *,
    convert: Callable[[Any], T],
    timeout: float,
    threads: Threads,
    effect: Effect,
) -> T | ToolResult:
    """Run ``body`` once, at most ``timeout`` seconds, and give what ``convert`` makes of its value.

    ``arguments`` turn ``args`` into its values. Failures are values; only cancellation raises.
    """
    try:
        values = arguments.values(args)
        if timeout <= 0:
            return ToolResult.failed(ToolError.of("timeout", "no time was left; it was not started"))
        threads.adopt(asyncio.get_running_loop())
        work = _converted(body(values, ctx, threads), convert, threads)
        return await bounded(work, timeout, context=isolated())
    except WrongOutput as error:
        return wrong_output(error, may_have_acted=effect != "read")
    except Exception as error:
        return ToolResult.failed(classify(error, effect=effect))


async def _converted(work: Awaitable[Any], convert: Callable[[Any], T], threads: Threads) -> T:
    value = await work
    if runs_no_code(value):
        return convert(value)
    return await threads.run(convert, value)  # reading an object may take for ever
