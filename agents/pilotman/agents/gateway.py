"""The one way to a model: recorded, paid for, bounded in time, retried, and with fallbacks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pilotman.agents.chat import ChatReply, chat
from pilotman.agents.entrance import enter
from pilotman.agents.exchange import ModelReply, ModelRequest
from pilotman.agents.failure import ToolError, classify
from pilotman.agents.meter import Held
from pilotman.agents.models import NamedModel
from pilotman.agents.recorder import Recorder, model_spend
from pilotman.agents.rules.model import RULES
from pilotman.agents.scope import TaskScope
from pilotman.agents.shortening import is_too_long, shortened
from pilotman.agents.telemetry import failed, model_attributes
from pilotman.agents.tokens import BYTES_PER_TOKEN
from pilotman.agents.window import is_loss
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.digest import digest_of
from pilotman.guardrails.errors import BudgetExceeded, QuotaExceeded, Unavailable
from pilotman.guardrails.purse import Spend

MAX_OUTPUT_TOKENS = 4_096
MIN_OUTPUT_TOKENS = 64
FIRST_SHARE, RETRY_SHARE = 0.8, 0.5
_STOPPED = ToolError.of("transient", "it was abandoned: the run was stopped")
_CUT = frozenset({"length", "max_tokens", "max_output_tokens"})


@dataclass(eq=False)
class ModelGateway:
    """The chain of a role's models, for one task. ``ratio``: how far providers exceeded our estimates."""

    task: TaskScope
    breaker: Breaker = field(default_factory=Breaker)
    ratio: dict[str, float] = field(default_factory=dict[str, float])

    async def ask(self, request: ModelRequest) -> ModelReply:
        """The first good reply along the chain; a recorded one is returned without a call.

        For what models are not to see they get placeholders; what they say of these is said of the values.

        Raises:
            BudgetExceeded: the call does not fit into the purse or the time left; it was not made.
            Unavailable: every tier failed.
        """
        outbox = self.task.run.outbox
        if not outbox.settings.models:
            return await self._ask(request)
        messages = list(request.messages)
        await outbox.look(messages)
        reply = await self._ask(replace(request, messages=outbox.hidden(messages, path=request.path)))
        return replace(reply, message=outbox.shown(reply.message))

    async def _ask(self, request: ModelRequest) -> ModelReply:
        """The same for what a model may see."""
        request = request.within(self.task.wallet.budget.max_context_tokens)
        name = digest_of(request.raw)
        recorded = self._recorded(request, name)
        if recorded is not None:
            return recorded
        if any(is_loss(one) for one in request.left_out):
            self.task.run.caveat("a model did not see all that was found: its context has a limit")
        chain = [tier for tier in self.task.models.chain(request.role) if self._speaks_to_us(tier)]
        problem = "no model is there for this agent"
        for index, tier in enumerate(chain):
            behind = any(not later.rules for later in chain[index + 1 :])
            answer = await self._tier(tier, request, name, behind=behind)
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

    async def _tier(
        self, tier: NamedModel, request: ModelRequest, name: str, *, behind: bool
    ) -> ModelReply | str:
        """The reply of this tier, or why there is none. ``behind``: another model stands behind it."""
        allowed = self.task.wallet.budget.allowed_models
        if allowed is not None and tier.name not in allowed and not tier.rules:
            return "not among the allowed models"
        retry = self.task.wallet.budget.retry
        request = request.within(tier.context)
        first = asked = request if tier.may_write else self._harmless(request)
        attempt = 0
        self.task.run.retries.called(f"model:{tier.name}")
        while True:
            attempt += 1
            seconds = self._time(_share(tier, attempt))
            answer = await self._turn(tier, asked, name, seconds=seconds)
            if isinstance(answer, ModelReply):
                return answer
            delay = max(retry.delay(attempt, jitter=self.task.run.random()), answer.retry_after or 0.0)
            changed = self._changed(first, answer) if asked is first else None
            if changed is not None:  # never the same question twice
                asked, delay = changed, 0.0
            elif _is_garbage(answer) or not (answer.retryable and retry.allows(answer.kind, attempt=attempt)):
                return answer.message
            rest = self._time(RETRY_SHARE, after=delay)
            # too slow with far more time than is left for it: that time is the next one's
            if answer.kind == "timeout" and behind and rest < seconds * RETRY_SHARE:
                return answer.message
            if not await self._pause(tier, request, name, answer, delay):
                return answer.message

    def _changed(self, request: ModelRequest, answer: ToolError) -> ModelRequest | None:
        """What to ask instead, where that may help: the error goes along, or there is less context."""
        if _is_garbage(answer):
            correction = {"role": "user", "content": f"Not usable: {answer.message}"}
            return replace(request, messages=[*request.messages, correction])
        shorter = shortened(request.messages) if is_too_long(answer) else None
        if shorter is None:
            return None
        self.task.run.caveat("a model did not see some results of tools: the context was too long for it")
        return replace(request, messages=shorter)

    def _time(self, share: float, *, after: float = 0.0) -> float:
        """Seconds that an attempt may take which begins after a delay."""
        return min(self.task.wallet.budget.model_timeout, (self.task.run.left() - after) * share)

    def _harmless(self, request: ModelRequest) -> ModelRequest:
        """The request without the tools that write. Our own prompts say which they are, a foreign agent's
        do not."""
        if self.task.foreign is None:
            return request
        writes = {t.name for t in self.task.tools.values() if t.effective in ("write", "irreversible")}
        kept = [one for one in request.tools if dict(one.get("function", one)).get("name") not in writes]
        return replace(request, tools=kept)

    async def _pause(
        self, tier: NamedModel, request: ModelRequest, name: str, error: ToolError, delay: float
    ) -> bool:
        """Wait before the next attempt; False if the time left does not allow one."""
        run = self.task.run
        if delay >= run.left() * RETRY_SHARE:
            return False
        attempt = run.recorder.attempts("model_call", request.path, name)
        facts = {"digest": name, "model": tier.name, "attempt": attempt, "failure": error.kind}
        if not run.retries.take(f"model:{tier.name}", self.task.wallet.budget.retry):
            self._emit("retry_refused", request, what="model", **facts)
            return False
        self._emit("retry_scheduled", request, what="model", **facts, delay_ms=round(delay * 1000))
        with self.task.at_rest():
            await asyncio.sleep(delay)
        return True

    async def _turn(
        self, tier: NamedModel, request: ModelRequest, name: str, *, seconds: float
    ) -> ModelReply | ToolError:
        """One attempt, once there is a place for it. The rules are no service: they need none."""
        lane = self.task.run.lanes.models
        if lane is None or tier.rules:
            return await self._metered(tier, request, name, seconds=seconds)
        if not await self.task.take_place(lane):
            return ToolError(kind="transient", message="no place became free among the calls in flight")
        try:
            return await self._metered(tier, request, name, seconds=seconds)
        finally:
            lane.leave()

    async def _metered(
        self, tier: NamedModel, request: ModelRequest, name: str, *, seconds: float
    ) -> ModelReply | ToolError:
        """One attempt, if the quotas have so much left. What is free needs none."""
        run = self.task.run
        if run.meter is None or tier.rules:
            return await self._attempt(tier, request, name, seconds=seconds)
        try:
            held = await run.meter.reserve(self._estimate(tier, len(request.raw)))
        except QuotaExceeded as error:
            run.exceeded(error, path=request.path)
            return ToolError(kind="permanent", message=str(error))
        try:
            return await self._attempt(tier, request, name, seconds=seconds, held=held)
        finally:
            if held is not None:
                held.settle(Spend())  # it was not made, or it has settled itself

    async def _attempt(
        self,
        tier: NamedModel,
        request: ModelRequest,
        name: str,
        *,
        seconds: float,
        held: Held | None = None,
    ) -> ModelReply | ToolError:
        """One call under its reservation, if the model's circuit lets it pass."""
        run = self.task.run
        timeout = run.time_for(seconds, path=request.path)
        breaker = self.task.wallet.budget.breaker or self.breaker
        bulkheads = run.limits.of_model(tier.name, run.principal.tenant)
        with self.task.at_rest():
            admission = await enter(run.circuits, f"model:{tier.name}", breaker, bulkheads, seconds=timeout)
        if isinstance(admission, ToolError):
            return admission
        timeout -= admission.waited
        estimate = self._estimate(tier, len(request.raw))
        try:
            reservation = self.task.wallet.reserve(estimate)
        except BudgetExceeded as error:
            admission.release()
            run.exceeded(error, path=request.path)
            raise
        used = self._unanswered(tier, estimate)  # if it is cancelled
        try:
            answer, used = await self._made(tier, request, name, estimate, timeout)
            admission.record(ok=isinstance(answer, ModelReply) or answer.kind == "validation")
            return answer
        finally:
            admission.release()
            reservation.settle(used)
            if held is not None:
                held.settle(used)

    async def _made(
        self, tier: NamedModel, request: ModelRequest, name: str, estimate: Spend, timeout: float
    ) -> tuple[ModelReply | ToolError, Spend]:
        """The call itself, written down before and after, and what it has used."""
        recorder = self.task.run.recorder
        attempt = recorder.attempts("model_call", request.path, name) + 1
        facts = {"digest": name, "role": request.role, "model": tier.name, "attempt": attempt}
        asked: dict[str, Any] = {"request": {"payload": recorder.keep_request(request.raw)}}
        if request.left_out:
            asked["left_out"] = list(request.left_out)
        self._emit("model_call_started", request, **facts, **asked, max_output_tokens=estimate.output_tokens)
        started = time.perf_counter()
        try:
            reply = await self._call(tier, request, estimate.output_tokens, timeout)
        except (Exception, asyncio.CancelledError) as error:
            stopped = not isinstance(error, Exception)
            problem = _STOPPED if stopped else classify(error, effect="read")
            was_read = stopped or problem.kind == "timeout"
            used = self._unanswered(tier, estimate) if was_read else Spend(steps=1)
            said = {"failure": problem.kind, "message": problem.message, **_tokens(used)}
            self._emit("model_call_failed", request, **facts, **said, latency_ms=_milliseconds(started))
            if stopped:
                raise
            return problem, used
        usage = self._used(tier, request, reply)
        event = {**facts, **usage, "response": {"payload": _kept(recorder, reply)}}
        event["latency_ms"] = _milliseconds(started)
        if reply.problem:  # it was paid for all the same
            said = {"failure": "validation", "message": reply.problem}
            self._emit("model_call_failed", request, **event, **said)
            garbage = ToolError(kind="validation", retryable=True, message=reply.problem)
            return garbage, model_spend(event)
        if _was_cut(reply.message):
            self.task.run.caveat(f"a reply of model {tier.name} was cut at its limit of tokens")
        self._emit("model_call_completed", request, **event, result="ok")
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
            if reply.problem:
                failed(span, "garbage")
        return reply

    def _used(self, tier: NamedModel, request: ModelRequest, reply: ChatReply) -> dict[str, Any]:
        """What the reply cost, for the event; and what is learned about this provider's count of tokens."""
        run = self.task.run
        read, said = max(0, reply.input_tokens), max(0, reply.output_tokens)  # some count down
        seen = read / (len(request.raw) / BYTES_PER_TOKEN + 1)
        self.ratio[tier.name] = max(self.ratio.get(tier.name, 1.0), seen)
        cost = run.prices.cost_nusd(tier.name, read, said)
        if cost is None:
            run.caveat(f"the cost is not known: no price for model {tier.name}")
        used = {"input_tokens": read, "output_tokens": said, "cost_nusd": cost}
        return {**used, "estimated": reply.estimated}

    def _estimate(self, tier: NamedModel, length: int) -> Spend:
        """What is set aside: an upper bound of the input, ``length`` bytes of it, and sensible output."""
        left = self.task.wallet.left()
        size = round(length / BYTES_PER_TOKEN * self.ratio.get(tier.name, 1.0)) + 1
        # a third of what is left: parallel tasks must not starve each other while a call is in flight
        output = max(MIN_OUTPUT_TOKENS, min(MAX_OUTPUT_TOKENS, left.output_tokens // 3))
        prices = self.task.run.prices
        cost = prices.cost_nusd(tier.name, size, output) or 0
        while cost > left.cost_nusd and output > MIN_OUTPUT_TOKENS:
            output = max(MIN_OUTPUT_TOKENS, output // 2)
            cost = prices.cost_nusd(tier.name, size, output) or 0
        return Spend(steps=1, input_tokens=size, output_tokens=output, cost_nusd=cost)

    def _unanswered(self, tier: NamedModel, estimate: Spend) -> Spend:
        """What a call counts whose prompt was read and whose answer is lost: its input."""
        cost = self.task.run.prices.cost_nusd(tier.name, estimate.input_tokens, 0) or 0
        return Spend(steps=1, input_tokens=estimate.input_tokens, cost_nusd=cost)

    def _emit(self, kind: str, request: ModelRequest, /, **data: Any) -> None:
        self.task.run.recorder.emit(kind, actor=self.task.agent, path=request.path, **data)


def _share(tier: NamedModel, attempt: int) -> float:
    """How much of the time left an attempt may take: the rules behind a model that hangs need some too."""
    if tier.rules:
        return 1.0
    return FIRST_SHARE if attempt == 1 else RETRY_SHARE


def _kept(recorder: Recorder, reply: ChatReply) -> str:
    try:
        return recorder.keep(reply.message)
    except TypeError:  # it has no JSON form: as Python writes it down
        return recorder.keep(repr(reply.message))


def _was_cut(message: Mapping[str, Any]) -> bool:
    """Whether the provider says that the reply has no end, in its own words."""
    told = message.get("response_metadata", {})
    return str(told.get("finish_reason") or told.get("stop_reason")).lower() in _CUT


def _is_garbage(problem: ToolError) -> bool:
    """A reply that cannot be used. A request that the provider refuses as invalid is not retryable."""
    return problem.kind == "validation" and problem.retryable


def _tokens(used: Spend) -> dict[str, int]:
    return {
        "input_tokens": used.input_tokens,
        "output_tokens": used.output_tokens,
        "cost_nusd": used.cost_nusd,
    }


def _milliseconds(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 3)
