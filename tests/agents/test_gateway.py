"""The gateway: paid for before, settled after, bounded in time, never lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel
from tests.agents.office import QUICK, Office, office
from tests.patience import in_time

from pilotman.agents.chat import chat
from pilotman.agents.exchange import ModelRequest
from pilotman.agents.fakes import ModelFault
from pilotman.agents.gateway import ModelGateway
from pilotman.agents.models import ModelTable, NamedModel
from pilotman.agents.prices import Price, PriceTable
from pilotman.agents.testing import FaultyChatModel, ScriptedChatModel
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.errors import BudgetExceeded, Unavailable
from pilotman.guardrails.purse import Spend, Wallet, limits
from pilotman.guardrails.retry import Retry

pytestmark = pytest.mark.anyio
FREE = PriceTable(prices={"*": Price(input=0.0, output=0.0)})


class Provider(BaseChatModel):
    """A provider that misbehaves: ``behave`` is called for every request."""

    behave: Any
    name: str | None = "provider"

    @property
    def _llm_type(self) -> str:
        return "provider"

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> Any:
        return {"ls_provider": "test", "ls_model_name": self.name}

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        message = await self.behave(messages)
        return ChatResult(generations=[ChatGeneration(message=message)])


def said(text: str, input_tokens: int = 5, output_tokens: int = 5) -> AIMessage:
    usage = {"input_tokens": input_tokens, "output_tokens": output_tokens, "total_tokens": 0}
    return AIMessage(content=text, usage_metadata=usage)  # pyright: ignore[reportArgumentType]


def always(fault: ModelFault, times: int) -> list[ModelFault]:
    return [fault] * times


def ask(path: str = "task:t1/turn:0", text: str = "hello", schema: Any = None) -> ModelRequest:
    return ModelRequest(path=path, role="worker", messages=[{"role": "user", "content": text}], schema=schema)


async def gateway(place: Office, models: Any, **fields: Any) -> ModelGateway:
    prices = fields.pop("prices", FREE)
    timeout = fields.pop("timeout", 60.0)
    run = await place.run(timeout=timeout, prices=prices)
    return ModelGateway(place.task(run, models=models, **fields))


def committed(wallet: Wallet) -> Spend:
    purse = wallet.purse
    limit = limits(wallet.budget)
    assert purse.committed.capped(limit) == purse.committed, "settled and reserved pass the limit"
    return purse.committed


# paying


async def test_a_call_is_paid_for_by_what_the_provider_counts() -> None:
    async with office() as place:
        prices = PriceTable(prices={"test:provider": Price(input=1.0, output=2.0)})

        async def behave(_: Any) -> AIMessage:
            return said("hi", 100, 10)

        desk = await gateway(place, Provider(behave=behave), prices=prices)
        reply = await desk.ask(ask())
        assert (reply.text, reply.model, reply.rules) == ("hi", "test:provider", False)
        wallet = desk.task.wallet
        assert wallet.purse.settled == Spend(steps=1, input_tokens=100, output_tokens=10, cost_nusd=120_000)
        assert not wallet.purse.reserved
        started, completed = await place.events("run_1", "model_call_started", "model_call_completed")
        assert completed.data["cost_nusd"] == 120_000
        assert started.data["request"]["payload"] != completed.data["response"]["payload"]


def _end(what: str) -> AIMessage:
    """One end of a provider's call."""
    errors: dict[str, BaseException] = {
        "timeout": TimeoutError(),
        "error": RuntimeError("no"),
        "cancel": asyncio.CancelledError(),
    }
    if what in errors:
        raise errors[what]
    counts = {"many": 10**9, "negative": -50, "ok": 30, "garbage": 30}
    return said("" if what == "garbage" else "x", counts[what], counts[what])


