"""Graphs draw themselves without a web service, completely, and stay what they are."""

from __future__ import annotations

import re
import socket
from typing import Any, TypedDict
from xml.etree import ElementTree

import pytest
from hypothesis import given
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from rich.cells import cell_len
from tests.supervisor.test_diagram import diagrams

from pilotman.supervisor import column, picture
from pilotman.supervisor.diagram import Diagram
from pilotman.supervisor.drawing import AnyGraph, DrawnGraph, showable, svg, text


class State(TypedDict):
    x: int


async def step(state: State) -> State:
    return {"x": state["x"] + 1}


async def again(state: State) -> str:
    return "end" if state["x"] > 2 else "work"


def graph(name: str = "loop", node: str = "work") -> AnyGraph:
    builder: StateGraph[State] = StateGraph(State)
    builder.add_node(node, step, metadata={"execute_in": "activity"})
    builder.add_node("check", step, metadata={"execute_in": "workflow"})
    builder.add_edge(START, node)
    builder.add_edge(node, "check")
    builder.add_conditional_edges("check", again, {"work": node, "end": END})
    return builder.compile(name=name, checkpointer=InMemorySaver())


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("a drawing must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


LOOP = """
╭───────╮
│ start │
╰───┬───╯
    │
╭───▼───╮
│ work  │◀╌╌╮
╰───┬───╯   ┆
    │       ┆
╭───▼───╮   ┆
│ check │   ┆
│       ├╌╌╌╯
╰───┬───╯
    ┆
╭───▼───╮
│ end   │
╰───────╯
"""


def test_the_text_shows_solid_and_dashed_edges_and_the_loop() -> None:
    assert text(graph()) == LOOP.strip()


@given(diagrams())
def test_the_text_of_any_graph_is_whole(diagram: Diagram) -> None:
    lines = column.draw(diagram).splitlines()
    for name in diagram.names.values():
        assert sum(f"│ {name} " in line for line in lines) == 1
    targets = {e.target for e in diagram.edges}
    assert sum("◀" in line for line in lines) + sum("▼" in line for line in lines) >= len(targets)


def test_names_of_any_script_keep_the_boxes_straight() -> None:
    lines = text(graph(node="日本語")).splitlines()
    rims = {cell_len(line[: line.index("╮") + 1]) for line in lines if line.startswith("╭")}
    sides = {
        cell_len(line[: line.index("│", 1) + 1]) for line in lines if line.startswith("│ ") and "◀" in line
    }
    assert rims == sides == {10}


@given(diagrams())
def test_the_picture_of_any_graph_is_well_formed_and_whole(diagram: Diagram) -> None:
    root = ElementTree.fromstring(picture.svg(diagram))
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(w for w in words if w) == sorted(diagram.names.values())
    paths = [e for e in root.iter("{http://www.w3.org/2000/svg}path") if "edge" in e.attrib["class"]]
    assert len(paths) == len(diagram.edges)
    dashed = [e for e in paths if "maybe" in e.attrib["class"]]
    assert len(dashed) == sum(e.conditional for e in diagram.edges)


@given(diagrams())
def test_nothing_is_drawn_outside_of_the_picture(diagram: Diagram) -> None:
    markup = picture.svg(diagram)
    root = ElementTree.fromstring(markup)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for rect in root.iter("{http://www.w3.org/2000/svg}rect"):
        assert 0 <= float(rect.attrib["x"]) <= width
        assert float(rect.attrib["x"]) + float(rect.attrib["width"]) <= width
        assert float(rect.attrib["y"]) + float(rect.attrib["height"]) <= height
    starts = [float(x) for x in re.findall(r'class="edge[^"]*" d="M([-\d.]+)', markup)]
    assert all(0 <= x <= width for x in starts)


def test_the_picture_loads_nothing_and_escapes_names() -> None:
    markup = svg(graph(name="<b>&", node="<script>alert(1)</script>"))
    assert "<script" not in markup
    assert re.findall(r"https?://[^\"]+", markup) == ["http://www.w3.org/2000/svg"]
    ElementTree.fromstring(markup)


@pytest.mark.usefixtures("no_network")
def test_a_notebook_gets_text_and_svg_and_no_web_service_is_asked() -> None:
    shown = showable(graph())._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage]
    assert set(shown) == {"text/plain", "image/svg+xml"}
    assert "work" in shown["text/plain"]
    assert shown["image/svg+xml"].startswith("<svg")


@pytest.mark.anyio
async def test_a_showable_graph_is_the_same_graph() -> None:
    plain = graph()
    drawn = showable(plain)
    assert drawn is plain
    assert isinstance(drawn, CompiledStateGraph)
    config: Any = {"configurable": {"thread_id": "1"}}
    assert await drawn.ainvoke({"x": 0}, config) == {"x": 4}
    assert (await drawn.aget_state(config)).values == {"x": 4}
    renamed = drawn.with_config(tags=["mine"])
    assert await renamed.ainvoke({"x": 0}, {"configurable": {"thread_id": "2"}}) == {"x": 4}
    assert isinstance(renamed, DrawnGraph)


def test_agents_that_look_alike_share_a_drawing_and_copies_keep_it() -> None:
    inner, other = graph("inner", "think"), graph("other", "dig")
    drawn = showable(graph(), children={"work": {"dns": inner, "tcp": inner, "logs": other}})
    words = text(drawn.with_config(tags=["mine"]))
    assert "work runs dns, tcp:" in words
    assert "work runs logs:" in words
    assert words.count("│ think ") == 1
    assert "work runs dns, tcp" in svg(drawn)


def test_children_have_children() -> None:
    nested = showable(graph("net"), children={"work": {"dns": graph("dns", "ask")}})
    drawn = showable(graph(), children={"work": {"network": nested}})
    assert "    work runs dns:" in text(drawn)
    assert "work runs dns" in svg(drawn)
    ElementTree.fromstring(svg(drawn))


def test_a_child_of_no_node_is_a_mistake_that_is_named() -> None:
    with pytest.raises(ValueError, match="no node 'nowhere'"):
        showable(graph(), children={"nowhere": {"dns": graph()}})
