from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, Send, interrupt
from tests.patience import PROCESS_PATIENCE

from pilotman.memory import Event, Memory
from pilotman.memory.checkpoints.parking import ParkingSaver

pytestmark = pytest.mark.anyio


class Task(TypedDict):
    name: str
    log: Annotated[list[str], operator.add]


class Specialist:
    """A child graph that asks a person for two of its tasks."""

    async def think(self, state: Task, config: RunnableConfig) -> dict[str, Any]:
        return {"log": [f"think {state['name']}"]}

    async def approve(self, state: Task, config: RunnableConfig) -> dict[str, Any]:
        answer = interrupt({"may": state["name"]}) if state["name"] in "bc" else "unasked"
        return {"log": [f"{answer} {state['name']}"]}


class Team(TypedDict):
    log: Annotated[list[str], operator.add]


class Nodes:
    """A parent that delegates three tasks at once."""

    def __init__(self) -> None:
        specialist, child = Specialist(), StateGraph(Task)
        child.add_node("think", specialist.think)
        child.add_node("approve", specialist.approve)
        child.add_edge(START, "think")
        child.add_edge("think", "approve")
        self.child: Any = child.compile()

    async def plan(self, state: Team, config: RunnableConfig) -> dict[str, Any]:
        return {"log": ["plan"]}

    async def route(self, state: Team, config: RunnableConfig) -> list[Send]:
        return [Send("delegate", {"name": name, "log": []}) for name in "abc"]

    async def delegate(self, state: Task, config: RunnableConfig) -> dict[str, Any]:
        result = await self.child.ainvoke({"name": state["name"], "log": []}, config)
        return {"log": result["log"]}

    async def validate(self, state: Team, config: RunnableConfig) -> dict[str, Any]:
        return {"log": ["validate"]}


def build(saver: BaseCheckpointSaver[str]) -> Any:
    nodes, graph = Nodes(), StateGraph(Team)
    graph.add_node("plan", nodes.plan)
    graph.add_node("delegate", nodes.delegate)
    graph.add_node("validate", nodes.validate)
    graph.add_edge(START, "plan")
    graph.add_conditional_edges("plan", nodes.route, ["delegate"])
    graph.add_edge("delegate", "validate")
    graph.add_edge("validate", END)
    return graph.compile(checkpointer=saver)


USAGE = UsageMetadata(input_tokens=1, output_tokens=2, total_tokens=3)
CONFIG: RunnableConfig = {"configurable": {"thread_id": "run_1"}}
DONE = ["plan", "think a", "unasked a", "think b", "yes b", "think c", "no c", "validate"]


async def first(memory: Memory) -> None:
    state = await build(memory.checkpointer).ainvoke({"log": []}, CONFIG, durability="exit")
    assert [item.value for item in state["__interrupt__"]] == [{"may": "b"}, {"may": "c"}]
    await memory.checkpointer.park("run_1")


async def second(memory: Memory) -> list[str]:
    graph = build(memory.checkpointer)
    asked = (await graph.aget_state(CONFIG)).interrupts
    answers = {item.id: {"b": "yes", "c": "no"}[item.value["may"]] for item in asked}
    state = await graph.ainvoke(Command(resume=answers), CONFIG, durability="exit")
    await memory.checkpointer.drop("run_1")
    assert (await graph.aget_state(CONFIG)).values == {}
    return list(state["log"])


async def test_a_parked_graph_goes_on_in_another_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    code = f"""
import asyncio, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import test_parking
async def main():
    async with test_parking.Memory({url!r}) as memory:
        await test_parking.first(memory)
asyncio.run(main())
"""
    command = [sys.executable, "-c", code]
    process = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=PROCESS_PATIENCE
    )
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "desk.checkpoints.db").stat().st_mode & 0o777 == 0o600
    async with Memory(url) as memory:
        assert await second(memory) == DONE


async def test_a_parked_graph_goes_on_in_the_same_process(url: str) -> None:
    async with Memory(url) as memory:
        await first(memory)
        assert await second(memory) == DONE


async def test_parking_twice_between_answers(url: str) -> None:
    async with Memory(url) as memory:
        await first(memory)
        for may, answer in (("b", "yes"), ("c", "no")):
            graph = build(memory.checkpointer)
            asked = (await graph.aget_state(CONFIG)).interrupts
            answers = {item.id: answer for item in asked if item.value["may"] == may}
            state = await graph.ainvoke(Command(resume=answers), CONFIG, durability="exit")
            await memory.checkpointer.park("run_1")
        assert state["log"] == DONE


