"""A walk goes the ways of its graph."""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, Any, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from tests.patience import PATIENCE

from pilotman.agents import graph as specialist_graph
from pilotman.agents.graph import Desks
from pilotman.agents.walk import Step, Walk
from pilotman.supervisor import graph as supervisor_graph

MOST = 20

pytestmark = pytest.mark.anyio


class Seen(TypedDict):
    """``left`` are the steps still to come, ``seen`` those that were taken, ``last`` the one just now."""

    left: list[str]
    seen: Annotated[list[str], operator.add]
    last: str


class Nodes:
    """Two nodes that follow the state's list."""

    async def one(self, state: Seen, config: RunnableConfig) -> dict[str, Any]:
        return {"seen": ["one"], "last": "one", "left": state["left"][1:]}

    async def two(self, state: Seen, config: RunnableConfig) -> dict[str, Any]:
        return {"seen": ["two"], "left": state["left"][1:]}

    async def onward(self, state: Seen) -> str:
        return state["left"][0] if state["left"] else "__end__"


NODES = Nodes()
WALK = Walk(
    steps={
        "one": Step(node=NODES.one, after=NODES.onward),
        "two": Step(node=NODES.two, after=NODES.onward),
    },
    reducers={"seen": operator.add},
    most=MOST,
)


def compiled() -> Any:
    graph = StateGraph(Seen)
    graph.add_node("one", NODES.one)
    graph.add_node("two", NODES.two)
    graph.add_edge(START, "one")
    for name in ("one", "two"):
        graph.add_conditional_edges(name, NODES.onward, {"one": "one", "two": "two", "__end__": END})
    return graph.compile()


@given(st.lists(st.sampled_from(["one", "two"]), max_size=MOST - 2))
def test_a_walk_reaches_the_state_that_the_graph_reaches(way: list[str]) -> None:
    begin = {"left": ["one", *way]}

    async def both() -> tuple[Any, Any]:
        return (await WALK.go(begin, "one"))[0], await compiled().ainvoke(begin)

    walked, graph = asyncio.run(both())
    assert walked == graph


async def test_it_stops_before_a_step_that_is_not_its_own() -> None:
    state, last = await WALK.go({"left": ["one", "two", "approve"]}, "one")
    assert (state["seen"], state["left"], last) == (["one", "two"], ["approve"], "two")


async def test_it_stops_after_so_many_steps() -> None:
    state, last = await WALK.go({"left": ["one"] * 3 * MOST}, "one")
    assert (len(state["seen"]), last) == (MOST, "one")


async def test_what_is_sent_to_one_node_is_what_that_node_is_given() -> None:
    state, _ = await WALK.go({"left": ["two"], "last": "kept"}, [Send("two", {"left": ["two"]})])
    assert state == {"left": [], "last": "kept", "seen": ["two"]}


class Pair:
    """Branches that each end only when the other has begun; the one called "bad" fails, its fellow waits."""

    def __init__(self) -> None:
        self.begun: dict[str, asyncio.Event] = {"a": asyncio.Event(), "b": asyncio.Event()}
        self.stopped = False

    async def branch(self, state: dict[str, Any], config: RunnableConfig) -> dict[str, Any]:
        name, other = ("a", "b") if state["name"] == "a" else ("b", "a")
        self.begun[name].set()
        await self.begun[other].wait()
        if state.get("bad"):
            raise ValueError(name)
        try:
            await asyncio.sleep(3600 if state.get("long") else 0)
        except asyncio.CancelledError:
            self.stopped = True
            raise
        return {"seen": [name]}

    async def onward(self, state: dict[str, Any]) -> str:
        return "__end__"

    def walk(self) -> Walk:
        return Walk(
            steps={"branch": Step(node=self.branch, after=self.onward)},
            reducers={"seen": operator.add},
            most=MOST,
        )


async def test_branches_go_on_at_once_and_their_changes_come_together_in_order() -> None:
    sent = [Send("branch", {"name": "b"}), Send("branch", {"name": "a"})]
    async with asyncio.timeout(PATIENCE):
        reached = await Pair().walk().go({"seen": ["start"]}, sent)
    assert reached == ({"seen": ["start", "b", "a"]}, "branch")


async def test_where_a_branch_fails_the_others_are_stopped_and_its_error_is_raised() -> None:
    pair = Pair()
    sent = [Send("branch", {"name": "a", "long": True}), Send("branch", {"name": "b", "bad": True})]
    with pytest.raises(ValueError, match="b"):
        async with asyncio.timeout(PATIENCE):
            await pair.walk().go({}, sent)
    assert pair.stopped


async def test_who_stops_a_walk_stops_its_branches() -> None:
    pair = Pair()
    sent = [Send("branch", {"name": name, "long": True}) for name in ("a", "b")]
    walk = asyncio.ensure_future(pair.walk().go({}, sent))
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(event.wait() for event in pair.begun.values()))
        walk.cancel()
        await asyncio.wait((walk,))
    assert walk.cancelled()
    assert pair.stopped


@pytest.mark.parametrize(
    ("graph", "walk", "people"),
    [
        (specialist_graph.build(Desks()), specialist_graph.walk(Desks(), most=MOST), "approve"),
        (
            supervisor_graph.build(lambda _run, _path: None),
            supervisor_graph.walk(lambda _run, _path: None, most=MOST),
            "escalate",
        ),
    ],
    ids=["specialist", "supervisor"],
)
def test_our_walks_have_every_node_and_way_of_their_graphs_but_where_people_are_asked(
    graph: Any, walk: Walk, people: str
) -> None:
    assert {*walk.steps, people} == set(graph.nodes)
    for name, step in walk.steps.items():
        assert graph.nodes[name].runnable.afunc.__func__ is step.node.__func__  # type: ignore[attr-defined]
        routers = [branch.path.afunc for branch in graph.branches[name].values()]
        if routers:
            assert [router.__func__ for router in routers] == [step.after.__func__]  # type: ignore[attr-defined]


async def test_the_one_way_without_a_router_leads_where_its_edge_does() -> None:
    find: supervisor_graph.FindLead = lambda _run, _path: None  # noqa: E731
    edges = supervisor_graph.build(find).edges
    where = await supervisor_graph.walk(find, most=1).steps["delegate"].after({})
    assert [there for here, there in edges if here == "delegate"] == [where]
    specialist = specialist_graph.build(Desks())
    assert all(specialist.branches[name] for name in ("think", "guard", "write"))


async def test_every_reducer_of_the_states_is_one_of_the_walks() -> None:
    def reducers(state: Any) -> dict[str, Any]:
        hints = {k: v for k, v in state.__annotations__.items() if "Annotated" in str(v)}
        return dict.fromkeys(hints)

    assert (
        reducers(specialist_graph.SpecialistState).keys()
        == specialist_graph.walk(Desks(), most=1).reducers.keys()
    )
    assert (
        reducers(supervisor_graph.SupervisorState).keys()
        == supervisor_graph.walk(lambda _run, _path: None, most=1).reducers.keys()
    )
