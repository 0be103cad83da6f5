# pyright: reportPrivateUsage=false
"""What must not break: one turn is bounded, metered, checked, and heard by the model's own handlers alone."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, CallbackManager
from langchain_core.callbacks.usage import get_usage_metadata_callback
from langchain_core.language_models import BaseChatModel, GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.tracers import context as tracing
from pydantic import BaseModel
from tests.patience import PATIENCE, in_time

from pilotman.agents.blocking import Threads
from pilotman.agents.chat import ChatReply, chat, structured
from pilotman.agents.fakes import FaultyChatModel, ScriptedChatModel, call
from pilotman.agents.rules.model import ChatRules

pytestmark = pytest.mark.anyio
ASK = [{"role": "user", "content": "hello"}]
LOOK: dict[str, Any] = {
    "name": "look",
    "description": "Look.",
    "parameters": {"type": "object", "properties": {}},
}


class Verdict(BaseModel):
    ok: bool


class Plain(BaseChatModel):
    """Synchronous only, counts nothing, and says in which thread it ran."""

    reply: str = "hi"
    pause: float = 0.0
    max_tokens: int | None = None

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if self.pause:
            time.sleep(self.pause)
        said = f"{self.reply} {threading.current_thread().name} {self.max_tokens} {len(messages)}"
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=said))])


class Heard(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.kinds: list[str] = []

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.kinds.append("start")

    async def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
        self.kinds.append("end")


async def ask(model: BaseChatModel, tools: Sequence[Any] = (), **options: Any) -> ChatReply:
    given: dict[str, Any] = {"timeout": PATIENCE, "threads": Threads(), **options}
    return await chat(model, ASK, tools=tools, **given)


async def test_a_reply_carries_its_text_and_what_it_used() -> None:
    turn = AIMessage(content="hi", usage_metadata={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9})
    reply = await ask(ScriptedChatModel([turn]))
    assert (reply.input_tokens, reply.output_tokens, reply.estimated) == (7, 2, False)
    assert (reply.message["role"], reply.message["content"]) == ("assistant", "hi")
    assert reply.message["usage_metadata"]["total_tokens"] == 9


async def test_tools_are_bound_in_either_form_and_calls_come_back_plain() -> None:
    model = ScriptedChatModel([call("look"), call("look")])
    reply = await ask(model, [LOOK])
    await ask(model, [{"type": "function", "function": LOOK}])
    assert [(c["name"], c["args"]) for c in reply.message["tool_calls"]] == [("look", {})]
    first, second = model.requests
    assert first.tools == second.tools
    assert first.tools[0]["function"]["name"] == "look"


async def test_counts_that_the_provider_does_not_give_are_estimated() -> None:
    reply = await ask(Plain())
    assert reply.estimated
    assert reply.input_tokens > 1
    assert reply.output_tokens > 1


async def test_a_count_of_nothing_is_no_count() -> None:
    turn = AIMessage(content="hi", usage_metadata={"input_tokens": 0, "output_tokens": 0, "total_tokens": 0})

    class Streamed(Plain):
        def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
            return ChatResult(generations=[ChatGeneration(message=turn)])

    reply = await ask(Streamed())
    assert reply.estimated
    assert reply.input_tokens > 1


async def test_a_synchronous_model_runs_in_our_threads() -> None:
    reply = await ask(Plain(), threads=Threads(name="ours"))
    assert "ours" in reply.message["content"]


async def test_a_synchronous_model_that_never_returns_does_not_hold_us() -> None:
    with in_time(), pytest.raises(TimeoutError):
        await ask(Plain(pause=60), timeout=0.1)


async def test_a_hanging_model_is_abandoned_in_time() -> None:
    with in_time(), pytest.raises(TimeoutError):
        await ask(FaultyChatModel(ChatRules(), faults=["hang"]), timeout=0.1)


async def test_a_provider_error_arrives_as_it_is() -> None:
    with pytest.raises(Exception, match="too many requests") as caught:
        await ask(FaultyChatModel(ChatRules(), faults=["rate_limit"]))
    assert getattr(caught.value, "status_code", None) == 429


@pytest.mark.parametrize("said", ["\x00 } {\x02", "", "   "])
async def test_a_reply_that_nobody_can_use_is_garbage(said: str) -> None:
    turn = AIMessage(content=said, usage_metadata={"input_tokens": 7, "output_tokens": 2, "total_tokens": 9})
    reply = await ask(ScriptedChatModel([turn]))
    assert reply.problem
    assert (reply.input_tokens, reply.output_tokens) == (7, 2), "it is paid for all the same"


@pytest.mark.parametrize("said", ["x" * 2_000_000, [{"type": "text", "text": "y" * 2_000_000}]])
async def test_a_reply_without_end_is_garbage(said: Any) -> None:
    assert "too long" in (await ask(ScriptedChatModel([AIMessage(content=said)]))).problem


async def test_an_unreadable_tool_call_is_garbage() -> None:
    broken = AIMessage(
        content="",
        invalid_tool_calls=[
            {"name": "look", "args": "{", "id": "1", "error": None, "type": "invalid_tool_call"}
        ],
    )
    assert "look" in (await ask(ScriptedChatModel([broken]))).problem


async def test_a_structure_is_offered_as_a_tool_and_checked() -> None:
    model = ScriptedChatModel([call("Verdict", ok=True), '{"ok": false}', "perhaps"])
    reply = await ask(model, schema=Verdict)
    assert structured(reply.message, Verdict) == Verdict(ok=True)
    assert model.requests[0].tools[0]["function"]["name"] == "Verdict"
    reply = await ask(model, schema=Verdict)
    assert structured(reply.message, Verdict) == Verdict(ok=False)
    assert "Verdict" in (await ask(model, schema=Verdict)).problem


async def test_a_model_that_cannot_bind_tools_still_answers() -> None:
    model = GenericFakeChatModel(messages=iter([AIMessage(content="text")]))
    assert (await ask(model, [LOOK])).message["content"] == "text"


async def test_the_output_limit_is_lowered_never_raised_and_the_model_is_not_changed() -> None:
    model = Plain(max_tokens=50)
    assert " 20 " in (await ask(model, max_output_tokens=20)).message["content"]
    assert " 50 " in (await ask(model, max_output_tokens=90)).message["content"]
    assert " 30 " in (await ask(Plain(), max_output_tokens=30)).message["content"]
    assert model.max_tokens == 50


@pytest.mark.parametrize("model", [ScriptedChatModel(["a"] * 9), Plain()], ids=["async", "sync"])
async def test_a_hosts_handlers_hear_nothing(model: BaseChatModel) -> None:
    host = Heard()

    async def node(_: Any, config: RunnableConfig) -> str:
        return str((await ask(model)).message["content"])

    graph = RunnableLambda(node)
    with get_usage_metadata_callback() as usage:
        events = [e async for e in graph.astream_events("x", version="v2", config={"callbacks": [host]})]
    assert host.kinds == []
    assert usage.usage_metadata == {}
    assert not [e for e in events if "chat_model" in e["event"]]


@pytest.mark.parametrize("manager", [False, True])
async def test_the_models_own_handlers_hear_it_inside_a_host_too(manager: bool) -> None:
    own = Heard()
    model = ScriptedChatModel(["a", "b"])
    model.callbacks = CallbackManager([own]) if manager else [own]
    await ask(model)

    async def node(_: Any) -> str:
        return str((await ask(model)).message["content"])

    await RunnableLambda(node).ainvoke("x")
    assert own.kinds == ["start", "end"] * 2


async def test_a_synchronous_models_own_handlers_hear_it() -> None:
    heard: list[str] = []

    class Sync(BaseCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            heard.append("start")

    await ask(Plain(callbacks=[Sync()]))
    assert heard == ["start"]


async def test_what_was_taken_off_is_put_back() -> None:
    with get_usage_metadata_callback() as usage:
        await ask(ScriptedChatModel(["a"]))
        await ScriptedChatModel([AIMessage(content="b", response_metadata={"model_name": "m"})]).ainvoke("x")
    assert set(usage.usage_metadata) == {"m"}


async def test_parallel_turns_do_not_disturb_each_other() -> None:
    replies = await asyncio.gather(*(ask(ScriptedChatModel([str(n)])) for n in range(20)))
    assert [r.message["content"] for r in replies] == [str(n) for n in range(20)]


async def test_the_fast_lane_keeps_the_models_rate_limiter() -> None:
    class Limiter(BaseRateLimiter):
        asked = 0

        def acquire(self, *, blocking: bool = True) -> bool:
            raise AssertionError("the asynchronous one is meant")

        async def aacquire(self, *, blocking: bool = True) -> bool:
            Limiter.asked += 1
            return True

    model = ScriptedChatModel(["a"])
    model.rate_limiter = Limiter()
    await ask(model)
    assert Limiter.asked == 1


def test_the_private_parts_of_langchain_that_we_stand_on() -> None:
    """Pinned: if one goes, ``chat.py`` has to change with it."""
    assert inspect.iscoroutinefunction(BaseChatModel._agenerate_with_cache)
    assert callable(BaseChatModel._generate_with_cache)
    assert callable(tracing._tracing_v2_is_enabled)
    assert all(hasattr(hook[0], "set") for hook in tracing._configure_hooks)
    assert tracing.tracing_v2_callback_var.get() is None
    assert tracing.run_collector_var.get() is None
