"""What a provenance graph means, in the simplest code: dictionaries. The laws compare others with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TypeAlias

from pilotman.memory.provenance.graph import ENDS, RELATIONS, Direction, Edge, Node, Relation, Subgraph
from pilotman.memory.provenance.walk import Walk
from pilotman.memory.provenance.wire import kept, plain
from pilotman.memory.storage.codec import text

Key: TypeAlias = tuple[str, Relation, str]


class Model:
    """One tenant's graph."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.nodes: dict[str, Node] = {}
        self.edges: dict[Key, Edge] = {}

    def merge(self, nodes: Iterable[Node], edges: Iterable[Edge]) -> None:
        for node in nodes:
            self._merge_node(node)
        for edge in edges:
            self._merge_edge(edge)

    def _merge_node(self, node: Node) -> None:
        node = replace(node, id=text(node.id), data=plain(node.data))
        there = self.nodes.get(node.id)
        if not node.type:
            node = there or Node(id=node.id, kind=node.kind, type="", tenant=self.tenant)
        elif there is not None:
            at = min(filter(None, (there.at, node.at)), default=None)
            data = {**there.data, **(kept(node.data) if there.erased else node.data)}
            node = replace(node, at=at, data=data, erased=there.erased)
        self.nodes[node.id] = node

    def _merge_edge(self, edge: Edge) -> None:
        edge = replace(edge, source=text(edge.source), target=text(edge.target), data=plain(edge.data))
        for end, kind in zip((edge.source, edge.target), ENDS[edge.relation], strict=True):
            self.nodes.setdefault(end, Node(id=end, kind=kind, type="", tenant=self.tenant))
        key = (edge.source, edge.relation, edge.target)
        there = self.edges.get(key)
        if there is not None:
            at = min(filter(None, (there.at, edge.at)), default=None)
            edge = replace(edge, at=at, data={**there.data, **edge.data})
        self.edges[key] = edge

    def erase(self, ids: Iterable[str]) -> int:
        erased = 0
        for one in set(map(text, ids)):
            there = self.nodes.get(one)
            erased += there is not None and not there.erased
            there = there or Node(id=one, kind="entity", type="", tenant=self.tenant)
            self.nodes[one] = replace(there, data=kept(there.data), erased=True)
        return erased

    def find(self, id: str) -> Node | None:
        return self.nodes.get(text(id))

    def lineage(
        self,
        ids: Sequence[str],
        *,
        direction: Direction = "back",
        relations: Collection[Relation] | None = None,
        max_depth: int = 1_000,
        max_nodes: int = 1_000_000,
    ) -> Subgraph:
        wanted = RELATIONS if relations is None else relations
        roots = [text(one) for one in ids if text(one) in self.nodes]
        walk: Walk[str, Edge] = Walk(roots, max_depth=max_depth, max_nodes=max_nodes)
        while walk.frontier:
            near = set(walk.frontier)
            pairs = [
                (edge, (edge.source, edge.target) if direction == "back" else (edge.target, edge.source))
                for edge in self.edges.values()
                if edge.relation in wanted
            ]
            walk.step((ends[1], edge) for edge, ends in pairs if ends[0] in near)
        return walk.subgraph(self.nodes, walk.edges)
