"""A team inside somebody else's LangGraph app."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError, InvalidRequest
from pilotman.memory import Memory
from pilotman.supervisor import Supervisor
from pilotman.supervisor.embed import GUEST

alice = Principal(tenant="acme", user="alice")
ASKED = {"messages": [HumanMessage("web-1 is out of disk: open a ticket")]}
DRAFT = "See ticket OPS-471199."
PLAN = '{"tasks": [{"task_id": "t", "agent": "operator", "goal": "open a ticket"}]}'


class Desk:
    """A team whose model is scripted, and what it wrote."""

    def __init__(self, turns: Sequence[Any] = (), *, memory: Memory | None = None, **kwargs: Any) -> None:
        self.opened: list[str] = []

        @tool(effect="write")
        async def open_ticket(title: str) -> str:
            """Open a ticket."""
            self.opened.append(title)
            return "OPS-1"

        script = turns or [PLAN, call("open_ticket", title="disk"), "Opened OPS-1."]
        self.model = ScriptedChatModel(script, **kwargs)
        agents = [Specialist("operator", "Opens tickets.", tools=[open_ticket])]
        self.team = Supervisor("desk", agents, models=self.model, memory=memory)


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


@pytest.mark.anyio
@pytest.mark.parametrize("mode", ["messages", "updates", "values", "custom", "debug", "tasks"])
async def test_no_stream_shows_a_draft(mode: Any) -> None:
    desk = Desk()
    desk.model = ScriptedChatModel([PLAN, DRAFT, "Nothing was opened."])
    desk.team = Supervisor("desk", [Specialist("operator", "Opens tickets.")], models=desk.model)
    config: Any = {"configurable": {"thread_id": "1"}}
    host = host_of(desk)
    seen = [str(part) async for part in host.astream(ASKED, config, stream_mode=mode, subgraphs=True)]
    assert not any(DRAFT in part for part in seen)
    assert DRAFT not in str(await host.aget_state(config, subgraphs=True))
    assert "Nothing was opened." in str((await host.aget_state(config)).values)
    desk.model.assert_exhausted()
    await desk.team.aclose()


@pytest.mark.anyio
async def test_handlers_of_our_own_model_do_hear_it() -> None:
    heard = Listener()
    desk = Desk(callbacks=[heard])
    await host_of(desk).ainvoke(ASKED, {"configurable": {"thread_id": "1"}})
    assert len(heard.models) == 2
    await desk.team.aclose()


def chat(*answers: str) -> tuple[Supervisor, Any]:
    team = Supervisor(
        "desk", [Specialist("operator", "Answers.")], models=ScriptedChatModel(answers, agent="operator")
    )
    builder = StateGraph(MessagesState)
    builder.add_node("team", team.as_graph(principal=lambda config, context: alice))
    builder.add_edge(START, "team")
    builder.add_edge("team", END)
    return team, builder


@pytest.mark.anyio
@pytest.mark.parametrize("remembers", [True, False])
async def test_the_same_words_said_again_are_another_run(remembers: bool) -> None:
    team, builder = chat("first", "second")
    host = builder.compile(checkpointer=InMemorySaver() if remembers else None)
    config: Any = {"configurable": {"thread_id": "1"}}
    said = [
        (await host.ainvoke({"messages": [HumanMessage("how is it?")]}, config))["messages"][-1].content
        for _ in range(2)
    ]
    assert said == ["first", "second"]
    first, second = await team.runs(principal=alice)
    assert first.thread_id == second.thread_id
    await team.aclose()


@pytest.mark.anyio
async def test_two_teams_in_one_host_do_not_mix_their_runs() -> None:
    memory = Memory()
    builder = StateGraph(MessagesState)
    teams: list[Supervisor] = []
    for name in ("one", "two"):
        model = ScriptedChatModel([f"{name} has looked"], agent="operator")
        team = Supervisor(name, [Specialist("operator", "Looks.")], models=[model], memory=memory)
        builder.add_node(name, team.as_graph(principal=lambda config, context: alice))
        builder.add_edge(START, name)
        builder.add_edge(name, END)
        teams.append(team)
    host = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    ended = await host.ainvoke({"messages": [HumanMessage("look")]}, config)
    assert {message.content for message in ended["messages"][1:]} == {"one has looked", "two has looked"}
    for team in teams:
        await team.aclose()


class Context(TypedDict):
    user: Principal


@pytest.mark.anyio
async def test_a_host_s_checkpointer_carries_a_waiting_run_into_another_process(tmp_path: Path) -> None:
    """Its context says who asks; a day lies between, and nothing but files."""
    config: Any = {"configurable": {"thread_id": "1"}}
    asked: Any = ASKED
    opened: list[list[str]] = []
    for turns in ([PLAN, call("open_ticket", title="disk")], ["Opened OPS-1."]):
        desk = Desk(turns, memory=Memory(f"sqlite:///{tmp_path}/ours.db"))
        builder = StateGraph(MessagesState, context_schema=Context)
        builder.add_node("team", desk.team.as_graph(principal=lambda config, context: context["user"]))
        builder.add_edge(START, "team")
        async with AsyncSqliteSaver.from_conn_string(f"{tmp_path}/host.db") as saver:
            host = builder.compile(checkpointer=saver)
            if asked is not ASKED:
                [question] = await desk.team.approvals(principal=alice)
                await desk.team.approve(question.approval_id, digest=question.digest, principal=alice)
            ended = await host.ainvoke(asked, config, context={"user": alice})
            await desk.team.aclose()
        opened.append(desk.opened)
        asked = Command(resume=True)
    assert opened == [[], ["disk"]]
    assert ended["messages"][-1].content == "Opened OPS-1."


@pytest.mark.anyio
async def test_it_is_a_runnable_and_shows_no_draft_in_a_chain_s_events() -> None:
    team = Supervisor(
        "desk",
        [Specialist("operator", "Opens tickets.")],
        models=ScriptedChatModel([PLAN, DRAFT, "Nothing."]),
    )
    question: Runnable[str, Any] = RunnableLambda(lambda text: {"messages": [HumanMessage(text)]})
    chain = question | team.as_graph()
    events: list[Any] = [event async for event in chain.astream_events("what was opened?", version="v2")]
    assert "Nothing." in str(events[-1]["data"]["output"])
    assert not any(DRAFT in str(event) or "chat_model" in event["event"] for event in events)
    await team.aclose()


@pytest.mark.anyio
async def test_a_host_that_asks_nothing_is_told_so() -> None:
    team, builder = chat()
    with pytest.raises(InvalidRequest, match="human message"):
        await builder.compile().ainvoke({"messages": []})
    await team.aclose()


@pytest.mark.anyio
async def test_a_read_only_run_stays_read_only_when_it_is_resumed() -> None:
    desk = Desk()
    ended = await desk.team.as_graph().ainvoke(ASKED)
    [run] = await desk.team.runs(principal=GUEST)
    assert run.run_id == ended["run_id"]
    [action] = run.actions
    assert (action.status, action.args) == ("drafted", {"title": "disk"})
    await desk.team.aclose()
