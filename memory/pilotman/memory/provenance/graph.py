"""A provenance graph and what it is made of, in the terms of W3C PROV-DM.

An edge runs from what came later to what it came from, as PROV directs its relations. Nodes and edges belong
to a tenant; the same id in two tenants is two nodes. Of what users own the graph holds ids, digests and
times, never content.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias, get_args

from pilotman.guardrails.errors import InvalidRequest

NodeKind: TypeAlias = Literal["entity", "activity", "agent"]
Relation: TypeAlias = Literal[
    "USED",
    "WAS_GENERATED_BY",
    "WAS_DERIVED_FROM",
    "WAS_ATTRIBUTED_TO",
    "WAS_ASSOCIATED_WITH",
    "WAS_INFORMED_BY",
    "ACTED_ON_BEHALF_OF",
    "WAS_INVALIDATED_BY",
]
Direction: TypeAlias = Literal["back", "forth"]
"""``back``: what it came from; ``forth``: what came of it."""
Scalar: TypeAlias = str | int | float | bool | None

KINDS: tuple[NodeKind, ...] = get_args(NodeKind)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
RELATIONS: tuple[Relation, ...] = get_args(Relation)
ENDS: Mapping[Relation, tuple[NodeKind, NodeKind]] = MappingProxyType(
    {
        "USED": ("activity", "entity"),
        "WAS_GENERATED_BY": ("entity", "activity"),
        "WAS_DERIVED_FROM": ("entity", "entity"),
        "WAS_ATTRIBUTED_TO": ("entity", "agent"),
        "WAS_ASSOCIATED_WITH": ("activity", "agent"),
        "WAS_INFORMED_BY": ("activity", "activity"),
        "ACTED_ON_BEHALF_OF": ("agent", "agent"),
        "WAS_INVALIDATED_BY": ("entity", "activity"),
    }
)
"""What PROV-DM relates: the kinds of source and target. What only edges have named so far is of that kind."""
RESERVED = frozenset({"id", "kind", "type", "tenant", "at", "erased", "source", "relation", "target"})
"""Names that ``data`` may not use: they are fields already."""
MAX_ID = 1_024
"""Bytes of an id, in UTF-8: what every index can hold."""
KEPT = "digest"
"""The only key of ``data`` that erasing leaves, where its value is text."""


@dataclass(frozen=True, kw_only=True)
class Node:
    """An entity, an activity or an agent.

    ``type`` says which (``run``, ``document``, ``fact``, ``tool`` …); ``""``: no more than its name is known.
    ``at``: when it began to be, aware. ``data``: ids, digests, times and other facts about it; None is the
    same as absent. ``erased``: its data is gone for good.

    Raises:
        InvalidRequest: a kind or a value that no graph can hold.
    """

    id: str
    kind: NodeKind
    type: str
    tenant: str
    at: datetime | None = None
    data: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    erased: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidRequest(f"{self.kind!r} is no kind of node", hint=f"use one of {', '.join(KINDS)}")
        _check_ids(self.tenant, self.id)
        _check(self.id, self.at, self.data)


@dataclass(frozen=True, kw_only=True)
class Edge:
    """``source`` (what came later) stands in ``relation`` to ``target`` (what it came from).

    There is one edge for each source, relation and target. ``data`` qualifies it (a role, a rank) and is
    never content: erasing a node leaves its edges.

    Raises:
        InvalidRequest: a relation or a value that no graph can hold.
    """

    source: str
    relation: Relation
    target: str
    tenant: str
    at: datetime | None = None
    data: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])

    def __post_init__(self) -> None:
        if self.relation not in ENDS:
            raise InvalidRequest(
                f"{self.relation!r} is no relation", hint=f"use one of {', '.join(RELATIONS)}"
            )
        _check_ids(self.tenant, self.source, self.target)
        _check(f"{self.source} {self.relation} {self.target}", self.at, self.data)


def _check_ids(*ids: str) -> None:
    for one in ids:
        if not one or (len(one) * 4 > MAX_ID and len(one.encode(errors="replace")) > MAX_ID):
            raise InvalidRequest(
                f"{one[:80]!r} has {len(one)} characters", hint=f"ids take 1 to {MAX_ID} bytes: use a digest"
            )


def _check(what: str, at: datetime | None, data: Mapping[str, Scalar]) -> None:
    if at is not None and at.tzinfo is None:
        raise InvalidRequest(f"the time of {what} has no time zone", hint="use aware times")
    for key, value in data.items():
        if key in RESERVED:
            raise InvalidRequest(f"{what}: {key!r} in its data is a field's name", hint="name it otherwise")
        if not _fits(value):
            raise InvalidRequest(
                f"{what}: {key!r} is no plain value", hint="use text, true, false or 64-bit numbers"
            )


def _fits(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    return value is None or isinstance(value, str)


@dataclass(frozen=True, kw_only=True)
class Subgraph:
    """What a walk came by: nodes nearest first (in one distance by id), and the edges that it went along.

    ``truncated``: more edges leave these nodes, beyond the depth or the number that was asked for.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    truncated: bool = False


class Graph(Protocol):
    """Where provenance is kept. Every question is about one tenant; another's nodes are not there.

    Each method raises ``Unavailable`` when what stands behind it cannot be reached; nothing is half done then
    that doing it again does not complete.
    """

    async def start(self) -> None:
        """Open it and see that its schema is there. Starting what is started does nothing."""
        ...

    async def aclose(self) -> None:
        """Close it. Closing what is closed does nothing."""
        ...

    async def merge(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
        """Add what is new. Idempotent, and in whatever order and grouping it comes.

        What is there already keeps the earliest of its times and takes what is new in ``data``, key by key.
        An edge may come before its nodes: they stand without type until they come. What was erased stays
        so. Large merges are several transactions.
        """
        ...

    async def lineage(
        self,
        ids: Sequence[str],
        *,
        tenant: str,
        direction: Direction,
        relations: Collection[Relation] | None = None,
        max_depth: int,
        max_nodes: int,
    ) -> Subgraph:
        """What ``ids`` came from or what came of them, breadth first.

        All nodes within ``max_depth`` edges of ``relations`` (None: all) in that direction, ``ids`` included,
        and the edges that lead there; at most ``max_nodes`` nodes and sixteen times as many edges.
        """
        ...

    async def node(self, id: str, *, tenant: str) -> Node | None:
        """One node; None: there is no such thing."""
        ...

    async def erase(self, ids: Sequence[str], *, tenant: str) -> int:
        """Take their data away for good; id, type, time and digest stay, and the edges.

        An id that is not there yet is erased in advance: what is merged under it later comes without data.
        Returns how many nodes were there and not erased before.
        """
        ...

    async def count(self) -> tuple[int, int]:
        """How many nodes and edges there are, of all tenants."""
        ...
