"""One attempt of a call: isolated from the host, bounded in time, its failure a value."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotman.agents.blocking import Threads, bounded
from pilotman.agents.body import Body
from pilotman.agents.context import ToolContext
from pilotman.agents.failure import classify
from pilotman.agents.isolation import isolated
from pilotman.agents.result import ToolError, ToolResult
from pilotman.guardrails.policy import Effect


@dataclass(frozen=True)
class Returned:
    """What a body returned. It may itself be a ``ToolResult``."""

    value: Any


async def attempt(
    body: Body,
    values: Mapping[str, Any],
    ctx: ToolContext,
    *leading: Any,
    timeout: float,
    threads: Threads,
    effect: Effect,
) -> Returned | ToolResult:
    """Run ``body`` once, at most ``timeout`` seconds. Failures are values; only cancellation raises."""
    if timeout <= 0:
        return ToolResult.failed(ToolError.of("timeout", "no time was left; it was not started"))
    threads.adopt(asyncio.get_running_loop())
    try:
        work = body(values, ctx, threads, *leading)
        return Returned(await bounded(work, timeout, context=isolated()))
    except Exception as error:
        return ToolResult.failed(classify(error, effect=effect))
