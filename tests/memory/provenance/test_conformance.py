from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pilotman.memory.provenance.graph import Direction, Edge, Graph, Node, Relation, Subgraph
from pilotman.memory.provenance.sql_graph import SqlGraph
from pilotman.memory.testing import graph_faults

pytestmark = pytest.mark.anyio


async def test_every_back_end_holds_the_laws(graph: Graph) -> None:
    assert await graph_faults(graph) == ()


class Broken(SqlGraph):
    """Breaks one law."""

    def __init__(self, fault: str) -> None:
        super().__init__("sqlite://")
        self._fault = fault

    async def merge(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
        if self._fault == "drops edges without nodes" and not nodes:
            edges = []
        if self._fault == "forgets times":
            nodes = [replace(node, at=None) for node in nodes]
        if self._fault == "one tenant for all":
            nodes = [replace(node, tenant="all") for node in nodes]
            edges = [replace(edge, tenant="all") for edge in edges]
        if self._fault == "a part of large merges":
            nodes, edges = nodes[:5_000], edges[:5_000]
        await super().merge(nodes, edges)

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
        asked: dict[str, Any] = {"direction": direction, "relations": relations}
        if self._fault == "one way only":
            asked["direction"] = "back"
        if self._fault == "all relations":
            asked["relations"] = None
        if self._fault == "one tenant for all":
            tenant = "all"
        depth = max_depth + (self._fault == "too deep")
        most = max_nodes * (2 if self._fault == "too many" else 1)
        found = await super().lineage(ids, tenant=tenant, **asked, max_depth=depth, max_nodes=most)
        return replace(found, truncated=False) if self._fault == "says it is all" else found

    async def erase(self, ids: Sequence[str], *, tenant: str) -> int:
        if self._fault == "erases what is there only":
            there = [name for name in ids if await self.node(name, tenant=tenant)]
            return await super().erase(there, tenant=tenant)
        return 0 if self._fault == "erases nothing" else await super().erase(ids, tenant=tenant)

    async def aclose(self) -> None:
        await super().aclose()
        if self._fault == "gone with a restart":
            super().__init__("sqlite://")


FAULTS = {
    "none": "",
    "drops edges without nodes": "ends in cycles",
    "forgets times": "keeps the first time",
    "one tenant for all": "keeps tenants apart",
    "a part of large merges": "takes large merges",
    "one way only": "walks both ways",
    "all relations": "follows only the relations",
    "too deep": "walks both ways",
    "too many": "walks both ways",
    "says it is all": "walks both ways",
    "erases what is there only": "erases for good",
    "erases nothing": "erases for good",
    "gone with a restart": "is there after a restart",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_graph_that_breaks_a_law_is_told_which(fault: str) -> None:
    graph = Broken(fault)
    await graph.start()
    found = await graph_faults(graph)
    await graph.aclose()
    assert bool(found) == (fault != "none"), found
    assert any(line.startswith(FAULTS[fault]) for line in found) or fault == "none", found
