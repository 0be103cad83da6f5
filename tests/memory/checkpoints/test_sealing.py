"""What users' graphs remember is sealed for them, and gone with their key."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, empty_checkpoint
from langgraph.graph import START, StateGraph
from langgraph.types import interrupt

from pilotman.guardrails import Principal
from pilotman.guardrails.seal import Forgotten, KeysInMemory, Seal, Subject, Tampered
from pilotman.memory import Memory
from pilotman.memory.checkpoints.parking import strict_serde
from pilotman.memory.checkpoints.sealing import INSTALLATION, Sealing, subject_in
from pilotman.memory.keyring.table import DatabaseKeys

pytestmark = pytest.mark.anyio
ALICE, SUBJECT = Principal(tenant="acme", user="alice"), Subject("acme", "alice")
MARK = "xyzzy"


class State(TypedDict):
    said: Annotated[list[Any], operator.add]
    note: str
    count: int


async def talk(state: State, config: RunnableConfig) -> dict[str, Any]:
    return {"said": [HumanMessage(MARK)], "note": MARK, "count": 7}


async def ask(state: State, config: RunnableConfig) -> dict[str, Any]:
    interrupt({"may": MARK})
    return {}


def graph(memory: Memory) -> Any:
    built = StateGraph(State)
    built.add_node("talk", talk)
    built.add_node("ask", ask)
    built.add_edge(START, "talk")
    built.add_edge("talk", "ask")
    return built.compile(checkpointer=memory.as_checkpointer())


def config(**configurable: Any) -> RunnableConfig:
    return {"configurable": {"thread_id": "mine", **configurable}}


async def test_no_byte_of_the_store_says_what_a_graph_remembers(tmp_path: Path) -> None:
    async with Memory(f"sqlite:///{tmp_path / 'desk.db'}") as memory:
        await graph(memory).ainvoke({"said": [MARK]}, config(principal=ALICE))
        stored = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
        assert "desk.checkpoints.db-wal" in stored
        assert not [name for name, body in stored.items() if MARK.encode() in body]
        state = await graph(memory).aget_state(config())
        assert (state.values["note"], state.values["said"][0]) == (MARK, MARK)
        assert state.interrupts[0].value == {"may": MARK}


class Note(TypedDict):
    note: str


async def same(state: Note) -> dict[str, str]:
    return {"note": state["note"]}


async def test_the_threads_of_a_user_are_found_by_what_is_stored_and_no_others(url: str) -> None:
    """One graph keeps nothing but a short text, which savers store in another place."""
    keys = KeysInMemory() if url == "sqlite://" else None
    more: dict[str, Any] = {} if keys is None else {"keys": keys}
    async with Memory(url, **more) as memory:
        built = StateGraph(Note)
        built.add_node("same", same)
        built.add_edge(START, "same")
        short = built.compile(checkpointer=memory.as_checkpointer())
        users = ("alice", "alic", "alicea", 'al"ice', "bob")
        for user in users:
            who = Principal(tenant="acme", user=user)
            await graph(memory).ainvoke({"said": [user]}, config(principal=who, thread_id=f"long {user}"))
            await short.ainvoke({"note": user}, config(principal=who, thread_id=f"short {user}"))
        await short.ainvoke({"note": "mine"}, config(principal=ALICE, thread_id="short bob"))
        for user in users:
            found = await memory._users_checkpointer.owned(Subject("acme", user))  # pyright: ignore[reportPrivateUsage]
            shared = {"short bob"} if user == "alice" else set[str]()
            assert set(found) == {f"long {user}", f"short {user}"} | shared
            for name, newest in found.items():
                listed = [item async for item in memory.as_checkpointer().alist(config(thread_id=name))]
                assert newest.checkpoint["id"] == listed[0].checkpoint["id"]
        assert await memory._users_checkpointer.owned(Subject("other", "alice")) == {}  # pyright: ignore[reportPrivateUsage]


async def test_what_was_forgotten_is_as_if_it_had_never_been(shared_url: str) -> None:
    at_once = DatabaseKeys(shared_url, trusted_for=0) if shared_url.startswith("postgres") else None
    async with Memory(shared_url, keys=at_once) as memory:
        await graph(memory).ainvoke({"said": ["old"]}, config(principal=ALICE))
        assert memory.seal.keys is not None
        assert memory.seal.keys.destroy(SUBJECT)
        assert (await graph(memory).aget_state(config())).values == {}
        assert [item async for item in memory.as_checkpointer().alist(config())] == []
        await graph(memory).ainvoke({"said": ["new"]}, config(principal=ALICE))
        assert (await graph(memory).aget_state(config())).values["said"][0] == "new"


def test_whose_a_graph_is() -> None:
    bob = Principal(tenant="acme", user="bob")
    assert subject_in(config(principal=ALICE), lambda: bob) == SUBJECT
    assert subject_in(config(principal=ALICE.to_dict()), lambda: None) == SUBJECT
    assert subject_in(config(), lambda: bob) == Subject("acme", "bob")
    assert subject_in(config(), lambda: None) == INSTALLATION


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.binary()
    | st.lists(st.text())
)


@given(value=VALUES, name=st.text())
def test_every_value_comes_back_as_it_was(value: Any, name: str) -> None:
    sealing = Sealing(Seal(KeysInMemory()), strict_serde())
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {name: value}
    sealed = sealing.checkpoint(SUBJECT, config(), checkpoint)
    ((_, written),) = sealing.writes(SUBJECT, config(), [(name, value)])
    item = CheckpointTuple(config(), sealed, {}, None, [("task", name, written)])
    opened = sealing.opened(item)
    assert opened.checkpoint == checkpoint
    assert opened.pending_writes == [("task", name, value)]


def test_a_value_opens_neither_in_another_thread_nor_without_its_key() -> None:
    keys = KeysInMemory()
    sealing = Sealing(Seal(keys), strict_serde())
    checkpoint = empty_checkpoint()
    checkpoint["channel_values"] = {"note": MARK}
    sealed = sealing.checkpoint(SUBJECT, config(), checkpoint)
    other: RunnableConfig = {"configurable": {"thread_id": "yours"}}
    with pytest.raises(Tampered):
        sealing.opened(CheckpointTuple(other, sealed, {}, None, None))
    keys.destroy(SUBJECT)
    with pytest.raises(Forgotten):
        sealing.opened(CheckpointTuple(config(), sealed, {}, None, None))
