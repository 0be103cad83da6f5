"""What every back end does to nodes and edges: plain values that each can hold, in slices; and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pilotman.memory.provenance.graph import ENDS, KEPT, Edge, Node, NodeKind, Scalar
from pilotman.memory.storage.codec import text

Stored = TypeVar("Stored", Node, Edge)

SLICE = 5_000
"""Nodes and edges in one transaction."""


def slices(
    nodes: Sequence[Node], edges: Sequence[Edge], size: int = SLICE
) -> Iterator[tuple[Sequence[Node], Sequence[Edge]]]:
    """All of it, at most ``size`` at a time, nodes first."""
    for start in range(0, len(nodes) + len(edges), size):
        first = max(0, start - len(nodes))
        yield nodes[start : start + size], edges[first : max(0, start + size - len(nodes))]


def plain(data: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Data without what is absent, its text clean."""
    return {
        text(key): text(value) if isinstance(value, str) else value
        for key, value in data.items()
        if value is not None
    }


def kept(data: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """What erasing leaves of plain data."""
    return {KEPT: data[KEPT]} if isinstance(data.get(KEPT), str) else {}


def typed(nodes: Sequence[Node]) -> Iterator[Node]:
    """Those of which more than the name is known."""
    return (node for node in nodes if node.type)


def bare(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[tuple[str, str], NodeKind]:
    """What has only a name, by clean tenant and id: of the kind that the relation is about."""
    named = {(text(node.tenant), text(node.id)) for node in typed(nodes)}
    found: dict[tuple[str, str], NodeKind]
    found = {(text(node.tenant), text(node.id)): node.kind for node in nodes if not node.type}
    for edge in edges:
        tenant = text(edge.tenant)
        for end, kind in zip((edge.source, edge.target), ENDS[edge.relation], strict=True):
            key = (tenant, text(end))
            if key not in named:
                found.setdefault(key, kind)
    return found


def stored(kind: type[Stored], fields: dict[str, Any]) -> Stored:
    """What was stored, with all of its fields. It was checked then; checking takes most of the time here."""
    found = object.__new__(kind)
    found.__dict__.update(fields)
    return found
