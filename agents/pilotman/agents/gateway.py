"""The one way to a model: recorded, paid for, bounded in time, retried, and with fallbacks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import BaseModel

from pilotman.agents.chat import ChatReply, ModelGarbage, chat
from pilotman.agents.failure import ToolError, classify
from pilotman.agents.messages import text_of
from pilotman.agents.models import NamedModel, Role
from pilotman.agents.recorder import Recorder, model_spend
from pilotman.agents.rules.model import RULES
from pilotman.agents.scope import TaskScope
from pilotman.agents.structured import json_schema
from pilotman.agents.telemetry import model_attributes
from pilotman.agents.tokens import BYTES_PER_TOKEN
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.digest import canonical, digest
from pilotman.guardrails.errors import BudgetExceeded, Unavailable
from pilotman.guardrails.purse import Spend

MAX_OUTPUT_TOKENS = 4_096
MIN_OUTPUT_TOKENS = 64


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One model turn. ``messages`` and ``tools`` are JSON-able; ``schema`` asks for a structured answer."""

    path: str
    role: Role
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    schema: type[BaseModel] | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is recorded, and what the request's digest covers: messages, tools and schema."""
        schema = None if self.schema is None else json_schema(self.schema)
        return {"messages": list(self.messages), "tools": list(self.tools), "schema": schema}


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """The model's message (JSON-able), and which model it was. ``rules``: the rule-based tier answered."""

    message: Mapping[str, Any]
    model: str
    rules: bool = False

    @property
    def text(self) -> str:
        return text_of(self.message.get("content", ""))

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        return list(self.message.get("tool_calls") or ())


