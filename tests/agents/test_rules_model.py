"""What must not break: the rules are an ordinary LangChain chat model, honest about what they are."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import BaseTool, tool
from langchain_tests.unit_tests import ChatModelUnitTests
from pydantic import BaseModel

from pilotman.agents.fakes import FaultyChatModel, ScriptedChatModel
from pilotman.agents.messages import to_langchain
from pilotman.agents.prompts import answer_prompt, plan_prompt
from pilotman.agents.report import AgentCard, Report
from pilotman.agents.rules.model import ChatRules


class TestChatRulesIsStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatRules

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {}


class TestScriptedChatModelIsStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ScriptedChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"turns": ["x"]}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {}


class TestFaultyChatModelIsStandard(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return FaultyChatModel

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"inner": ChatRules(), "faults": []}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {}


@tool
def get_weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"sunny in {city}"


@tool
def list_cities() -> str:
    """List cities."""
    raise AssertionError("nobody asked for it")


@tool
def send_postcard(city: str) -> str:
    """Send a postcard to a city."""
    return f"sent to {city}"


TOOLS: list[BaseTool] = [get_weather, list_cities, send_postcard]


def test_it_says_what_it_is_and_what_it_used() -> None:
    said = ChatRules().invoke("hello")
    assert said.response_metadata["model_name"] == "pilotman:rules"
    assert said.usage_metadata is not None
    assert said.usage_metadata["input_tokens"] > 0
    assert ChatRules().asdict()["_type"] == "pilotman-rules"


@pytest.mark.anyio
async def test_both_ways_of_calling_give_the_same() -> None:
    model = ChatRules().bind_tools(TOOLS)
    one, two = (
        model.invoke("What is the weather in Rome?"),
        await model.ainvoke("What is the weather in Rome?"),
    )
    assert (one.content, one.tool_calls) == (two.content, two.tool_calls)


def test_it_pickles() -> None:
    stored = pickle.loads(pickle.dumps(ChatRules(fallback=True)))
    assert stored == ChatRules(fallback=True)
    assert stored.fallback


@pytest.mark.anyio
async def test_it_works_in_somebody_elses_agent_and_stops() -> None:
    create_agent = pytest.importorskip("langchain.agents").create_agent
    agent = create_agent(ChatRules(), TOOLS, system_prompt="You are helpful.")
    first = await agent.ainvoke({"messages": [HumanMessage("What is the weather in Rome?")]})
    assert [m.type for m in first["messages"]] == ["human", "ai", "tool", "ai"]
    assert "sunny in Rome" in first["messages"][-1].content
    then = await agent.ainvoke({"messages": [*first["messages"], HumanMessage("Send a postcard to Paris")]})
    assert "sent to Paris" in then["messages"][-1].content
    assert "sunny" not in then["messages"][-1].content


def test_as_a_fallback_it_calls_no_tool_that_may_write() -> None:
    model = ChatRules(fallback=True).bind_tools(TOOLS)
    assert model.invoke("Send a postcard to Paris").tool_calls == []


def test_a_tool_that_is_chosen_is_called_whatever_is_said() -> None:
    model = ChatRules().bind_tools(TOOLS, tool_choice="get_weather")
    assert [c["name"] for c in model.invoke("Rome in spring").tool_calls] == ["get_weather"]
    only = ChatRules().bind_tools([send_postcard], tool_choice="any")
    assert [c["name"] for c in only.invoke("hello").tool_calls] == ["send_postcard"]


def test_an_error_of_a_foreign_tool_is_told() -> None:
    call: Any = {"name": "get_weather", "args": {"city": "Rome"}, "id": "1", "type": "tool_call"}
    conversation = [
        HumanMessage("What is the weather in Rome?"),
        AIMessage(content="", tool_calls=[call]),
        ToolMessage(content="Error: no service", tool_call_id="1", status="error"),
    ]
    assert "no service" in str(ChatRules().bind_tools(TOOLS).invoke(conversation).content)


class Booking(BaseModel):
    """A booking."""

    city: str
    nights: int
    comment: str | None


def test_structured_output_for_anybody() -> None:
    booking = ChatRules().with_structured_output(Booking).invoke("a room in Rome for 3 nights")
    assert booking == Booking(city="Rome", nights=3, comment=None)


class Verdict(BaseModel):
    """What came of it."""

    summary: str
    ticket_id: str
    urgent: bool | None


def test_a_structured_answer_is_filled_from_what_is_known() -> None:
    messages = answer_prompt(
        request="disk full on web-1: open a ticket",
        facts={},
        reports=[Report(task_id="t", agent="a", text="Found:\n- disk_usage (web-1): 97%")],
        actions=[{"tool": "open_ticket", "args": {}, "status": "applied", "result": {"id": "OPS-1"}}],
        schema=Verdict,
    )
    said = ChatRules().bind_tools([Verdict]).invoke([to_langchain(m) for m in messages])
    verdict = Verdict.model_validate(said.tool_calls[0]["args"])
    assert (verdict.ticket_id, verdict.urgent) == ("OPS-1", None)
    assert "97%" in verdict.summary


def test_a_plan_is_text_where_no_tool_is_offered_for_it() -> None:
    messages = plan_prompt(request="look", facts={}, agents=[AgentCard(name="a", description="Looks.")])
    assert '"agent": "a"' in str(ChatRules().invoke([to_langchain(m) for m in messages]).content)


def test_stop_sequences_are_kept() -> None:
    said = ChatRules().invoke([SystemMessage("x"), HumanMessage("hi")], stop=["found"])
    assert str(said.content) == "Nothing was "


def test_parallel_calls_have_different_ids() -> None:
    said = ChatRules().bind_tools(TOOLS).invoke("Send a postcard to Rome and tell me the weather in Rome")
    ids = [c["id"] for c in said.tool_calls]
    assert ids
    assert None not in ids
    assert len(set(ids)) == len(ids)
