from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from tests.patience import PROCESS_PATIENCE

import pilotman.memory
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError, CorruptJournal
from pilotman.memory import Memory
from pilotman.memory.checkpoints.parking import strict_serde

pytestmark = pytest.mark.anyio


def test_the_front_door() -> None:
    assert pilotman.memory.__all__ == [
        "Anchors",
        "Event",
        "Fact",
        "Lineage",
        "Memory",
        "Pointer",
        "Receipt",
        "Retention",
        "Selector",
    ]
    assert list(inspect.signature(Memory).parameters) == [
        "url",
        "provenance",
        "anchors",
        "keys",
        "retention",
        "contradictions",
        "records",
        "clock",
    ]


@pytest.mark.parametrize(("url", "ephemeral"), [("sqlite://", True), ("sqlite:///x.db", False)])
def test_what_is_gone_with_the_process_says_so(url: str, ephemeral: bool) -> None:
    assert Memory(url).ephemeral is ephemeral


def test_constructing_and_asking_for_savers_touches_nothing(tmp_path: Path) -> None:
    memory = Memory(f"sqlite:///{tmp_path / 'desk.db'}")
    assert memory.checkpointer is not memory.as_checkpointer()
    assert list(tmp_path.iterdir()) == []


async def test_the_clock_is_the_journals(make: Any, clock: Any) -> None:
    async with Memory(clock=clock) as memory:
        await memory.journal.create_run(make.run(owner="me"), events=[])
        await memory.journal.request_approvals([make.approval()], owner="me")
        clock.forward(days=3)
        assert (await memory.journal.approval("apr_1", tenant="acme")).state == "expired"


async def test_it_starts_twice_and_closes_twice(url: str) -> None:
    memory = Memory(url)
    await asyncio.gather(memory.start(), memory.start())
    await memory.start()
    await memory.aclose()
    await memory.aclose()


async def test_a_start_that_fails_can_be_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "desk.db"
    path.write_text("not a journal")
    memory = Memory(f"sqlite:///{path}")
    for _ in range(2):
        with pytest.raises(CorruptJournal):
            await memory.start()
    path.unlink()
    async with memory:
        assert await memory.journal.runs(tenant="acme") == []


class State(TypedDict):
    count: int


async def add(state: State, config: RunnableConfig) -> dict[str, Any]:
    return {"count": state["count"] + 1}


def counter(memory: Memory) -> Any:
    graph = StateGraph(State)
    graph.add_node("add", add)
    graph.add_edge(START, "add")
    return graph.compile(checkpointer=memory.as_checkpointer())


CONFIG: RunnableConfig = {"configurable": {"thread_id": "mine"}}


def test_a_users_own_graph_keeps_its_state_from_loop_to_loop(url: str) -> None:
    memory = Memory(url)
    graph = counter(memory)  # compiled before anything is open

    async def go() -> int:
        async with memory:
            await graph.ainvoke({"count": 5}, CONFIG)
            assert await asyncio.to_thread(lambda: graph.get_state(CONFIG).values) == {"count": 6}
            return len([state async for state in graph.aget_state_history(CONFIG)])

    assert asyncio.run(go()) < asyncio.run(go())


def test_code_without_a_loop_starts_uses_and_closes_it_call_by_call(url: str) -> None:
    memory = Memory(url)
    store = memory.as_store(principal=Principal(tenant="acme", user="alice"))
    for number in range(2):
        asyncio.run(memory.start())
        store.put(("n",), str(number), {"number": number})
        assert store.search(("n",), filter={"number": number})
        asyncio.run(memory.aclose())


async def test_a_users_graph_needs_a_started_memory() -> None:
    memory = Memory()
    with pytest.raises(ConfigurationError, match="not started"):
        await counter(memory).ainvoke({"count": 1}, CONFIG)
    with pytest.raises(ConfigurationError, match="ainvoke"):
        counter(memory).get_state(CONFIG)


async def test_a_users_thread_can_be_deleted(url: str) -> None:
    async with Memory(url) as memory:
        await counter(memory).ainvoke({"count": 5}, CONFIG)
        await memory.as_checkpointer().adelete_thread("mine")
        assert (await counter(memory).aget_state(CONFIG)).values == {}


async def test_ten_graphs_open_the_store_at_once(url: str) -> None:
    async with Memory(url) as memory:
        graph = counter(memory)
        configs: list[RunnableConfig] = [{"configurable": {"thread_id": f"t{i}"}} for i in range(10)]
        results = await asyncio.gather(*(graph.ainvoke({"count": i}, c) for i, c in enumerate(configs)))
        assert [result["count"] for result in results] == list(range(1, 11))


async def test_a_damaged_checkpoint_store_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "desk.checkpoints.db").write_text("x" * 5000)
    async with Memory(f"sqlite:///{tmp_path / 'desk.db'}") as memory:
        with pytest.raises(CorruptJournal, match="checkpoint store"):
            await counter(memory).ainvoke({"count": 1}, CONFIG)


def test_a_process_that_forgets_to_close_ends_all_the_same(tmp_path: Path) -> None:
    code = f"import asyncio\nfrom pilotman.memory import Memory\nm = Memory('sqlite:///{tmp_path}/j.db')\n"
    code += "asyncio.run(m.start())\n"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=PROCESS_PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_users_synchronous_graph_works_from_another_thread(url: str) -> None:
    def count(state: State) -> dict[str, int]:
        return {"count": state["count"] + 1}

    async with Memory(url) as memory:
        await counter(memory).ainvoke({"count": 1}, CONFIG)  # opens the store
        saver = memory.as_checkpointer()
        graph = StateGraph(State)
        graph.add_node("count", count)
        graph.add_edge(START, "count")
        compiled: Any = graph.compile(checkpointer=saver)
        other: RunnableConfig = {"configurable": {"thread_id": "other"}}

        def work() -> int:
            assert compiled.invoke({"count": 1}, other) == {"count": 2}
            listed = len(list(saver.list(other)))
            saver.delete_thread("other")
            assert compiled.get_state(other).values == {}
            return listed

        assert await asyncio.to_thread(work) > 1


async def test_an_allow_list_reaches_the_store_and_its_copy_alone(url: str) -> None:
    key = ("pilotman.memory.event", "Event")
    async with Memory(url) as memory:
        saver = memory.as_checkpointer()
        saver.serde = strict_serde()
        allowed = saver.with_allowlist([key])
        await counter(memory).ainvoke({"count": 1}, CONFIG)
        assert (await allowed.aget_tuple(CONFIG)) == (await saver.aget_tuple(CONFIG))
        assert saver.with_allowlist([]) is not saver
