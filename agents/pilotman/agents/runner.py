"""Attempts of one tool call: paid for, bounded in time, retried where that is safe, and written down."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotman.agents.calls import ProposedCall, failure
from pilotman.agents.context import ToolContext
from pilotman.agents.failure import ToolError
from pilotman.agents.result import ToolResult
from pilotman.agents.scope import TaskScope
from pilotman.agents.telemetry import failed
from pilotman.agents.tool import Tool
from pilotman.guardrails.errors import BudgetExceeded
from pilotman.guardrails.purse import Spend

SHORTEST = 0.1
"""Seconds below which no further attempt is worth starting."""


@dataclass(eq=False)
class ToolRunner:
    """Runs calls that were allowed. It decides nothing."""

    task: TaskScope

    def context(self, tool: Tool[..., Any], *, key: str, attempt: int = 1) -> ToolContext:
        """What the tool is given beside its arguments."""
        run = self.task.run
        return ToolContext(
            run_id=run.run_id,
            principal=run.principal,
            idempotency_key=key,
            deadline_at=run.deadline_at,
            credentials=run.credentials,
            attempt=attempt,
        )

    def recorded(self, call: ProposedCall) -> ToolResult | None:
        """What this very call returned before a crash or a pause."""
        recorder = self.task.run.recorder
        done = recorder.result("tool_call", call.path, call.digest)
        if done is None:
            return None
        body = recorder.fetch(done["result"]["payload"])
        return None if body is None else ToolResult.from_dict(body)

    async def run(self, call: ProposedCall, tool: Tool[..., Any], *, key: str = "") -> ToolResult:
        """The result after all attempts that the tool's retry settings, the purse and the time allow."""
        attempt = 0
        while True:
            attempt += 1
            result = await self._attempt(call, tool, key=key, attempt=attempt)
            error = result.error
            if error is None:
                return result
            delay = self._delay(tool, error, attempt)
            self._emit_failure(call, tool, result, error, attempt=attempt, final=delay is None)
            if delay is None:
                return result
            self._emit(
                "retry_scheduled",
                call,
                what=tool.name,
                attempt=attempt,
                delay_ms=round(delay * 1000),
                failure=error.kind,
            )
            await asyncio.sleep(delay)

    def _delay(self, tool: Tool[..., Any], error: ToolError, attempt: int) -> float | None:
        """Seconds until another attempt, or None: none is safe, allowed, or fits into the time left."""
        if not self._again(tool, error, attempt):
            return None
        delay = max(tool.retry.delay(attempt, jitter=self.task.run.random()), error.retry_after or 0.0)
        return delay if delay + SHORTEST < self.task.run.left() else None

    def _again(self, tool: Tool[..., Any], error: ToolError, attempt: int) -> bool:
        """Whether another attempt is safe: a write only if it is certain that nothing was applied."""
        if error.kind == "timeout" and tool.effective != "read":
            return False
        return error.retryable and tool.retry.allows(error.kind, attempt=attempt)

    async def _attempt(
        self, call: ProposedCall, tool: Tool[..., Any], *, key: str, attempt: int
    ) -> ToolResult:
        run, wallet = self.task.run, self.task.wallet
        circuit = f"tool:{tool.name}"
        try:
            timeout = run.time_for(min(tool.timeout, wallet.budget.tool_timeout), path=call.path)
            reservation = wallet.reserve(Spend(tool_calls=1))
        except BudgetExceeded as error:
            return self._not_started(call, tool, error)
        if not run.circuits.admit(circuit, tool.breaker):
            reservation.release()
            run.caveat(f"could not use {tool.name}: it failed too often lately and is given a rest")
            return failure("transient", f"{tool.name} is given a rest (circuit open)")
        kept = run.recorder.keep(dict(call.args))
        number = run.recorder.attempts("tool_call", call.path, call.digest) + 1
        self._emit("tool_call_started", call, effect=tool.effective, args={"payload": kept}, attempt=number)
        run.tools_used.append(tool.name)
        started = time.perf_counter()
        ok = False
        try:
            result = await self._call(call, tool, key=key, attempt=attempt, timeout=timeout)
            ok = result.error is None or not result.error.retryable
        finally:
            run.circuits.record(circuit, ok=ok)
            reservation.settle(Spend(tool_calls=1))
        if result.error is None:
            self._emit(
                "tool_call_completed",
                call,
                effect=tool.effective,
                result={"payload": run.recorder.keep(result.to_dict())},
                status=result.status,
                latency_ms=round((time.perf_counter() - started) * 1000, 3),
            )
        return result

    async def _call(
        self, call: ProposedCall, tool: Tool[..., Any], *, key: str, attempt: int, timeout: float
    ) -> ToolResult:
        run = self.task.run
        attributes = {"gen_ai.tool.name": tool.name, "gen_ai.tool.call.id": call.call_id}
        context = self.context(tool, key=key, attempt=attempt)
        run.activity.waiting(self.task.path, +1)
        try:
            with run.telemetry.span("execute_tool", tool.name, attributes) as span:
                result = await tool.call(dict(call.args), context, timeout=timeout, threads=run.threads)
                if result.error is not None:
                    failed(span, result.error.kind)
        finally:
            run.activity.waiting(self.task.path, -1)
        return result

    def _not_started(self, call: ProposedCall, tool: Tool[..., Any], error: BudgetExceeded) -> ToolResult:
        self._emit("budget_exceeded", call, limit=error.limit, message=str(error))
        self.task.run.caveat(f"{tool.name} was not called: {error}")
        return failure("permanent", f"not started: {error}")

    def _emit_failure(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        result: ToolResult,
        error: ToolError,
        *,
        attempt: int,
        final: bool,
    ) -> None:
        if final:
            self.task.run.caveat(f"{tool.name} failed: {error.message}")
        self._emit(
            "tool_call_failed",
            call,
            effect=tool.effective,
            failure=error.kind,
            retryable=error.retryable,
            message=error.message,
            attempt=attempt,
            final=final,
            result={"payload": self.task.run.recorder.keep(result.to_dict())} if final else None,
        )

    def _emit(self, kind: str, call: ProposedCall, /, **data: Any) -> None:
        facts: Mapping[str, Any] = {"path": call.path, "digest": call.digest, "tool": call.tool}
        self.task.run.recorder.emit(kind, actor=self.task.agent, **facts, **data)
