"""The one way to a model: recorded, paid for, bounded in time, retried, and with fallbacks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from pilotman.agents.chat import ChatReply, ModelGarbage, chat
from pilotman.agents.failure import ToolError, classify
from pilotman.agents.models import NamedModel, Role
from pilotman.agents.recorder import model_spend
from pilotman.agents.scope import TaskScope
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
        """What is recorded, and what the request's digest covers."""
        schema = None if self.schema is None else self.schema.model_json_schema()
        return {"messages": list(self.messages), "tools": list(self.tools), "schema": schema}


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """The model's message (JSON-able), and which model it was. ``rules``: the rule-based tier answered."""

    message: Mapping[str, Any]
    model: str
    rules: bool = False

    @property
    def text(self) -> str:
        content = self.message.get("content", "")
        if isinstance(content, str):
            return content
        return "".join(part.get("text", "") if isinstance(part, dict) else str(part) for part in content)

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        return list(self.message.get("tool_calls") or ())


@dataclass(eq=False)
class ModelGateway:
    """The chain of a role's models, for one task. ``ratio`` is how far providers exceeded our token estimate."""

    task: TaskScope
    breaker: Breaker = field(default_factory=Breaker)
    ratio: dict[str, float] = field(default_factory=dict)

    async def ask(self, request: ModelRequest) -> ModelReply:
        """The first good reply along the chain; a recorded one is returned without a call.

        Raises:
            BudgetExceeded: the call does not fit into the purse or the time left; it was not made.
            Unavailable: every tier failed.
        """
        body = request.body
        name = digest(body)
        recorded = self._recorded(request, name)
        if recorded is not None:
            return recorded
        chain = self.task.models.chain(request.role)
        problem = "no model is allowed"
        for index, tier in enumerate(chain):
            answer = await self._tier(tier, request, body, name)
            if isinstance(answer, ModelReply):
                return answer
            problem = answer
            following = chain[index + 1].name if index + 1 < len(chain) else None
            self._emit(
                "fallback_activated",
                request,
                role=request.role,
                attempt=index,
                **{"from": tier.name, "to": following},
                reason=problem,
            )
            self.task.run.caveat(f"model {tier.name} did not answer ({problem})")
        raise Unavailable(f"no model answered: {problem}", hint="look at the model_call_failed events")

    def _recorded(self, request: ModelRequest, name: str) -> ModelReply | None:
        done = self.task.run.recorder.result("model_call", request.path, name)
        message = None if done is None else self.task.run.recorder.fetch(done["response"]["payload"])
        if done is None or message is None:
            return None
        return ModelReply(message=message, model=done["model"], rules=done["model"] == "pilotman:rules")

    def _refusal(self, tier: NamedModel) -> str | None:
        """Why this tier is passed over, or None."""
        allowed = self.task.wallet.budget.allowed_models
        if allowed is not None and tier.name not in allowed and not tier.rules:
            return "not among the allowed models"
        script = getattr(tier.model, "agent", None)
        if script is not None and script != self.task.agent:
            return f"scripted for {script}"
        if not self.task.run.circuits.admit(f"model:{tier.name}", self.breaker):
            return "its circuit is open"
        return None

    async def _tier(
        self, tier: NamedModel, request: ModelRequest, body: Mapping[str, Any], name: str
    ) -> ModelReply | str:
        """The reply of this tier, or why there is none."""
        refusal = self._refusal(tier)
        if refusal is not None:
            return refusal
        retry = self.task.wallet.budget.retry
        messages = list(request.messages)
        for attempt in range(1, retry.max_attempts + 1):
            answer = await self._attempt(tier, request, messages, body, name)
            if isinstance(answer, ModelReply):
                return answer
            self.task.run.circuits.record(f"model:{tier.name}", ok=answer.kind == "validation")
            again = answer.kind == "validation" and attempt == 1
            if not again and not retry.allows(answer.kind, attempt=attempt):
                return answer.message
            if again:  # never the same question twice: the reply's error goes with it
                messages = [*request.messages, {"role": "user", "content": f"Not usable: {answer.message}"}]
            if not await self._pause(request, answer, attempt):
                return answer.message
        return "out of attempts"

    async def _pause(self, request: ModelRequest, error: ToolError, attempt: int) -> bool:
        """Wait before the next attempt; False if the time left does not allow one."""
        run = self.task.run
        delay = self.task.wallet.budget.retry.delay(attempt, jitter=run.random())
        delay = max(delay, error.retry_after or 0.0)
        if delay >= run.left():
            return False
        self._emit(
            "retry_scheduled",
            request,
            what="model",
            attempt=attempt,
            delay_ms=round(delay * 1000),
            failure=error.kind,
        )
        await asyncio.sleep(delay)
        return True

    async def _attempt(
        self,
        tier: NamedModel,
        request: ModelRequest,
        messages: Sequence[Mapping[str, Any]],
        body: Mapping[str, Any],
        name: str,
    ) -> ModelReply | ToolError:
        """One call, reserved before and settled after."""
        run, wallet = self.task.run, self.task.wallet
        timeout = run.time_for(wallet.budget.model_timeout, path=request.path)
        estimate = self._estimate(tier, body)
        try:
            reservation = wallet.reserve(estimate)
        except BudgetExceeded as error:
            self._emit("budget_exceeded", request, limit=error.limit, message=str(error))
            raise
        attempt = run.recorder.attempts("model_call", request.path, name) + 1
        facts = {"digest": name, "role": request.role, "model": tier.name, "attempt": attempt}
        self._emit("model_call_started", request, **facts, request={"payload": run.recorder.keep(body)})
        started = time.perf_counter()
        actual = Spend(steps=1, input_tokens=estimate.input_tokens)
        try:
            reply = await self._call(tier, request, messages, estimate.output_tokens, timeout)
            event = {**facts, **self._used(tier, body, reply), "latency_ms": _milliseconds(started)}
            actual = model_spend(event)
        except Exception as error:
            problem = _problem(error)
            failed = {"failure": problem.kind, "message": problem.message, "latency_ms": _milliseconds(started)}
            self._emit("model_call_failed", request, **facts, **failed)
            return problem
        finally:
            reservation.settle(actual)
        run.circuits.record(f"model:{tier.name}", ok=True)
        self._emit("model_call_completed", request, **event)
        return ModelReply(message=reply.message, model=tier.name, rules=tier.rules)

    async def _call(
        self,
        tier: NamedModel,
        request: ModelRequest,
        messages: Sequence[Mapping[str, Any]],
        max_output_tokens: int,
        timeout: float,
    ) -> ChatReply:
        run = self.task.run
        attributes = {"gen_ai.request.model": tier.name, "gen_ai.conversation.id": run.thread_id}
        with run.telemetry.span("chat", tier.name, attributes) as span:
            reply = await chat(
                tier.model,
                messages,
                tools=request.tools,
                schema=request.schema,
                max_output_tokens=max_output_tokens,
                timeout=timeout,
                threads=run.threads,
            )
            span.set_attribute("gen_ai.usage.input_tokens", reply.input_tokens)
            span.set_attribute("gen_ai.usage.output_tokens", reply.output_tokens)
        return reply

    def _used(self, tier: NamedModel, body: Mapping[str, Any], reply: ChatReply) -> dict[str, Any]:
        """What the reply cost, for the event; and what is learned about this provider's count of tokens."""
        run = self.task.run
        seen = reply.input_tokens / (len(canonical(body)) / 3 + 1)
        self.ratio[tier.name] = max(self.ratio.get(tier.name, 1.0), seen)
        cost = run.prices.cost_nusd(tier.name, reply.input_tokens, reply.output_tokens)
        if cost is None:
            run.caveat(f"the cost is not known: no price for model {tier.name}")
        return {
            "response": {"payload": run.recorder.keep(reply.message)},
            "input_tokens": reply.input_tokens,
            "output_tokens": reply.output_tokens,
            "cost_nusd": cost,
            "estimated": reply.estimated,
            "result": "ok",
        }

    def _estimate(self, tier: NamedModel, body: Mapping[str, Any]) -> Spend:
        """What is set aside: an upper bound of the input, and as much output as is left and sensible."""
        left = self.task.wallet.left()
        size = round(len(canonical(body)) / 3 * self.ratio.get(tier.name, 1.0)) + 1
        # a third of what is left: parallel tasks must not starve each other while a call is in flight
        output = max(MIN_OUTPUT_TOKENS, min(MAX_OUTPUT_TOKENS, left.output_tokens // 3))
        prices = self.task.run.prices
        cost = prices.cost_nusd(tier.name, size, output) or 0
        while cost > left.cost_nusd and output > MIN_OUTPUT_TOKENS:
            output = max(MIN_OUTPUT_TOKENS, output // 2)
            cost = prices.cost_nusd(tier.name, size, output) or 0
        return Spend(steps=1, input_tokens=size, output_tokens=output, cost_nusd=cost)

    def _emit(self, kind: str, request: ModelRequest, /, **data: Any) -> None:
        self.task.run.recorder.emit(kind, actor=self.task.agent, path=request.path, **data)


def _problem(error: Exception) -> ToolError:
    if isinstance(error, ModelGarbage):
        return ToolError(kind="validation", retryable=True, message=str(error))
    return classify(error, effect="read")


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