async def test_what_was_not_parked_leaves_no_file(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path / 'desk.db'}") as memory:
        memory.checkpointer.begin("run_1")
        await build(memory.checkpointer).ainvoke({"log": []}, CONFIG, durability="exit")
        await memory.checkpointer.drop("run_1")
    assert [path.name for path in tmp_path.iterdir()] == ["desk.db"]


class Noting(InMemorySaver):
    """A store that notes what it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    async def aput(self, *args: Any, **kwargs: Any) -> RunnableConfig:
        self.calls.append("put")
        return await super().aput(*args, **kwargs)

    async def alist(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        self.calls.append("list")
        async for item in super().alist(*args, **kwargs):
            yield item

    async def adelete_thread(self, thread_id: str) -> None:
        self.calls.append("delete")
        await super().adelete_thread(thread_id)


async def test_a_new_thread_that_is_not_parked_never_reaches_the_store() -> None:
    inner = Noting()
    saver = ParkingSaver(inner)
    saver.begin("run_1")
    await build(saver).ainvoke({"log": []}, CONFIG, durability="exit")
    await saver.drop("run_1")
    assert inner.calls == []


async def test_a_parked_thread_is_freed_and_read_back_once() -> None:
    inner = Noting()
    saver = ParkingSaver(inner)
    saver.begin("run_1")
    await build(saver).ainvoke({"log": []}, CONFIG, durability="exit")
    await saver.park("run_1")
    assert not saver.holds("run_1")
    inner.calls.clear()
    for _ in range(3):
        await build(saver).aget_state(CONFIG)
    assert inner.calls == ["list"]
    await saver.drop("run_1")
    assert inner.calls == ["list", "delete"]
    assert inner.storage == {}


async def test_a_store_that_fails_half_way_loses_nothing() -> None:
    class Failing(Noting):
        broken = True

        async def aput_writes(self, *args: Any, **kwargs: Any) -> None:
            if self.broken:
                raise OSError("disk full")
            await super().aput_writes(*args, **kwargs)

    inner = Failing()
    saver = ParkingSaver(inner)
    saver.begin("run_1")
    await build(saver).ainvoke({"log": []}, CONFIG, durability="exit")
    with pytest.raises(OSError, match="disk full"):
        await saver.park("run_1")
    assert saver.holds("run_1")
    inner.broken = False
    await saver.park("run_1")
    assert len((await build(ParkingSaver(inner)).aget_state(CONFIG)).interrupts) == 2


def test_state_that_is_not_plain_data_is_not_revived() -> None:
    serde = Memory().checkpointer.serde
    event = Event(seq=1, run_id="r", at=datetime.now(UTC), kind="k", actor="a", data={})
    assert not isinstance(serde.loads_typed(serde.dumps_typed(event)), Event)
    plain = {"log": ["x"], "n": 1, "message": AIMessage("hi", usage_metadata=USAGE)}
    assert serde.loads_typed(serde.dumps_typed(plain)) == plain


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("saver_is", ["in process", "through the store", "the users'"])
async def test_langgraphs_own_conformance_suite(shared_url: str, saver_is: str) -> None:
    conformance = pytest.importorskip("langgraph.checkpoint.conformance")

    class AlwaysParking(ParkingSaver):
        """Parks after every write, so that every read comes from the store."""

        async def aput(self, config: RunnableConfig, *args: Any, **kwargs: Any) -> RunnableConfig:
            stored = await super().aput(config, *args, **kwargs)
            await self.park(config.get("configurable", {})["thread_id"])
            return stored

        async def aput_writes(self, config: RunnableConfig, *args: Any, **kwargs: Any) -> None:
            await super().aput_writes(config, *args, **kwargs)
            await self.park(config.get("configurable", {})["thread_id"])

    @conformance.checkpointer_test(name=saver_is)  # type: ignore[untyped-decorator]
    async def saver() -> AsyncIterator[BaseCheckpointSaver[str]]:
        async with Memory(shared_url) as memory:
            inner = memory.as_checkpointer()
            parking = AlwaysParking if saver_is == "through the store" else ParkingSaver
            yield inner if saver_is == "the users'" else parking(inner)

    report = await conformance.validate(saver)
    assert report.passed_all_base(), report.to_dict()
    assert report.results["put_writes"].tests_passed > 5


async def test_what_is_parked_in_memory_reads_as_if_it_was_not() -> None:
    async with Memory() as memory:
        saver = memory.checkpointer
        await build(saver).ainvoke({"log": []}, CONFIG, durability="exit")
        before = [item async for item in saver.alist(CONFIG)]
        for _ in range(2):
            await saver.park("run_1")
            assert [item async for item in saver.alist(CONFIG)] == before
        await saver.park("run_1")
        assert await second(memory) == DONE