@given(
    script=st.lists(
        st.tuples(
            st.sampled_from(["ok", "many", "negative", "timeout", "error", "garbage", "cancel"]),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=8,
    ),
    steps=st.integers(1, 12),
    tokens=st.integers(100, 5_000),
)
@settings(max_examples=30)
def test_settled_and_reserved_never_pass_the_limit(
    script: list[tuple[str, int]], steps: int, tokens: int
) -> None:
    asyncio.run(_pays(script, steps, tokens))


async def _pays(script: list[tuple[str, int]], steps: int, tokens: int) -> None:
    async with office() as place:
        turns = iter(script * 20)

        async def behave(_: Any) -> AIMessage:
            what, pauses = next(turns)
            for _ in range(pauses + 1):
                committed(desk.task.wallet)
                await asyncio.sleep(0)
            return _end(what)

        budget = Budget(
            max_steps=steps,
            max_input_tokens=tokens,
            max_output_tokens=tokens,
            retry=Retry(max_attempts=2, backoff_ms=(0,)),
        )
        desk = await gateway(place, Provider(behave=behave), budget=budget)
        calls = [asyncio.create_task(desk.ask(ask(f"task:t1/turn:{n}"))) for n in range(len(script))]
        await asyncio.sleep(0)
        calls[0].cancel()
        await asyncio.wait(calls)
        for call in calls:
            if not call.cancelled():
                assert isinstance(call.exception(), BudgetExceeded | Unavailable | None)
        committed(desk.task.wallet)
        assert not desk.task.wallet.purse.reserved


async def test_a_provider_that_counts_far_more_is_foreseen_the_next_time() -> None:
    async with office() as place:

        async def behave(_: Any) -> AIMessage:
            return said("x", 3_000, 10)

        desk = await gateway(
            place, Provider(behave=behave), budget=Budget(max_input_tokens=5_000, retry=QUICK)
        )
        await desk.ask(ask())
        with pytest.raises(BudgetExceeded) as refused:
            await desk.ask(ask("task:t1/turn:1"))
        assert refused.value.limit == "max_input_tokens"
        assert desk.task.wallet.purse.settled.steps == 1


async def test_a_cancelled_call_gives_its_reservation_back() -> None:
    async with office() as place:
        began = asyncio.Event()

        async def behave(_: Any) -> AIMessage:
            began.set()
            await asyncio.sleep(60)
            raise AssertionError

        desk = await gateway(place, Provider(behave=behave))
        call = asyncio.create_task(desk.ask(ask()))
        await began.wait()
        assert committed(desk.task.wallet).output_tokens > 0
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not desk.task.wallet.purse.reserved
        settled = desk.task.wallet.purse.settled
        assert (settled.steps, settled.output_tokens) == (1, 0)
        assert settled.input_tokens > 0, "the prompt was read"


@pytest.mark.parametrize(
    "told", [{"finish_reason": "length"}, {"stop_reason": "max_tokens"}, {"finish_reason": "MAX_TOKENS"}]
)
async def test_a_reply_that_was_cut_is_said_to_be(told: dict[str, str]) -> None:
    async with office() as place:
        desk = await gateway(place, ScriptedChatModel([AIMessage(content="half a", response_metadata=told)]))
        assert (await desk.ask(ask())).text == "half a"
        assert desk.task.run.caveats == ["a reply of model pilotman:scripted was cut at its limit of tokens"]


# limits


@pytest.mark.parametrize(
    ("budget", "limit"),
    [
        ({"max_steps": 1}, "max_steps"),
        ({"max_input_tokens": 60}, "max_input_tokens"),
        ({"max_output_tokens": 100}, "max_output_tokens"),
        ({"max_cost_usd": 0.000_3}, "max_cost_usd"),
    ],
)
async def test_what_does_not_fit_does_not_start(budget: dict[str, Any], limit: str) -> None:
    async with office() as place:
        calls: list[int] = []

        async def behave(_: Any) -> AIMessage:
            calls.append(1)
            return said("x", 55, 90)

        prices = PriceTable(prices={"test:provider": Price(input=1.0, output=1.0)})
        desk = await gateway(
            place, Provider(behave=behave), budget=Budget(**budget, retry=QUICK), prices=prices
        )

        async def talk() -> None:
            for turn in range(4):
                await desk.ask(ask(f"task:t1/turn:{turn}"))

        with pytest.raises(BudgetExceeded) as refused:
            await talk()
        assert refused.value.limit == limit
        events = await place.events()
        assert len([e for e in events if e.kind == "model_call_started"]) == len(calls) < 4
        (said_so,) = [e for e in events if e.kind == "budget_exceeded"]
        assert said_so.data["limit"] == limit
        assert said_so.data["message"]


async def test_no_call_starts_when_the_time_is_up() -> None:
    async with office() as place:
        desk = await gateway(place, ScriptedChatModel(["hi"]), timeout=0.0)
        with pytest.raises(BudgetExceeded) as refused:
            await desk.ask(ask())
        assert refused.value.limit == "timeout"
        (said_so,) = await place.events()
        assert (said_so.kind, said_so.data["limit"]) == ("budget_exceeded", "timeout")
        assert said_so.data["message"] == "the run's time is used up"


async def test_only_allowed_models_are_asked_and_the_rules_always_are() -> None:
    async with office() as place:

        async def behave(_: Any) -> AIMessage:
            raise AssertionError("it was asked")

        budget = Budget(allowed_models=frozenset({"test:other"}), retry=QUICK)
        desk = await gateway(place, Provider(behave=behave), budget=budget)
        reply = await desk.ask(ask())
        assert reply.rules
        (fell,) = await place.events("run_1", "fallback_activated")
        assert (fell.data["from"], fell.data["to"]) == ("test:provider", "pilotman:rules")
        assert fell.data["reason"] == "not among the allowed models"


async def test_an_unknown_price_is_said_not_guessed() -> None:
    async with office() as place:

        async def behave(_: Any) -> AIMessage:
            return said("hi")

        desk = await gateway(place, Provider(behave=behave), prices=PriceTable())
        await desk.ask(ask())
        (done,) = await place.events("run_1", "model_call_completed")
        assert done.data["cost_nusd"] is None
        assert any("no price for model test:provider" in caveat for caveat in desk.task.run.caveats)


async def test_a_script_for_another_agent_is_passed_over_in_silence() -> None:
    async with office() as place:
        other = ScriptedChatModel(["not for you"], agent="somebody")
        mine = ScriptedChatModel(["for you"], agent="worker")
        desk = await gateway(place, [other, mine])
        assert (await desk.ask(ask())).text == "for you"
        assert other.requests == ()
        assert "fallback_activated" not in await place.kinds()
        assert desk.task.run.caveats == []


# failing


async def test_garbage_is_asked_again_once_with_its_error_and_never_the_same_way() -> None:
    class Size(BaseModel):
        gigabytes: int

    async with office() as place:
        model = ScriptedChatModel(["big", '{"gigabytes": 3}'])
        desk = await gateway(place, model, budget=Budget(retry=Retry(max_attempts=1)))
        reply = await desk.ask(ask(schema=Size))
        assert reply.text == '{"gigabytes": 3}'
        first, second = model.requests
        assert len(second.messages) == len(first.messages) + 1
        assert "Not usable" in str(second.messages[-1].content)
        started = await place.events("run_1", "model_call_started")
        kept = await place.journal.payloads("run_1")
        bodies = [orjson.loads(kept[e.data["request"]["payload"]]) for e in started]
        assert [len(body["messages"]) for body in bodies] == [1, 2], "the journal holds what was really asked"
        assert len({e.data["digest"] for e in started}) == 1


@pytest.mark.parametrize("garbage", ["", "bad \ud800", "\x00", "y" * 2_000_000])
async def test_garbage_is_paid_for_and_written_down(garbage: str) -> None:
    async with office() as place:
        replies = iter([said(garbage, 100, 10), said("good", 40, 4)])

        async def behave(_: Any) -> AIMessage:
            return next(replies)

        prices = PriceTable(prices={"test:provider": Price(input=1.0, output=2.0)})
        desk = await gateway(place, Provider(behave=behave), prices=prices)
        assert (await desk.ask(ask())).text == "good"
        paid = Spend(steps=2, input_tokens=140, output_tokens=14, cost_nusd=168_000)
        assert desk.task.wallet.purse.settled == paid
        (failed,) = await place.events("run_1", "model_call_failed")
        assert (failed.data["input_tokens"], failed.data["output_tokens"]) == (100, 10)
        assert failed.data["response"]["payload"] in await place.journal.payloads("run_1")
        again = await place.run(new=False)
        assert again.recorder.spent("") == paid, "after a crash too"


async def test_garbage_twice_falls_to_the_next_tier() -> None:
    async with office() as place:
        model = FaultyChatModel(ScriptedChatModel(["never said"]), faults=always("garbage", 5))
        desk = await gateway(place, [model, ScriptedChatModel(["second tier"])])
        assert (await desk.ask(ask())).text == "second tier"
        assert model.calls == 2
        failed = await place.events("run_1", "model_call_failed")
        assert [e.data["failure"] for e in failed] == ["validation", "validation"]
        assert failed[0].data["input_tokens"] > 0


async def test_a_request_that_the_provider_refuses_is_not_sent_again() -> None:
    class Refused(Exception):
        status_code = 400

    async with office() as place:
        calls: list[int] = []

        async def behave(_: Any) -> AIMessage:
            calls.append(1)
            raise Refused("the context is too long")

        desk = await gateway(place, [Provider(behave=behave), ScriptedChatModel(["shorter"])])
        assert (await desk.ask(ask())).text == "shorter"
        assert calls == [1]


@pytest.mark.parametrize("fault", ["timeout", "rate_limit"])
async def test_passing_failures_are_tried_again_then_the_next_tier(fault: Any) -> None:
    async with office() as place:
        first = FaultyChatModel(ScriptedChatModel(["first"]), faults=always(fault, 3))
        second = FaultyChatModel(ScriptedChatModel(["second"]), faults=[fault])
        desk = await gateway(place, [first, second])
        assert (await desk.ask(ask())).text == "second"
        assert (first.calls, second.calls) == (3, 2)
        retried = await place.events("run_1", "retry_scheduled")
        assert [e.data["attempt"] for e in retried] == [1, 2, 4]
        (fell,) = await place.events("run_1", "fallback_activated")
        assert fell.data["attempt"] == 0


async def test_a_retry_after_that_the_time_left_does_not_allow_is_not_waited_for() -> None:
    class Busy(Exception):
        status_code = 429
        headers = {"retry-after": "30"}  # noqa: RUF012

    async with office() as place:

        async def behave(_: Any) -> AIMessage:
            raise Busy

        desk = await gateway(place, [Provider(behave=behave), ScriptedChatModel(["other"])], timeout=40.0)
        with in_time():
            assert (await desk.ask(ask())).text == "other"
        assert "retry_scheduled" not in await place.kinds()


async def test_the_rules_stand_behind_every_chain_and_propose_no_writes_there() -> None:
    async with office() as place:
        model = FaultyChatModel(ScriptedChatModel([]), faults=always("timeout", 9))
        desk = await gateway(place, model)
        tools = [
            {
                "type": "function",
                "function": {
                    "name": "open_ticket",
                    "description": "Open a ticket. Effect: write.",
                    "parameters": {"type": "object", "properties": {"title": {"type": "string"}}},
                },
            }
        ]
        request = ModelRequest(
            path="task:t1/turn:0",
            role="worker",
            messages=[{"role": "user", "content": "open a ticket titled x"}],
            tools=tools,
        )
        reply = await desk.ask(request)
        assert reply.rules
        assert reply.tool_calls == []


async def test_no_model_at_all_is_unavailable() -> None:
    async with office() as place:
        desk = await gateway(place, FaultyChatModel(ScriptedChatModel([]), faults=always("timeout", 9)))
        chain = desk.task.models.chain("worker")[:1]
        desk.task.models = type(desk.task.models)(chains={"worker": chain})
        with pytest.raises(Unavailable, match="no model answered"):
            await desk.ask(ask())


async def test_a_model_that_is_ill_is_given_a_rest_and_a_cancelled_probe_does_not_keep_it_ill() -> None:
    async with office() as place:
        state = ["ill"]
        began = asyncio.Event()

        async def behave(_: Any) -> AIMessage:
            if state[0] == "ill":
                raise RuntimeError("no")
            if state[0] == "slow":
                began.set()
                await asyncio.sleep(60)
            return said("well again")

        desk = await gateway(place, [Provider(behave=behave), ScriptedChatModel(["stand-in"] * 9)])
        desk.breaker = Breaker(min_calls=2, cool_down=10.0)
        for turn in range(2):
            assert (await desk.ask(ask(f"task:t1/turn:{turn}"))).text == "stand-in"
        state[0] = "slow"
        assert (await desk.ask(ask("task:t1/turn:2"))).text == "stand-in", "it is given a rest"
        assert not began.is_set()
        assert not desk.task.wallet.purse.reserved
        place.now[0] += 11.0
        probe = asyncio.create_task(desk.ask(ask("task:t1/turn:3")))
        await began.wait()
        probe.cancel()
        await asyncio.wait([probe])
        state[0] = "well"
        assert (await desk.ask(ask("task:t1/turn:4"))).text == "well again"


async def test_a_probe_that_the_budget_refuses_is_no_probe() -> None:
    async with office() as place:

        async def behave(_: Any) -> AIMessage:
            return said("well again")

        desk = await gateway(place, Provider(behave=behave))
        desk.breaker = Breaker(min_calls=1, cool_down=10.0)
        admitted = place.circuits.admit("model:test:provider", desk.breaker)
        assert admitted is not None
        admitted.record(ok=False)
        place.now[0] += 11.0
        wallet = desk.task.wallet
        desk.task.wallet = Wallet(Budget(max_input_tokens=1))
        with pytest.raises(BudgetExceeded):
            await desk.ask(ask())
        desk.task.wallet = wallet
        assert (await desk.ask(ask())).text == "well again"


# time


@pytest.mark.parametrize("way", ["hangs", "swallows", "blocks"])
async def test_a_model_that_never_answers_is_left_in_time(way: str) -> None:
    never = threading.Event()

    class Stuck(Provider):
        if way == "blocks":
            _agenerate = BaseChatModel._agenerate

            def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
                never.wait(60)
                raise AssertionError

    async def behave(_: Any) -> AIMessage:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if way == "hangs":
                    raise

    async with office() as place:
        budget = Budget(model_timeout=0.1, retry=Retry(max_attempts=1))
        desk = await gateway(place, [Stuck(behave=behave), ScriptedChatModel(["in time"])], budget=budget)
        with in_time():
            assert (await desk.ask(ask())).text == "in time"
        (failed,) = await place.events("run_1", "model_call_failed")
        assert failed.data["failure"] == "timeout"
    never.set()


async def test_a_model_that_hangs_leaves_time_for_the_rules_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hanging = ScriptedChatModel([])
    async with office() as place:

        async def hang(model: BaseChatModel, *args: Any, timeout: float, **kwargs: Any) -> Any:
            if model is not hanging:
                return await chat(model, *args, timeout=timeout, **kwargs)
            place.clock.forward(seconds=timeout)  # all that it was given
            raise TimeoutError

        monkeypatch.setattr("pilotman.agents.gateway.chat", hang)
        budget = Budget(model_timeout=600.0, retry=QUICK)
        desk = await gateway(place, hanging, timeout=600.0, budget=budget)
        assert (await desk.ask(ask())).rules
        assert 500 < place.clock.ahead.total_seconds() < 600


async def test_a_call_never_gets_more_time_than_the_run_has() -> None:
    async with office() as place:
        model = FaultyChatModel(ScriptedChatModel([]), faults=always("hang", 9))
        desk = await gateway(place, model, timeout=0.2)
        desk.task.models = ModelTable(chains={"worker": (NamedModel(name="x", model=model),)})
        with in_time(), pytest.raises((BudgetExceeded, Unavailable)):
            await desk.ask(ask())


# going on after a crash


async def test_a_recorded_reply_is_returned_without_a_call() -> None:
    async with office() as place:
        desk = await gateway(place, ScriptedChatModel(["once"]))
        first = await desk.ask(ask())
        await place.journal.flush()
        again = await place.run(new=False)
        model = ScriptedChatModel(["twice"])
        later = ModelGateway(place.task(again, models=model))
        assert await later.ask(ask()) == first
        assert model.requests == ()
        assert (await later.ask(ask(text="another question"))).text == "twice"
        assert (await later.ask(ask("task:t1/turn:1"))).rules, "another step is another call"


async def test_what_failed_before_a_crash_was_paid_for_and_is_tried_again() -> None:
    async with office() as place:
        faulty = FaultyChatModel(ScriptedChatModel(["x"]), faults=["timeout", "rate_limit"])
        desk = await gateway(place, faulty)
        await desk.ask(ask())
        spent = desk.task.wallet.purse.settled
        await place.journal.flush()
        again = await place.run(new=False)
        assert again.recorder.spent("task:t1") == spent
        assert spent.steps == 3


async def test_a_redacted_reply_is_asked_for_again() -> None:
    async with office() as place:
        desk = await gateway(place, ScriptedChatModel(["secret"]))
        await desk.ask(ask())
        (done,) = await place.events("run_1", "model_call_completed")
        await place.journal.redact_payload(
            "run_1", done.data["response"]["payload"], tenant="acme", reason="asked for"
        )
        again = await place.run(new=False)
        later = ModelGateway(place.task(again, models=ScriptedChatModel(["public"])))
        assert (await later.ask(ask())).text == "public"


async def test_parallel_calls_take_their_own_replies() -> None:
    async with office() as place:

        async def behave(messages: Sequence[BaseMessage]) -> AIMessage:
            await asyncio.sleep(0.01)
            return said(f"to {messages[-1].content}")

        desk = await gateway(place, Provider(behave=behave))
        replies = await asyncio.gather(*(desk.ask(ask(f"task:t1/turn:{n}", str(n))) for n in range(5)))
        assert [reply.text for reply in replies] == [f"to {n}" for n in range(5)]


# tiers


@pytest.mark.parametrize(("whole", "asked"), [(15.0, 1), (600.0, 3)])
async def test_a_tier_is_left_when_it_could_not_answer_in_the_callers_time(
    monkeypatch: pytest.MonkeyPatch, whole: float, asked: int
) -> None:
    """In 15 s a model that took its 10 s is not asked again: the other one has the rest. In 600 s it is."""
    slow, given = ScriptedChatModel([]), list[float]()
    async with office() as place:
        place.clock.stop()

        async def hang(model: BaseChatModel, *args: Any, timeout: float, **kwargs: Any) -> Any:
            if model is not slow:
                given.append(timeout)
                return await chat(model, *args, timeout=timeout, **kwargs)
            place.clock.forward(seconds=timeout)
            raise TimeoutError

        monkeypatch.setattr("pilotman.agents.gateway.chat", hang)
        budget = Budget(model_timeout=10.0, retry=QUICK)
        desk = await gateway(place, [slow, ScriptedChatModel(["quick"])], timeout=whole, budget=budget)
        assert (await desk.ask(ask())).text == "quick"
        failed = await place.events("run_1", "model_call_failed")
        assert len(failed) == asked
        assert given[0] >= 4.0, "the next tier has time to answer"


async def test_one_spike_does_not_leave_a_tier() -> None:
    async with office() as place:
        first = FaultyChatModel(ScriptedChatModel(["first"]), faults=["timeout"])
        desk = await gateway(place, [first, ScriptedChatModel(["second"])])
        assert (await desk.ask(ask())).text == "first"
        assert "fallback_activated" not in await place.kinds()


async def test_the_next_call_begins_at_the_first_tier_again() -> None:
    async with office() as place:
        first = FaultyChatModel(ScriptedChatModel(["first"]), faults=always("timeout", 3))
        desk = await gateway(place, [first, ScriptedChatModel(["second"])])
        assert (await desk.ask(ask())).text == "second"
        assert (await desk.ask(ask("task:t1/turn:1"))).text == "first"
