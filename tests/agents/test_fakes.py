"""What must not break: fakes say exactly what they were told, once each, and fail on cue."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage

from pilotman.agents.fakes import FaultyChatModel, ScriptedChatModel, ScriptExhausted, call
from pilotman.agents.rules.model import ChatRules


def test_a_call_is_a_turn_with_one_tool_call() -> None:
    turn = call("open_ticket", title="disk full", tool="x")
    assert [(c["name"], c["args"]) for c in turn.tool_calls] == [
        ("open_ticket", {"title": "disk full", "tool": "x"})
    ]


def test_turns_are_said_in_order_with_ids_and_usage() -> None:
    model = ScriptedChatModel([call("a"), "done"])
    first, second = model.invoke("x"), model.invoke("y")
    assert first.tool_calls[0]["id"] == "call_0_0"
    assert second.content == "done"
    assert first.usage_metadata is not None
    assert first.usage_metadata["output_tokens"] > 0
    model.assert_exhausted()
    assert [str(r.messages[0].content) for r in model.requests] == ["x", "y"]


def test_the_same_turn_twice_gives_two_ids() -> None:
    turn = call("a")
    model = ScriptedChatModel([turn, turn])
    assert len({model.invoke("x").tool_calls[0]["id"] for _ in range(2)}) == 2
    assert turn.tool_calls[0]["id"] is None


def test_a_turns_own_usage_is_kept() -> None:
    usage: Any = {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11}
    said = ScriptedChatModel([AIMessage(content="x", usage_metadata=usage)]).invoke("y")
    assert said.usage_metadata == usage


def test_running_out_says_so_and_what_was_asked() -> None:
    model = ScriptedChatModel(["only"], agent="operator")
    model.invoke("first")
    with pytest.raises(ScriptExhausted, match=r"script of operator has 1 turns .*'second'"):
        model.invoke("second")


def test_turns_that_were_not_said_are_told() -> None:
    model = ScriptedChatModel(["a", call("open_ticket")])
    model.invoke("x")
    with pytest.raises(AssertionError, match=r"1 turns left, the next is .*open_ticket"):
        model.assert_exhausted()


@pytest.mark.anyio
async def test_parallel_calls_get_a_turn_each() -> None:
    model = ScriptedChatModel([str(n) for n in range(50)])
    asked = [asyncio.to_thread(model.invoke, "x") for _ in range(25)] + [
        model.ainvoke("x") for _ in range(25)
    ]
    said = await asyncio.gather(*asked)
    assert sorted(int(str(m.content)) for m in said) == list(range(50))
    model.assert_exhausted()


def test_a_copy_reads_the_same_script_and_a_pickle_its_own() -> None:
    model = ScriptedChatModel(["a", "b"])
    assert model.model_copy().invoke("x").content == "a"
    stored = pickle.loads(pickle.dumps(model))
    assert (model.invoke("x").content, stored.invoke("x").content) == ("b", "b")


@pytest.mark.anyio
async def test_faults_come_on_cue_then_it_works() -> None:
    model = FaultyChatModel(ScriptedChatModel(["fine"]), faults=["timeout", "rate_limit", "garbage", "ok"])
    with pytest.raises(TimeoutError):
        await model.ainvoke("x")
    with pytest.raises(Exception, match="too many") as caught:
        model.invoke("x")
    assert getattr(caught.value, "status_code", None) == 429
    assert "\x00" in str((await model.ainvoke("x")).content)
    assert (await model.ainvoke("x")).content == "fine"
    assert model.calls == 4


@pytest.mark.anyio
async def test_a_hang_lasts() -> None:
    model = FaultyChatModel(ChatRules(), faults=["hang"])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(model.ainvoke("x"), 0.05)


def test_a_faulty_model_hands_tools_on_and_tells_whose_script_it_wraps() -> None:
    inner = ScriptedChatModel([call("look")], agent="eyes")
    model = FaultyChatModel(inner, faults=[])
    tool: dict[str, Any] = {
        "type": "function",
        "function": {"name": "look", "description": "", "parameters": {}},
    }
    assert model.bind_tools([tool]).invoke([HumanMessage("x")]).tool_calls
    assert inner.requests[0].tools
    assert model.agent == "eyes"
