"""How a walk through the graph goes, level by level; who reads the levels is not its concern."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from pilotman.memory.provenance.graph import Edge, Node, Subgraph

K = TypeVar("K")
E = TypeVar("E")

EDGES_A_NODE = 16
"""A walk that may meet so many nodes reads so many edges for each, and no more: hubs have millions."""


class Walk(Generic[K, E]):
    """Breadth first from ``roots``, by keys. Give each level's edges to ``step`` until ``frontier`` is empty.

    ``depths`` has what was met, nearest first; ``edges`` what was gone along, between those.
    """

    def __init__(self, roots: Sequence[K], *, max_depth: int, max_nodes: int) -> None:
        each = list(dict.fromkeys(roots))
        self.frontier = each[:max_nodes]
        self.depths = dict.fromkeys(self.frontier, 0)
        self.edges: list[E] = []
        self.truncated = len(each) > max_nodes
        self.limit = max_nodes * EDGES_A_NODE
        self._depth = 0
        self._max_depth = max_depth
        self._max_nodes = max_nodes

    @property
    def asks_for(self) -> int:
        """How many edges of the frontier to read: one more than are taken, so that what is left out shows."""
        return self.limit + 1 if self._depth < self._max_depth else 1

    def step(self, edges: Iterable[tuple[K, E]]) -> None:
        """Take the edges that leave the frontier, each with the key that it leads to."""
        room = self._max_nodes - len(self.depths)
        self._depth += 1
        self.frontier = []
        for far, edge in edges:
            if self.limit == 0 or self._depth > self._max_depth:
                self.truncated = True
                self.frontier = []
                return
            self.limit -= 1
            if far not in self.depths:
                if room == 0:
                    self.truncated = True
                    continue
                room -= 1
                self.depths[far] = self._depth
                self.frontier.append(far)
            self.edges.append(edge)

    def subgraph(self, nodes: Mapping[K, Node], edges: Iterable[Edge]) -> Subgraph:
        """What was met, in an order that does not depend on who stores it."""
        met = sorted((depth, nodes[key].id, key) for key, depth in self.depths.items() if key in nodes)
        return Subgraph(
            nodes=tuple(nodes[key] for _, _, key in met),
            edges=tuple(sorted(edges, key=lambda edge: (edge.source, edge.relation, edge.target))),
            truncated=self.truncated,
        )
