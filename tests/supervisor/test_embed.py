"""A team inside somebody else's LangGraph app."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError
from pilotman.supervisor import Supervisor

alice = Principal(tenant="acme", user="alice")
ASKED = {"messages": [HumanMessage("web-1 is out of disk: open a ticket")]}
PLAN = '{"tasks": [{"task_id": "t", "agent": "operator", "goal": "open a ticket"}]}'


class Desk:
    """A team whose model is scripted, and what it wrote."""

    def __init__(self, **kwargs: Any) -> None:
        self.opened: list[str] = []

        @tool(effect="write")
        async def open_ticket(title: str) -> str:
            """Open a ticket."""
            self.opened.append(title)
            return "OPS-1"

        self.model = ScriptedChatModel([PLAN, call("open_ticket", title="disk"), "Opened OPS-1."], **kwargs)
        agents = [Specialist("operator", "Opens tickets.", tools=[open_ticket])]
        self.team = Supervisor("desk", agents, models=self.model)


class Listener(AsyncCallbackHandler):
    """Hears what a host's handlers would hear."""

    def __init__(self) -> None:
        self.models: list[str] = []

    async def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.models.append("started")


def host_of(desk: Desk) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("team", desk.team.as_graph(principal=lambda config, context: alice))
    builder.add_edge(START, "team")
    builder.add_edge("team", END)
    return builder.compile(checkpointer=InMemorySaver())


@pytest.mark.anyio
async def test_without_a_principal_it_only_reads() -> None:
    desk = Desk()
    ended = await desk.team.as_graph().ainvoke(ASKED)
    assert ended["run_state"] == "COMPLETED"
    assert desk.opened == []
    assert "Opened OPS-1" not in ended["messages"][-1].content
    await desk.team.aclose()


@pytest.mark.anyio
async def test_only_the_journal_s_approval_lets_the_host_go_on() -> None:
    desk = Desk()
    host = host_of(desk)
    config = {"configurable": {"thread_id": "1"}}
    stopped = await host.ainvoke(ASKED, config)
    [shown] = stopped["__interrupt__"][0].value["approvals"]
    for carried in (True, {"approved": True}, shown["approval_id"]):
        again = await host.ainvoke(Command(resume=carried), config)
        assert "__interrupt__" in again
        assert desk.opened == []
    await desk.team.approve(shown["approval_id"], digest=shown["digest"], principal=alice)
    ended = await host.ainvoke(Command(resume="go on"), config)
    assert ended["messages"][-1].content == "Opened OPS-1."
    assert desk.opened == ["disk"]
    desk.model.assert_exhausted()
    await desk.team.aclose()


@pytest.mark.anyio
async def test_nothing_of_inner_models_reaches_the_host() -> None:
    desk = Desk()
    heard = Listener()
    config: Any = {"configurable": {"thread_id": "1"}, "callbacks": [heard]}
    seen = [str(event) async for event in host_of(desk).astream_events(ASKED, config, version="v2")]
    assert seen
    assert heard.models == []
    assert not any("on_chat_model" in event for event in seen)
    await desk.team.aclose()


@pytest.mark.anyio
async def test_the_graph_itself_runs_only_inside_a_run() -> None:
    desk = Desk()
    with pytest.raises(ConfigurationError, match=r"supervisor\.run"):
        await desk.team.graph.ainvoke({"run_id": "run_x", "path": ""})
