"""Attempts of one tool call: paid for, bounded in time, retried where that is safe, and written down."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pilotman.agents.calls import ProposedCall, drafted, failure
from pilotman.agents.circuits import Admission
from pilotman.agents.context import ToolContext
from pilotman.agents.entrance import enter
from pilotman.agents.failure import ToolError
from pilotman.agents.flow import Observation
from pilotman.agents.hearing import Listener
from pilotman.agents.result import ToolResult
from pilotman.agents.scope import TaskScope
from pilotman.agents.switches import Look, PromptBody
from pilotman.agents.telemetry import failed
from pilotman.agents.tool import Tool
from pilotman.guardrails.errors import BudgetExceeded
from pilotman.guardrails.incoming.cleaner import clean
from pilotman.guardrails.purse import Reservation, Spend
from pilotman.guardrails.retry import FailureKind
from pilotman.memory.store.acting import Acting, acting

LOST: frozenset[FailureKind] = frozenset({"unknown_outcome", "timeout"})
"""Failures of a write after which it may have been applied."""
_UNREACHED: frozenset[FailureKind] = frozenset({"transient", "rate_limit"})
"""Refusals for the sake of what would be called: it is given a rest, or has no place."""


@dataclass(frozen=True, kw_only=True)
class _Started:
    """What one attempt has in hand. ``number`` counts the attempts of this call over all lives of the run;
    after the monotonic second ``until`` it must not begin."""

    until: float
    timeout: float
    number: int
    reservation: Reservation
    admission: Admission
    began: float

    @property
    def latency_ms(self) -> float:
        return round((time.perf_counter() - self.began) * 1000, 3)


@dataclass(eq=False)
class ToolRunner:
    """Runs calls that were allowed. It decides nothing."""

    task: TaskScope

    def context(self, *, key: str = "", etag: str | None = None, attempt: int = 1) -> ToolContext:
        """What a tool is given beside its arguments."""
        run = self.task.run
        return ToolContext(
            run_id=run.run_id,
            principal=run.principal,
            idempotency_key=key,
            deadline_at=run.deadline_at,
            credentials=run.credentials,
            attempt=attempt,
            etag=etag,
        )

    def recorded(self, call: ProposedCall) -> ToolResult | None:
        """What this very call returned before a crash or a pause."""
        return self._ended("tool_call", call)

    def outcome(self, call: ProposedCall) -> ToolResult | None:
        """What became of the write that this very call was, before a crash or a pause: a draft stays one."""
        is_draft = self.task.run.recorder.result("draft", call.path, call.digest) is not None
        return drafted() if is_draft else self._ended("effect", call)

    def _ended(self, what: str, call: ProposedCall) -> ToolResult | None:
        recorder = self.task.run.recorder
        body = recorder.body(recorder.result(what, call.path, call.digest), "result")
        return None if body is None else ToolResult.from_dict(body)

    def reuse(self, call: ProposedCall, result: ToolResult) -> None:
        """Write down that the call was answered with what the same call had returned before."""
        self._emit("tool_call_reused", call, status=result.status, result=self._kept(result))

    async def run(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        *,
        key: str = "",
        etag: str | None = None,
        look: Look | None = None,
    ) -> ToolResult:
        """The result after all attempts that the tool's retry settings, the purse and the time allow.

        ``look`` says before each attempt whether it may start, and until when.
        """
        attempt = 0
        error: ToolError | None = None
        self.task.run.retries.called(f"tool:{tool.name}")
        while True:
            attempt += 1
            context = self.context(key=key, etag=etag, attempt=attempt)
            result, started = await self._turn(call, tool, context, look)
            if started is None:
                return self._not_started(call, tool, result, after=error)
            error = result.error
            if error is None:
                return result
            delay = self._delay(call, tool, error, attempt)
            self._failed(call, tool, result, started, final=delay is None)
            if delay is None:
                return result
            facts = {"what": tool.name, "attempt": started.number, "failure": error.kind}
            self._emit("retry_scheduled", call, **facts, delay_ms=round(delay * 1000))
            with self.task.at_rest():
                await asyncio.sleep(delay)

    async def _turn(
        self, call: ProposedCall, tool: Tool[..., Any], context: ToolContext, look: Look | None
    ) -> tuple[ToolResult, _Started | None]:
        """One attempt, once there is a place for it among the calls in flight; None: it was not started."""
        lane = self.task.run.lanes.tools
        if lane is not None and not await self.task.take_place(lane):
            return failure("transient", "no place became free among the calls in flight"), None
        try:
            started = await self._begin(call, tool, look)
            if isinstance(started, ToolResult):
                return started, None
            return await self._attempt(call, tool, started, context), started
        finally:
            if lane is not None:
                lane.leave()

    def _delay(
        self, call: ProposedCall, tool: Tool[..., Any], error: ToolError, attempt: int
    ) -> float | None:
        """Seconds until another attempt, or None: it is over.

        A write is tried again only if it is certain that nothing was applied.
        """
        run, retry = self.task.run, tool.retry
        if (narrower := self.task.wallet.budget.tool_retry) is not None:
            retry = retry.narrow(narrower)
        lost = not tool.reads and error.kind in LOST
        if lost or not error.retryable or not retry.allows(error.kind, attempt=attempt):
            return None
        delay = max(retry.delay(attempt, jitter=run.random()), error.retry_after or 0.0)
        if delay >= run.left():
            return None
        if not run.retries.take(f"tool:{tool.name}", retry):
            self._emit("retry_refused", call, attempt=attempt, failure=error.kind)
            return None
        return delay

    async def _begin(
        self, call: ProposedCall, tool: Tool[..., Any], look: Look | None
    ) -> _Started | ToolResult:
        """An attempt that everything lets start, or why it may not: its place, its circuit, the switches."""
        run, budget = self.task.run, self.task.wallet.budget
        breaker = tool.breaker if budget.breaker is None else tool.breaker.narrow(budget.breaker)
        bulkheads = run.limits.of_tool(tool.name, tool.limit, run.principal.tenant)
        seconds = min(tool.timeout, budget.tool_timeout, run.left()) if bulkheads else 0.0
        with self.task.at_rest():
            entered = await enter(run.circuits, f"tool:{tool.name}", breaker, bulkheads, seconds=seconds)
        if isinstance(entered, ToolError):
            return ToolResult.failed(entered)
        started: _Started | ToolResult | None = None
        try:
            until = math.inf if look is None else await look()
            started = until if isinstance(until, ToolResult) else self._start(call, tool, until, entered)
            return started
        finally:
            if not isinstance(started, _Started):
                entered.release()

    def _start(
        self, call: ProposedCall, tool: Tool[..., Any], until: float, admission: Admission
    ) -> _Started | ToolResult:
        """All that one attempt needs, and its start written down; or why it may not start."""
        run, wallet = self.task.run, self.task.wallet
        args = {"payload": run.recorder.keep(dict(call.args))}
        try:
            timeout = run.time_for(
                min(tool.timeout, wallet.budget.tool_timeout) - admission.waited, path=call.path
            )
            reservation = wallet.reserve(Spend(tool_calls=1))
        except BudgetExceeded as error:
            run.exceeded(error, path=call.path)
            return failure("permanent", str(error))
        number = run.recorder.attempts("tool_call", call.path, call.digest) + 1
        self._emit("tool_call_started", call, effect=tool.effective, args=args, attempt=number)
        run.tools_used.append(tool.name)
        return _Started(
            until=until,
            timeout=timeout,
            number=number,
            reservation=reservation,
            admission=admission,
            began=time.perf_counter(),
        )

    async def _attempt(
        self, call: ProposedCall, tool: Tool[..., Any], started: _Started, context: ToolContext
    ) -> ToolResult:
        ear = Listener(self.task.run)
        try:
            prompt = _prompt(tool, started.until)
            result = await self._call(call, prompt, context, ear, timeout=started.timeout)
            started.admission.record(ok=result.error is None or not _is_its_fault(result.error))
        except asyncio.CancelledError:
            kind: FailureKind = "transient" if tool.reads else "unknown_outcome"
            stopped = ToolResult.failed(ToolError.of(kind, "it was abandoned: the run was stopped"))
            self._failed(call, tool, stopped, started, final=False)
            raise
        finally:
            started.admission.release()
            started.reservation.settle(Spend(tool_calls=1))
        if result.error is None:
            self._completed(call, tool, started, result, reminded=ear.foreign)
        return result

    def _completed(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        started: _Started,
        result: ToolResult,
        *,
        reminded: bool,
    ) -> None:
        """Take in what came, as it came, and write it down with what is suspicious in it. ``reminded``:
        memory told the tool what is not trusted; where it does not say in which fields that stands, its
        result is not trusted either."""
        flow = self.task.run.flow
        foreign = reminded and not tool.third_party
        flow.observe(Observation(tool=tool.name, args=call.args, value=result.value, foreign=foreign))
        cleaned = clean(result.value, third_party=tool.third_party or foreign)
        odd: dict[str, Any] = {"cleaned": dict(cleaned.did), "suspicions": sorted(cleaned.suspicions)}
        odd |= {"trusted": not (tool.third_party or foreign), "reminded": reminded}
        odd |= {"sensitivity": tool.sensitivity.replace("internal", "")}
        flow.suspect(tool.name, cleaned.suspicions)
        self._emit(
            "tool_call_completed",
            call,
            effect=tool.effective,
            result=self._kept(result),
            status=result.status,
            attempt=started.number,
            latency_ms=started.latency_ms,
            **{name: found for name, found in odd.items() if found},
        )

    async def _call(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        context: ToolContext,
        ear: Listener,
        *,
        timeout: float,
    ) -> ToolResult:
        run = self.task.run
        attributes = {"gen_ai.tool.name": tool.name, "gen_ai.tool.call.id": call.call_id}
        run.activity.waiting(self.task.path, +1)
        before = acting.set(self._acting(tool, ear))
        try:
            with run.telemetry.span("execute_tool", tool.name, attributes) as span:
                run.telemetry.say(span, "gen_ai.tool.call.arguments", dict(call.args))
                result = await tool.call(dict(call.args), context, timeout=timeout, threads=run.threads)
                run.telemetry.say(span, "gen_ai.tool.call.result", result.value)
                if result.error is not None:
                    failed(span, result.error.kind)
        finally:
            acting.reset(before)
            run.activity.waiting(self.task.path, -1)
        return result

    def _acting(self, tool: Tool[..., Any], ear: Listener) -> Acting:
        """For whom the tool acts; a call that is no read got here with a permit."""
        run = self.task.run
        return Acting(
            principal=run.principal,
            run_id=run.run_id,
            thread_id=run.thread_id,
            writes=None if tool.reads else tool.name,
            ear=ear,
        )

    def _not_started(
        self, call: ProposedCall, tool: Tool[..., Any], refused: ToolResult, *, after: ToolError | None
    ) -> ToolResult:
        """The answer where no (further) attempt may start."""
        assert refused.error is not None
        words = f"not started: {refused.error.message}"
        if after is not None:
            words = f"{after.message}; not tried again: {refused.error.message}"
        elif refused.error.kind in _UNREACHED:
            words = f"could not {'check' if tool.reads else 'use'} {tool.name}: {refused.error.message}"
        result = ToolResult.failed(replace(refused.error, message=words))
        self._failed(call, tool, result, None, final=True)
        return result

    def _failed(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        result: ToolResult,
        started: _Started | None,
        *,
        final: bool,
    ) -> None:
        """Write a failure down; ``started`` is None where nothing was started."""
        error = result.error
        assert error is not None
        settled_later = not tool.reads and (error.kind in LOST or rereads(tool, error))
        if final and not settled_later:
            named = started is None and error.message.startswith("could not ")
            self.task.run.caveat(error.message if named else f"{tool.name} failed: {error.message}")
        self._emit(
            "tool_call_failed",
            call,
            effect=tool.effective,
            failure=error.kind,
            retryable=error.retryable,
            message=error.message,
            attempt=None if started is None else started.number,
            latency_ms=None if started is None else started.latency_ms,
            final=final,
            result=self._kept(result) if final else None,
        )

    def _kept(self, result: ToolResult) -> dict[str, str]:
        return {"payload": self.task.run.recorder.keep(result.to_dict())}

    def _emit(self, kind: str, call: ProposedCall, /, **data: Any) -> None:
        facts: Mapping[str, Any] = {"path": call.path, "digest": call.digest, "tool": call.tool}
        self.task.run.recorder.emit(kind, actor=self.task.agent, **facts, **data)


def rereads(tool: Tool[..., Any], error: ToolError) -> bool:
    """Whether a write failed so that a fresh look at its target may help: it is another version by now."""
    forbidden = "conflict" in tool.retry.do_not_retry_on
    return error.kind == "conflict" and tool.has_precondition and not tool.reads and not forbidden


def _prompt(tool: Tool[..., Any], until: float) -> Tool[..., Any]:
    """The tool, for an attempt that must not begin after ``until``."""
    return tool if until == math.inf else tool.with_body(PromptBody(inner=tool.body, until=until))


def _is_its_fault(error: ToolError) -> bool:
    """Whether a failure tells that the tool's service is ill."""
    return error.retryable or error.kind == "unknown_outcome"
