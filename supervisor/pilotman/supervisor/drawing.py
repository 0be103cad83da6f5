"""Compiled LangGraph graphs that draw themselves, as text or SVG, without a web service."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeAlias

from langgraph.graph.state import CompiledStateGraph
from langgraph.pregel import Pregel

from pilotman.supervisor import column, picture
from pilotman.supervisor.diagram import Diagram
from pilotman.supervisor.picture import Child

AnyGraph: TypeAlias = CompiledStateGraph[Any, Any, Any, Any]
Children: TypeAlias = Mapping[str, Mapping[str, AnyGraph]]
"""Node of a graph, then name of an agent, then the graph that the node runs for it."""


class DrawnGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """LangGraph's compiled graph in every respect but how a notebook shows it."""

    children: Children = MappingProxyType({})

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """What Jupyter asks for; the inherited one sends the graph to a web service."""
        return {"text/plain": text(self), "image/svg+xml": svg(self)}

    def copy(self, update: dict[str, Any] | None = None) -> DrawnGraph:
        """As inherited (``with_config`` and others use it): the copy draws itself too."""
        fields = {k: v for k, v in vars(self).items() if k not in ("__orig_class__", "children")}
        made = DrawnGraph(**{**fields, **(update or {})})
        made.children = self.children
        return made


def showable(graph: AnyGraph, *, children: Children | None = None) -> AnyGraph:
    """The very graph, which now shows itself in a notebook; still a ``CompiledStateGraph``.

    ``children`` are graphs that its nodes run without being subgraphs of it. They are drawn beside it.

    Raises:
        ValueError: children of a node that the graph does not have.
    """
    for node in children or ():
        if node not in graph.nodes:
            raise ValueError(f"the graph has no node {node!r} that could run children")
    graph.__class__ = DrawnGraph  # a copy would start a second life with its own checkpointer settings
    assert isinstance(graph, DrawnGraph)
    graph.children = dict(children or {})
    return graph


def text(graph: Pregel[Any, Any, Any, Any]) -> str:
    """The graph in box-drawing characters; children follow, each kind once."""
    return "\n".join(_texts(Diagram.of(graph.get_graph()), _children(graph), indent=""))


def svg(graph: Pregel[Any, Any, Any, Any]) -> str:
    """The graph as one self-contained SVG element."""
    return picture.svg(Diagram.of(graph.get_graph()), _children(graph), title=graph.get_name())


def _texts(diagram: Diagram, children: tuple[Child, ...], indent: str) -> Iterator[str]:
    for line in column.draw(diagram).splitlines():
        yield f"{indent}{line}".rstrip()
    for child in children:
        yield ""
        yield f"{indent}{diagram.names[child.host]} runs {child.title}:"
        yield from _texts(child.diagram, child.children, f"{indent}    ")


def _children(graph: Pregel[Any, Any, Any, Any]) -> tuple[Child, ...]:
    """Agents whose graphs look alike share one drawing, under all of their names."""
    if not isinstance(graph, DrawnGraph):
        return ()
    kinds: list[Child] = []
    for host, agents in graph.children.items():
        for name, inner in agents.items():
            child = Child(
                title=name, host=host, diagram=Diagram.of(inner.get_graph()), children=_children(inner)
            )
            twin = next((kind for kind in kinds if replace(kind, title=name) == child), None)
            if twin is None:
                kinds.append(child)
            else:
                kinds[kinds.index(twin)] = replace(twin, title=f"{twin.title}, {name}")
    return tuple(kinds)
