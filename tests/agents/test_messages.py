"""What must not break: messages survive JSON and both ways with everything a provider needs."""

from __future__ import annotations

import json

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.messages.tool import tool_call

from pilotman.agents.messages import from_langchain, text_of, to_langchain


def test_an_answer_survives_a_json_round_trip() -> None:
    message = AIMessage(
        id="m1",
        content=[{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "hi"}],
        tool_calls=[tool_call(name="look", args={"host": "web-1"}, id="c1")],
        usage_metadata={"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
        response_metadata={"model_name": "x"},
        additional_kwargs={"reasoning": "y"},
    )
    plain = json.loads(json.dumps(from_langchain(message)))
    assert plain["role"] == "assistant"
    again = to_langchain(plain)
    assert again == message


def test_the_four_roles() -> None:
    made = [
        to_langchain({"role": "system", "content": "s"}),
        to_langchain({"role": "user", "content": "u"}),
        to_langchain(
            {"role": "assistant", "content": "", "tool_calls": [{"name": "f", "args": {}, "id": "1"}]}
        ),
        to_langchain({"role": "tool", "content": "r", "tool_call_id": "1", "name": "f", "status": "error"}),
    ]
    assert [type(m) for m in made] == [SystemMessage, HumanMessage, AIMessage, ToolMessage]
    assert made[3] == ToolMessage(content="r", tool_call_id="1", name="f", status="error")


def test_another_role_is_refused() -> None:
    with pytest.raises(ValueError, match="developer"):
        to_langchain({"role": "developer", "content": "x"})


def test_values_that_json_does_not_know_are_written_as_text() -> None:
    message = AIMessage(content="x", response_metadata={"client": object(), "raw": b"ab"})
    assert json.dumps(from_langchain(message))


def test_the_text_of_blocks() -> None:
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, "b", {"text": "c"}]
    assert text_of(blocks) == "abc"
    assert text_of(None) == ""
