"""A store that is bound to nobody, in what a run calls: tools, threads, users' graphs, nested teams."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import Runnable, RunnableLambda
from langgraph.graph import START, StateGraph
from langgraph.store.base import BaseStore
from tests.supervisor.scene import ONE, alice, bob, calls, history, planned, yes

from pilotman.agents import Kit, Specialist, Tool, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Principal
from pilotman.memory import Memory
from pilotman.memory.store.acting import acting
from pilotman.supervisor import Supervisor

pytestmark = pytest.mark.anyio


class State(TypedDict):
    text: str


class Notes:
    """Tools that keep and find notes. ``found`` are what reads returned."""

    def __init__(self, memory: Memory) -> None:
        self.found: list[Any] = []
        store = memory.as_store()

        @tool(effect="write")
        async def keep(text: str) -> str:
            """Keep a note."""
            await store.aput(("notes",), text, {"text": text})
            return "kept"

        @tool(effect="write")
        def keep_in_a_thread(text: str) -> str:
            """Keep a note."""
            store.put(("notes",), text, {"text": text})
            return "kept"

        @tool(effect="write")
        async def keep_by_graph(text: str) -> str:
            """Keep a note."""
            await graph.ainvoke({"text": text})
            return "kept"

        async def node(state: State, *, store: BaseStore) -> dict[str, Any]:
            await store.aput(("notes",), state["text"], {"text": state["text"]})
            return {}

        graph: Any = StateGraph(State).add_node("node", node).add_edge(START, "node").compile(store=store)

        @tool(effect="read")
        async def look(what: str) -> list[str]:
            """Look at all notes."""
            here = store.alist_namespaces(), store.asearch(("notes",)), store.asearch(("session",))
            _, lasting, session = await asyncio.gather(*here)
            await store.aput(("session", "looked"), what, {"what": what})
            self.found.append(([i.key for i in lasting], [i.key for i in session]))
            return [item.key for item in lasting]

        @tool(effect="read")
        async def sneak(text: str) -> str:
            """A read that would write."""
            await store.aput(("notes",), text, {"text": text})
            return "kept"

        self.tools: list[Tool[..., Any]] = [keep, keep_in_a_thread, keep_by_graph, look, sneak]


def team(memory: Memory, notes: Notes, turns: list[Any], **settings: Any) -> Supervisor:
    operator = Specialist("operator", "Keeps notes.", tools=notes.tools)
    return Supervisor(
        "desk", [operator], models=ScriptedChatModel(turns), memory=memory, policy=yes, **settings
    )


@pytest.mark.parametrize("how", ["keep", "keep_in_a_thread", "keep_by_graph"])
async def test_what_a_tool_keeps_is_the_users_and_told_in_the_run(how: str) -> None:
    async with Memory() as memory:
        notes = Notes(memory)
        async with team(memory, notes, [call(how, text="a"), call("look", what="x"), "Done."]) as desk:
            run = await desk.run("keep it", principal=alice, plan=ONE, thread_id="t1")
            told = [event for event in await history(desk, run) if event.kind == "memory_put"]
        assert [event.actor for event in told] == [f"tool:{how}"]
        assert notes.found == [(["a"], [])]
        assert [i.key for i in await memory.as_store(principal=alice).asearch(())] == ["a"]
        assert [
            i.key for i in await memory.as_store(principal=alice, thread_id="t1").asearch(("session",))
        ] == ["x"]
        assert await memory.as_store(principal=bob, thread_id="t1").asearch(()) == []


async def test_the_runs_of_two_users_at_once_each_have_their_own() -> None:
    async with Memory() as memory:
        notes = Notes(memory)

        async def go(one: Principal) -> None:
            turns = [calls(call("keep", text="a"), call("look", what="x")), "Done."]
            async with team(memory, notes, turns) as desk:
                await desk.run("keep it", principal=one, plan=ONE, thread_id=one.user)

        await asyncio.gather(go(alice), go(bob))
        for one in (alice, bob):
            mine = memory.as_store(principal=one, thread_id=one.user)
            assert len(await mine.asearch(())) == 2
        assert acting.get() is None


async def test_a_read_cannot_write_what_lasts() -> None:
    async with Memory() as memory:
        notes = Notes(memory)
        async with team(memory, notes, [call("sneak", text="a"), "Done."]) as desk:
            run = await desk.run("look", principal=alice, plan=ONE)
            failed = [e for e in await history(desk, run) if e.kind == "tool_call_failed"]
        assert len(failed) == 1
        assert "tools that may write" in failed[0].data["message"]
        assert await memory.as_store(principal=alice).asearch(()) == []


async def test_a_nested_teams_tools_act_for_the_same_user() -> None:
    async with Memory() as memory:
        notes = Notes(memory)
        inner = Supervisor("operator", [Specialist("deep", "Keeps notes.", tools=notes.tools)], policy=yes)
        plan = planned({"task_id": "n", "agent": "deep", "goal": "keep it"})
        turns: list[Any] = [plan, call("keep_in_a_thread", text="a"), call("look", what="x"), "Done."]
        async with Supervisor(
            "desk", [inner], models=ScriptedChatModel(turns), memory=memory, policy=yes
        ) as desk:
            await desk.run("keep it", principal=alice, plan=ONE, thread_id="t1")
        assert [i.key for i in await memory.as_store(principal=alice).asearch(())] == ["a"]


async def test_a_users_own_agent_has_the_runs_session() -> None:
    async with Memory() as memory:
        store = memory.as_store()

        def build(kit: Kit) -> Runnable[Any, Any]:
            def in_a_thread(_: Any) -> str:
                store.put(("session", "agent"), "k", {"v": 1})
                return "done"

            return RunnableLambda(in_a_thread)

        agents = [Specialist("operator", "Keeps notes.", agent=build)]
        async with Supervisor(
            "desk", agents, models=ScriptedChatModel([]), memory=memory, policy=yes
        ) as desk:
            await desk.run("keep it", principal=alice, plan=ONE, thread_id="t1")
        assert [i.key for i in await memory.as_store(principal=alice, thread_id="t1").asearch(())] == ["k"]