@dataclass(eq=False)
class ModelGateway:
    """The chain of a role's models, for one task. ``ratio``: how far providers exceeded our estimates."""

    task: TaskScope
    breaker: Breaker = field(default_factory=Breaker)
    ratio: dict[str, float] = field(default_factory=dict[str, float])

    async def ask(self, request: ModelRequest) -> ModelReply:
        """The first good reply along the chain; a recorded one is returned without a call.

        Raises:
            BudgetExceeded: the call does not fit into the purse or the time left; it was not made.
            Unavailable: every tier failed.
        """
        name = digest(request.body)
        recorded = self._recorded(request, name)
        if recorded is not None:
            return recorded
        chain = [tier for tier in self.task.models.chain(request.role) if self._speaks_to_us(tier)]
        problem = "no model is there for this agent"
        for index, tier in enumerate(chain):
            answer = await self._tier(tier, request, name)
            if isinstance(answer, ModelReply):
                return answer
            problem = answer
            self.task.run.caveat(f"model {tier.name} did not answer ({problem})")
            if index + 1 < len(chain):
                tiers = {"from": tier.name, "to": chain[index + 1].name}
                facts = {"digest": name, "role": request.role, "attempt": index}
                self._emit("fallback_activated", request, **facts, **tiers, reason=problem)
        raise Unavailable(f"no model answered: {problem}", hint="look at the model_call_failed events")

    def _recorded(self, request: ModelRequest, name: str) -> ModelReply | None:
        recorder = self.task.run.recorder
        done = recorder.result("model_call", request.path, name)
        message = recorder.body(done, "response")
        if done is None or message is None:
            return None
        return ModelReply(message=message, model=done["model"], rules=done["model"] == RULES)

    def _speaks_to_us(self, tier: NamedModel) -> bool:
        """False for a model that is scripted for another agent: it is none of this one's tiers."""
        return getattr(tier.model, "agent", None) in (None, self.task.agent)

    async def _tier(self, tier: NamedModel, request: ModelRequest, name: str) -> ModelReply | str:
        """The reply of this tier, or why there is none."""
        allowed = self.task.wallet.budget.allowed_models
        if allowed is not None and tier.name not in allowed and not tier.rules:
            return "not among the allowed models"
        retry = self.task.wallet.budget.retry
        asked = request
        attempt = 0
        while True:
            attempt += 1
            answer = await self._attempt(tier, asked, name)
            if isinstance(answer, ModelReply):
                return answer
            delay = max(retry.delay(attempt, jitter=self.task.run.random()), answer.retry_after or 0.0)
            if (
                _is_garbage(answer) and asked is request
            ):  # never the same question twice: its error goes along
                correction = {"role": "user", "content": f"Not usable: {answer.message}"}
                asked = replace(request, messages=[*request.messages, correction])
                delay = 0.0
            elif _is_garbage(answer) or not retry.allows(answer.kind, attempt=attempt):
                return answer.message
            if not await self._pause(tier, request, name, answer, delay):
                return answer.message

    async def _pause(
        self, tier: NamedModel, request: ModelRequest, name: str, error: ToolError, delay: float
    ) -> bool:
        """Wait before the next attempt; False if the time left does not allow one."""
        run = self.task.run
        if delay >= run.left():
            return False
        self._emit(
            "retry_scheduled",
            request,
            what="model",
            digest=name,
            model=tier.name,
            attempt=run.recorder.attempts("model_call", request.path, name),
            delay_ms=round(delay * 1000),
            failure=error.kind,
        )
        await asyncio.sleep(delay)
        return True

    async def _attempt(self, tier: NamedModel, request: ModelRequest, name: str) -> ModelReply | ToolError:
        """One call under its reservation, if the model's circuit lets it pass."""
        run = self.task.run
        timeout = run.time_for(self.task.wallet.budget.model_timeout, path=request.path)
        estimate = self._estimate(tier, request.body)
        try:
            reservation = self.task.wallet.reserve(estimate)
        except BudgetExceeded as error:
            run.exceeded(error, path=request.path)
            raise
        admission = run.circuits.admit(f"model:{tier.name}", self.breaker)
        if admission is None:
            reservation.release()
            return ToolError(kind="permanent", message="it failed too often lately and is given a rest")
        used = self._unanswered(tier, estimate)  # if it is cancelled
        try:
            answer, used = await self._made(tier, request, name, estimate, timeout)
            admission.record(ok=isinstance(answer, ModelReply) or answer.kind == "validation")
            return answer
        finally:
            admission.release()
            reservation.settle(used)

    async def _made(
        self, tier: NamedModel, request: ModelRequest, name: str, estimate: Spend, timeout: float
    ) -> tuple[ModelReply | ToolError, Spend]:
        """The call itself, written down before and after, and what it has used."""
        recorder = self.task.run.recorder
        attempt = recorder.attempts("model_call", request.path, name) + 1
        facts = {"digest": name, "role": request.role, "model": tier.name, "attempt": attempt}
        self._emit("model_call_started", request, **facts, request={"payload": recorder.keep(request.body)})
        started = time.perf_counter()
        try:
            reply = await self._call(tier, request, estimate.output_tokens, timeout)
            kept = _kept(recorder, reply)
        except Exception as error:
            problem = _problem(error)
            used = self._unanswered(tier, estimate) if _was_read(problem) else Spend(steps=1)
            failed = {
                "failure": problem.kind,
                "message": problem.message,
                "latency_ms": _milliseconds(started),
            }
            self._emit("model_call_failed", request, **facts, **failed, **_tokens(used))
            return problem, used
        usage = self._used(tier, request, reply)
        event = {**facts, "response": {"payload": kept}, **usage, "latency_ms": _milliseconds(started)}
        self._emit("model_call_completed", request, **event)
        return ModelReply(message=reply.message, model=tier.name, rules=tier.rules), model_spend(event)

    async def _call(
        self, tier: NamedModel, request: ModelRequest, max_output_tokens: int, timeout: float
    ) -> ChatReply:
        run = self.task.run
        attributes = {**model_attributes(tier.name), "gen_ai.conversation.id": run.thread_id}
        with run.telemetry.span("chat", tier.name, attributes) as span:
            run.telemetry.say(span, "gen_ai.input.messages", list(request.messages))
            reply = await chat(
                tier.model,
                request.messages,
                tools=request.tools,
                schema=request.schema,
                max_output_tokens=max_output_tokens,
                timeout=timeout,
                threads=run.threads,
            )
            span.set_attribute("gen_ai.usage.input_tokens", reply.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", reply.output_tokens)
            run.telemetry.say(span, "gen_ai.output.messages", [reply.message])
        return reply

    def _used(self, tier: NamedModel, request: ModelRequest, reply: ChatReply) -> dict[str, Any]:
        """What the reply cost, for the event; and what is learned about this provider's count of tokens."""
        run = self.task.run
        read, said = max(0, reply.input_tokens), max(0, reply.output_tokens)  # some count down
        seen = read / (len(canonical(request.body)) / BYTES_PER_TOKEN + 1)
        self.ratio[tier.name] = max(self.ratio.get(tier.name, 1.0), seen)
        cost = run.prices.cost_nusd(tier.name, read, said)
        if cost is None:
            run.caveat(f"the cost is not known: no price for model {tier.name}")
        used = {"input_tokens": read, "output_tokens": said, "cost_nusd": cost}
        return {**used, "estimated": reply.estimated, "result": "ok"}

    def _estimate(self, tier: NamedModel, body: Mapping[str, Any]) -> Spend:
        """What is set aside: an upper bound of the input, and as much output as is left and sensible."""
        left = self.task.wallet.left()
        size = round(len(canonical(body)) / BYTES_PER_TOKEN * self.ratio.get(tier.name, 1.0)) + 1
        # a third of what is left: parallel tasks must not starve each other while a call is in flight
        output = max(MIN_OUTPUT_TOKENS, min(MAX_OUTPUT_TOKENS, left.output_tokens // 3))
        prices = self.task.run.prices
        cost = prices.cost_nusd(tier.name, size, output) or 0
        while cost > left.cost_nusd and output > MIN_OUTPUT_TOKENS:
            output = max(MIN_OUTPUT_TOKENS, output // 2)
            cost = prices.cost_nusd(tier.name, size, output) or 0
        return Spend(steps=1, input_tokens=size, output_tokens=output, cost_nusd=cost)

    def _unanswered(self, tier: NamedModel, estimate: Spend) -> Spend:
        """What a call counts whose prompt was read and whose answer is lost or useless: its input."""
        cost = self.task.run.prices.cost_nusd(tier.name, estimate.input_tokens, 0) or 0
        return Spend(steps=1, input_tokens=estimate.input_tokens, cost_nusd=cost)

    def _emit(self, kind: str, request: ModelRequest, /, **data: Any) -> None:
        self.task.run.recorder.emit(kind, actor=self.task.agent, path=request.path, **data)


def _kept(recorder: Recorder, reply: ChatReply) -> str:
    try:
        return recorder.keep(reply.message)
    except TypeError as error:  # a lone surrogate, for one
        raise ModelGarbage(f"the reply is not text: {error}") from error


def _problem(error: Exception) -> ToolError:
    if isinstance(error, ModelGarbage):
        return ToolError(kind="validation", retryable=True, message=str(error))
    return classify(error, effect="read")


def _is_garbage(problem: ToolError) -> bool:
    """A reply that cannot be used. A request that the provider refuses as invalid is not retryable."""
    return problem.kind == "validation" and problem.retryable


def _was_read(problem: ToolError) -> bool:
    return problem.kind == "timeout" or _is_garbage(problem)


def _tokens(used: Spend) -> dict[str, int]:
    return {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cost_nusd": used.cost_nusd,
    }


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
