"""What LangGraph's tests of its own stores demand of any store, on ours."""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, StateGraph
from langgraph.store.base import (
    BaseStore,
    GetOp,
    InvalidNamespaceError,
    Item,
    ListNamespacesOp,
    MatchCondition,
    PutOp,
    SearchOp,
)
from langgraph.store.memory import InMemoryStore
from tests.memory.store.conftest import ALICE

from pilotman.memory import Memory
from pilotman.memory.store.matching import UnknownOperator
from pilotman.memory.store.store import MemoryStore

pytestmark = pytest.mark.anyio


async def test_what_is_put_is_there_until_it_is_deleted(store: MemoryStore, clock: Any) -> None:
    assert await store.aget(("users", "7"), "prefs") is None
    await store.aput(
        ("users", "7"), "prefs", {"theme": "dark", "sizes": [1, 2.5, None, True], "ü": {"a": "b"}}
    )
    clock.forward(seconds=1)
    first = await store.aget(("users", "7"), "prefs")
    assert first is not None
    assert first.value == {"theme": "dark", "sizes": [1, 2.5, None, True], "ü": {"a": "b"}}
    assert (first.namespace, first.key) == (("users", "7"), "prefs")
    assert first.created_at == first.updated_at < clock.now
    await store.aput(("users", "7"), "prefs", {"theme": "light"})
    second = await store.aget(("users", "7"), "prefs")
    assert second is not None
    assert second.value == {"theme": "light"}
    assert (second.created_at, second.updated_at) == (first.created_at, clock.now)
    await store.adelete(("users", "7"), "prefs")
    await store.adelete(("users", "7"), "prefs")
    assert await store.aget(("users", "7"), "prefs") is None


async def test_a_key_that_is_no_text_becomes_one(store: MemoryStore) -> None:
    await store.aput(("n",), 7, {"a": 1})  # type: ignore[arg-type]
    found = await store.aget(("n",), "7")
    assert found is not None
    assert found.key == "7"


async def test_a_batch_answers_in_order_and_reads_what_was_there_before(store: MemoryStore) -> None:
    await store.aput(("test",), "old", {"data": 1})
    results = await store.abatch(
        [
            GetOp(("test",), "old"),
            PutOp(("test",), "new", {"data": 2}),
            SearchOp(("test",), limit=10),
            PutOp(("test",), "old", None),
            ListNamespacesOp(),
            GetOp(("test",), "new"),
        ]
    )
    assert isinstance(results[0], Item)
    assert results[0].value == {"data": 1}
    assert isinstance(results[2], list)
    assert [item.key for item in results[2] if isinstance(item, Item)] == ["old"]
    assert [results[n] for n in (1, 3, 4, 5)] == [None, None, [("test",)], None]
    assert [item.key for item in await store.asearch(("test",))] == ["new"]
    assert await store.abatch([]) == []


async def test_of_several_puts_in_a_batch_the_last_counts(store: MemoryStore) -> None:
    await store.abatch(
        [PutOp(("n",), "k", {"v": 1}), PutOp(("n",), "k", {"v": 2}), PutOp(("n",), "j", {"v": 3})]
    )
    found = await store.aget(("n",), "k")
    assert found is not None
    assert found.value == {"v": 2}


async def test_many_calls_at_once_each_get_their_own(store: MemoryStore) -> None:
    await asyncio.gather(*(store.aput(("n", str(i % 3)), f"k{i}", {"v": i}) for i in range(30)))
    found = await asyncio.gather(*(store.aget(("n", str(i % 3)), f"k{i}") for i in range(30)))
    assert [item.value["v"] for item in found if item] == list(range(30))


async def test_a_search_filters_by_fields_and_operators(store: MemoryStore) -> None:
    values: dict[str, dict[str, Any]] = {
        "a": {"score": 4.5, "color": "red", "deep": {"x": 1, "y": 2}, "tags": ["p", "q"]},
        "b": {"score": 5, "color": "green"},
        "c": {"color": "red"},
    }
    for key, value in values.items():
        await store.aput(("docs", "x"), key, value)

    async def keys(**wanted: Any) -> set[str]:
        return {item.key for item in await store.asearch(("docs",), filter=wanted)}

    assert await keys(color="red") == {"a", "c"}
    assert await keys(color="red", score=4.5) == {"a"}
    assert await keys(score={"$gt": 4.99}) == {"b"}
    assert await keys(score={"$gte": 4.5, "$lt": 5}) == {"a"}
    assert await keys(score={"$lte": 5}) == {"a", "b"}
    assert await keys(color={"$ne": "red"}) == {"b"}
    assert await keys(color={"$eq": "red"}) == {"a", "c"}
    assert await keys(deep={"x": 1}) == {"a"}
    assert await keys(tags=["p", "q"]) == {"a"}
    assert await keys(tags=["p"]) == set()
    with pytest.raises(UnknownOperator):
        await keys(score={"$regex": "x"})


