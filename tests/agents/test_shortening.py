"""A request that was too long is asked again with less, never with half of what somebody else wrote."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import BaseMessage
from tests.agents.office import office
from tests.agents.test_gateway import Provider, said

from pilotman.agents.exchange import ModelRequest
from pilotman.agents.failure import ToolError
from pilotman.agents.gateway import ModelGateway
from pilotman.agents.shortening import LEFT_OUT, is_too_long, shortened

messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "tool"]), "content": st.text("ab⟦⟧", max_size=900)}
    ),
    max_size=9,
)


@given(messages)
def test_only_whole_results_of_tools_are_left_out_and_at_least_half(asked: list[dict[str, Any]]) -> None:
    shorter = shortened(asked)
    if shorter is None:
        return
    assert sum(len(m["content"]) for m in shorter) <= sum(len(m["content"]) for m in asked) / 2
    for before, after in zip(asked, shorter, strict=True):
        assert after == before or (before["role"] == "tool" and after["content"] == LEFT_OUT)


def test_where_tools_said_little_nothing_can_be_left_out() -> None:
    assert shortened([{"role": "user", "content": "x" * 9_000}, {"role": "tool", "content": "y"}]) is None


@pytest.mark.parametrize(
    ("words", "long"),
    [
        ("BadRequestError: This model's maximum context length is 8192 tokens", True),
        ("BadRequestError: prompt is too long: 210000 tokens > 200000 maximum", True),
        ("code: context_length_exceeded", True),
        ("HTTP 413 from POST https://models.example/v1", True),
        ("Invalid schema for function 'open_ticket'", False),
    ],
)
def test_a_refusal_for_length_is_known_by_its_words(words: str, long: bool) -> None:
    assert is_too_long(ToolError.of("validation", words)) is long
    assert not is_too_long(ToolError.of("transient", words))


class TooLong(Exception):
    status_code = 400


@pytest.mark.anyio
@pytest.mark.parametrize(("size", "calls"), [(5_000, 2), (10, 1)])
async def test_a_model_is_asked_again_with_less_and_only_then(size: int, calls: int) -> None:
    seen: list[int] = []

    async def behave(sent: list[BaseMessage]) -> Any:
        seen.append(sum(len(str(m.content)) for m in sent))
        if len(seen) == 1:
            raise TooLong("the prompt is too long")
        return said("fine")

    async with office() as place:
        task = place.task(await place.run(), models=Provider(behave=behave))
        told = {"role": "tool", "tool_call_id": "c", "name": "t", "content": "x" * size}
        asked: list[dict[str, Any]] = [
            {"role": "user", "content": "?"},
            {"role": "assistant", "content": "", "tool_calls": [{"name": "t", "args": {}, "id": "c"}]},
            told,
        ]
        reply = await ModelGateway(task).ask(
            ModelRequest(path="task:t1/turn:0", role="worker", messages=asked)
        )
        assert len(seen) == calls
        assert reply.rules == (calls == 1)
        assert any("context was too long" in caveat for caveat in task.run.caveats) == (calls == 2)
        if calls == 2:
            assert seen[1] < seen[0] / 2