async def test_a_search_has_pages_the_last_changed_first(store: MemoryStore, clock: Any) -> None:
    for i in range(25):
        clock.forward(seconds=1)
        await store.aput(("docs", f"part{i % 2}"), f"k{i:02}", {"even": i % 2 == 0})
    order = [f"k{i:02}" for i in reversed(range(25))]
    assert [item.key for item in await store.asearch(("docs",))] == order[:10]
    assert [item.key for item in await store.asearch(("docs",), limit=4, offset=23)] == order[23:]
    assert [
        item.key for item in await store.asearch(("docs",), filter={"even": True}, limit=2, offset=2)
    ] == [
        "k20",
        "k18",
    ]
    assert len(await store.asearch((), limit=100)) == 25


async def test_a_query_puts_first_what_has_its_words_and_leaves_nothing_out(store: MemoryStore) -> None:
    await store.aput(("d",), "red", {"text": "A red bicycle, hardly used"})
    await store.aput(("d",), "blue", {"text": "Blue car", "more": ["with a RED door"]})
    await store.aput(("d",), "none", {"text": "nothing of it"})
    found = await store.asearch(("d",), query="red bicycle")
    assert [item.key for item in found] == ["red", "blue", "none"]
    assert [item.score for item in found] == [1.0, 0.5, 0.0]
    assert [item.key for item in await store.asearch(("d",), query="door", limit=1)] == ["blue"]
    assert all(item.score is None for item in await store.asearch(("d",)))


SPACES = [
    ("a", "b", "c"),
    ("a", "b", "d", "e"),
    ("a", "b", "d", "i"),
    ("a", "b", "f"),
    ("a", "c", "f"),
    ("b", "a", "f"),
    ("users", "123"),
]


async def test_namespaces_are_listed_by_beginning_end_and_depth(store: MemoryStore) -> None:
    for space in SPACES:
        await store.aput(space, "one", {"v": 1})
        await store.aput(space, "two", {"v": 2})
    listed = store.alist_namespaces
    assert await listed() == sorted(SPACES)
    assert await listed(prefix=("a", "b")) == sorted(SPACES[:4])
    assert await listed(suffix=("f",)) == [("a", "b", "f"), ("a", "c", "f"), ("b", "a", "f")]
    assert await listed(prefix=("a",), suffix=("f",)) == [("a", "b", "f"), ("a", "c", "f")]
    assert await listed(prefix=("a", "b"), max_depth=3) == [("a", "b", "c"), ("a", "b", "d"), ("a", "b", "f")]
    assert await listed(prefix=("a", "*", "f")) == [("a", "b", "f"), ("a", "c", "f")]
    assert await listed(suffix=("*", "f")) == [("a", "b", "f"), ("a", "c", "f"), ("b", "a", "f")]
    assert await listed(limit=2, offset=1) == sorted(SPACES)[1:3]
    assert await listed(prefix=("a", "b", "c", "d", "e")) == []
    await store.adelete(("users", "123"), "one")
    await store.adelete(("users", "123"), "two")
    assert await listed(prefix=("users",)) == []


@pytest.mark.parametrize("space", [(), ("",), ("a.b",), ("langgraph", "x"), ("a", 7), ("a\0",)])
async def test_a_namespace_that_langgraph_refuses_is_refused(store: MemoryStore, space: Any) -> None:
    with pytest.raises(InvalidNamespaceError):
        await store.aput(space, "k", {"v": 1})
    with pytest.raises(InvalidNamespaceError):
        await store.aput_if(space, "k", {"v": 1}, revision=None)
    if space == ("a.b",):
        for op in (GetOp(space, "k"), SearchOp(space), PutOp(space, "k", {})):
            with pytest.raises(InvalidNamespaceError):
                await store.abatch([op])
        with pytest.raises(InvalidNamespaceError):
            await store.abatch([ListNamespacesOp((MatchCondition("prefix", space),))])


async def test_labels_that_look_alike_are_not_the_same(store: MemoryStore) -> None:
    await store.aput(("a", "bc"), "k", {"v": 1})
    await store.aput(("a,b", "c"), "k", {"v": 2})
    assert await store.aget(("a", "b"), "k") is None
    assert [item.value["v"] for item in await store.asearch(("a",))] == [1]
    assert await store.asearch(("a", "b")) == []


def test_synchronous_methods_work_where_no_loop_runs_and_refuse_where_one_does() -> None:
    memory = Memory()

    async def main() -> None:
        async with memory:
            store = memory.as_store(principal=ALICE)
            with pytest.raises(asyncio.InvalidStateError, match="aget"):
                store.get(("n",), "k")

            def in_a_thread() -> tuple[Any, ...]:
                store.put(("n",), "k", {"v": 1}, ttl=5)
                revision = store.put_if(("n",), "j", {"v": 2}, revision=None)
                found, listed = store.search(("n",)), store.list_namespaces()
                store.delete(("n",), "k")
                return store.get(("n",), "k"), revision, {item.key for item in found}, listed

            gone, revision, found, listed = await asyncio.to_thread(in_a_thread)
            item = await store.aget(("n",), "j")
            assert item is not None
            assert item.revision == revision
            assert (gone, found, listed) == (None, {"k", "j"}, [("n",)])

    asyncio.run(main())


class State(TypedDict):
    seen: list[str]


async def remember(state: State, config: RunnableConfig, *, store: BaseStore) -> dict[str, Any]:
    known = await store.asearch(("session", "notes"))
    await store.aput(("session", "notes"), f"n{len(known)}", {"text": state["seen"][-1]})
    return {"seen": [*state["seen"], *(item.value["text"] for item in known)]}


def remember_in_step(state: State, config: RunnableConfig, *, store: BaseStore) -> dict[str, Any]:
    store.put(("lasting",), "n", {"text": "kept"})
    found = store.get(("lasting",), "n")
    assert found is not None
    return {"seen": [*state["seen"], found.value["text"]]}


async def test_a_graph_that_is_compiled_with_it_has_its_thread_as_session(url: str) -> None:
    async with Memory(url) as memory:
        graph = StateGraph(State)
        graph.add_node("remember", remember)
        graph.add_node("in_step", remember_in_step)
        graph.add_edge(START, "remember").add_edge("remember", "in_step")
        mine = graph.compile(store=memory.as_store(principal=ALICE), checkpointer=memory.as_checkpointer())

        async def said(word: str, thread: str) -> list[str]:
            state = await mine.ainvoke({"seen": [word]}, {"configurable": {"thread_id": thread}})
            return list(state["seen"])

        assert await said("one", "t1") == ["one", "kept"]
        assert await said("two", "t1") == ["two", "one", "kept"]
        assert await said("three", "t2") == ["three", "kept"], "another conversation is another session"


LABELS = st.sampled_from(["a", "b", "c"])
SPACE = st.lists(LABELS, min_size=1, max_size=3).map(tuple)
VALUE = st.dictionaries(st.sampled_from(["x", "y"]), st.integers(0, 3) | st.text(max_size=3), max_size=2)
STEP = (
    st.tuples(st.just("put"), SPACE, st.sampled_from("kj"), VALUE)
    | st.tuples(st.just("delete"), SPACE, st.sampled_from("kj"), st.none())
    | st.tuples(st.just("look"), st.lists(LABELS, max_size=2).map(tuple), st.integers(0, 2), VALUE)
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=12))
def test_it_tells_the_same_as_langgraphs_store_in_memory(steps: list[Any]) -> None:
    def plain(items: Any) -> list[Any]:
        return sorted(((i.namespace, i.key, i.value) for i in items), key=repr)

    async def main() -> None:
        async with Memory() as memory:
            ours, theirs = memory.as_store(principal=ALICE), InMemoryStore()
            stores: tuple[BaseStore, BaseStore] = (ours, theirs)
            for what, space, key, value in steps:
                if what == "put":
                    for store in stores:
                        await store.aput(space, key, value)
                elif what == "delete":
                    for store in stores:
                        await store.adelete(space, key)
                else:
                    for wanted in (None, value):
                        found = [await s.asearch(space, filter=wanted, limit=99) for s in stores]
                        assert plain(found[0]) == plain(found[1])
                    for name in "kj":
                        one = [await s.aget((*space, "a"), name) for s in stores]
                        assert plain(filter(None, one[:1])) == plain(filter(None, one[1:]))
            # theirs goes on listing a namespace whose items were deleted
            full = {item.namespace for item in await theirs.asearch((), limit=999)}
            assert set(await ours.alist_namespaces(limit=999)) == full

    asyncio.run(main())
