"""The laws of the port ``Graph``, tried on a graph that is open. What is written for it stays there."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pilotman.memory.provenance.graph import (
    DIRECTIONS,
    ENDS,
    KINDS,
    RELATIONS,
    Edge,
    Graph,
    Node,
    Relation,
    Scalar,
    Subgraph,
)
from pilotman.memory.provenance.model import Model

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
_EVERYTHING = 10_000
_STRANGE = (
    "'; DROP TABLE provenance_nodes --",
    "}) DETACH DELETE n //",
    "a\0b",
    "\ud800",
    "ü😀\n",
    "$id",
    "?%s",
)
_VALUES: dict[str, Scalar] = {
    "text": "ü😀 'quoted' \"twice\"",
    "strange": "a\0b\ud800",
    "empty": "",
    "true": True,
    "false": False,
    "zero": 0,
    "largest": 2**63 - 1,
    "smallest": -(2**63),
    "tiny": 5e-324,
    "half": 0.5,
    "absent": None,
    "a key; with %s ? $x {y}": "`",
}


async def graph_faults(graph: Graph) -> tuple[str, ...]:
    """What a started graph does against the port, a line each; empty: it conforms.

    About 7,000 nodes are written, under tenants that nobody else has; nobody else may write meanwhile.
    """
    trial = _Trial(graph)
    laws = (
        trial.comes_to_the_same_in_any_order_and_grouping,
        trial.takes_merges_at_the_same_time,
        trial.keeps_the_first_time_and_takes_new_data,
        trial.gives_values_back,
        trial.walks_both_ways_within_limits,
        trial.follows_only_the_relations_asked_for,
        trial.ends_in_cycles,
        trial.keeps_tenants_apart,
        trial.erases_for_good,
        trial.takes_large_merges,
        trial.is_there_after_a_restart,
    )
    faults: list[str] = []
    for law in laws:
        name = law.__name__.replace("_", " ")
        try:
            faults += [f"{name}: {fault}" async for fault in law()]
        except Exception as error:  # whatever it raises where nothing is to be raised
            faults.append(f"{name}: {type(error).__name__}: {error}")
    return tuple(faults)


def sample(dice: random.Random, tenant: str, *, size: int = 12) -> tuple[list[Node], list[Edge]]:
    """Nodes and edges between them as PROV has them, some of them more than once."""
    nodes = [
        Node(
            id=f"{kind}:{number}",
            kind=kind,
            type=f"some {kind}",
            tenant=tenant,
            at=None if dice.random() < 0.2 else START + timedelta(seconds=dice.randrange(100)),
            data={f"key {dice.randrange(3)}": number, "digest": f"{kind} {number}"},
        )
        for kind in KINDS
        for number in range(size)
    ]
    edges = [
        Edge(
            source=f"{ENDS[relation][0]}:{dice.randrange(size)}",
            relation=relation,
            target=f"{ENDS[relation][1]}:{dice.randrange(size)}",
            tenant=tenant,
            at=None if dice.random() < 0.2 else START + timedelta(seconds=dice.randrange(100)),
        )
        for relation in RELATIONS
        for _ in range(size)
    ]
    return nodes + dice.sample(nodes, size), edges + dice.sample(edges, size)


async def whole(graph: Graph, model: Model) -> Subgraph:
    """All of a tenant's graph, as far as the model knows ids of it."""
    return await graph.lineage(
        sorted(model.nodes),
        tenant=model.tenant,
        direction="back",
        max_depth=_EVERYTHING,
        max_nodes=_EVERYTHING,
    )


class _Trial:
    """The laws, each a list of what broke it."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.dice = random.Random(7)  # noqa: S311  # the same trial each time

    def _new(self) -> Model:
        return Model(f"law {uuid.uuid4().hex}")

    async def _differs(self, model: Model) -> bool:
        expected = model.lineage(sorted(model.nodes), max_nodes=_EVERYTHING)
        return await whole(self.graph, model) != expected

    async def comes_to_the_same_in_any_order_and_grouping(self) -> AsyncIterator[str]:
        for turn in range(3):
            model = self._new()
            nodes, edges = sample(self.dice, model.tenant)
            model.merge(nodes, edges)
            parts: list[Node | Edge] = [*nodes, *edges, *self.dice.sample(edges, 5)]
            self.dice.shuffle(parts)
            size = (1, 7, len(parts))[turn]
            for start in range(0, len(parts), size):
                await self._merge(parts[start : start + size])
            if await self._differs(model):
                yield f"merged {size} at a time it is another graph"
            before = await self.graph.count()
            await self._merge(parts)
            if await self._differs(model) or await self.graph.count() != before:
                yield "merging the same again changes it"

    async def _merge(self, parts: Sequence[Node | Edge]) -> None:
        nodes = [part for part in parts if isinstance(part, Node)]
        await self.graph.merge(nodes, [part for part in parts if isinstance(part, Edge)])

    async def takes_merges_at_the_same_time(self) -> AsyncIterator[str]:
        model = self._new()
        nodes, edges = sample(self.dice, model.tenant)
        model.merge(nodes, edges)
        await asyncio.gather(*(self.graph.merge(nodes, edges) for _ in range(4)))
        if await self._differs(model):
            yield "it is another graph"

    async def keeps_the_first_time_and_takes_new_data(self) -> AsyncIterator[str]:
        model = self._new()
        first = Node(id="a", kind="entity", type="fact", tenant=model.tenant, data={"old": 1, "same": 1})
        edge = Edge(source="a", relation="WAS_DERIVED_FROM", target="b", tenant=model.tenant, data={"old": 1})
        for seconds in (None, 20, 10, 30):
            at = None if seconds is None else START + timedelta(seconds=seconds)
            data: dict[str, Scalar] = {"new": seconds, "same": 2}
            nodes = [first, replace(first, at=at, type="other", data=data)]
            edges = [edge, replace(edge, at=at, data=data)]
            model.merge(nodes, edges)
            for node, between in zip(nodes, edges, strict=True):
                await self.graph.merge([node], [between])
            if await self._differs(model):
                yield f"after a time of {seconds} s it is another graph"

    async def gives_values_back(self) -> AsyncIterator[str]:
        model = self._new()
        nodes = [
            Node(id=name, kind="agent", type="tool", tenant=model.tenant, at=START, data=_VALUES)
            for name in ("x" * 1_024, "plain")
        ]
        edges = [
            Edge(
                source=source,
                relation="ACTED_ON_BEHALF_OF",
                target="plain",
                tenant=model.tenant,
                data={**_VALUES, source: source},
            )
            for source in _STRANGE
        ]
        model.merge(nodes, edges)
        await self.graph.merge(nodes, edges)
        if await self._differs(model):
            yield "some come back otherwise"
        for name in (*_STRANGE, "plain", "nothing", "x" * 5_000):
            if await self.graph.node(name, tenant=model.tenant) != model.find(name):
                yield f"{name[:20]!r} is another node"

    async def walks_both_ways_within_limits(self) -> AsyncIterator[str]:
        model = await self._filled()
        roots = ["entity:0", "activity:1", "nothing", "entity:0"]
        for direction in DIRECTIONS:
            for depth in (0, 1, 2, 5):
                full = model.lineage(roots, direction=direction, max_depth=depth)
                for most in (1, 2, 9, len(full.nodes), _EVERYTHING):
                    found = await self.graph.lineage(
                        roots, tenant=model.tenant, direction=direction, max_depth=depth, max_nodes=most
                    )
                    fault = _fault(found, full, most)
                    if fault:
                        yield f"{direction} to depth {depth}, at most {most} nodes: {fault}"

    async def follows_only_the_relations_asked_for(self) -> AsyncIterator[str]:
        model = await self._filled()
        roots = [f"activity:{number}" for number in range(6)]
        some: list[tuple[Relation, ...]] = [(), ("USED",), ("USED", "WAS_GENERATED_BY"), RELATIONS]
        for wanted in some:
            found = await self.graph.lineage(
                roots,
                tenant=model.tenant,
                direction="back",
                relations=wanted,
                max_depth=9,
                max_nodes=_EVERYTHING,
            )
            if found != model.lineage(roots, relations=wanted, max_depth=9):
                yield f"{', '.join(wanted) or 'none'}: another walk"

    async def ends_in_cycles(self) -> AsyncIterator[str]:
        model = self._new()
        ring = [
            Edge(
                source=f"{number}",
                relation="WAS_DERIVED_FROM",
                target=f"{(number + 1) % 5}",
                tenant=model.tenant,
            )
            for number in range(5)
        ]
        ring.append(Edge(source="0", relation="WAS_DERIVED_FROM", target="0", tenant=model.tenant))
        model.merge([], ring)
        await self.graph.merge([], ring)
        if await self._differs(model):
            yield "another walk"

    async def keeps_tenants_apart(self) -> AsyncIterator[str]:
        ours, theirs, nobody = self._new(), self._new(), self._new()
        for model, dice in ((ours, random.Random(1)), (theirs, random.Random(2))):  # noqa: S311
            nodes, edges = sample(dice, model.tenant)
            model.merge(nodes, edges)
            await self.graph.merge(nodes, edges)
        ids = sorted(theirs.nodes)
        if await self.graph.erase(ids[:9], tenant=nobody.tenant) != 0:
            yield "erasing what is nobody's erases something"
        nobody.erase(ids[:9])
        theirs.erase(ids[:9])
        await self.graph.erase(ids[:9], tenant=theirs.tenant)
        for model in (ours, theirs, nobody):
            if await self._differs(model):
                yield "what one does shows in another's"

    async def erases_for_good(self) -> AsyncIterator[str]:
        model = self._new()
        nodes, edges = sample(self.dice, model.tenant)
        early, late = ["entity:0", "agent:0", "never"], ["entity:0", "activity:3", "never"]
        for number, ids in enumerate((early, late)):
            if await self.graph.erase(ids, tenant=model.tenant) != model.erase(ids):
                yield "it says another number than there were"
            for _ in range(2):
                model.merge(nodes, edges)
                await self.graph.merge(nodes, edges)
                if await self._differs(model):
                    yield f"what was erased {('before it came', 'after')[number]} is not as it must be"
        there = await self.graph.node("activity:3", tenant=model.tenant)
        if there is None or not there.erased or set(there.data) - {"digest"}:
            yield f"it leaves {there}"

    async def takes_large_merges(self) -> AsyncIterator[str]:
        tenant = self._new().tenant
        size = 6_000
        nodes = [
            Node(id=f"{number}", kind="entity", type="chunk", tenant=tenant, data={"n": number})
            for number in range(size)
        ]
        edges = [
            Edge(source=f"{number}", relation="WAS_DERIVED_FROM", target=f"{number // 9}", tenant=tenant)
            for number in range(1, size)
        ]
        before = await self.graph.count()
        await self.graph.merge(nodes, edges)
        after = await self.graph.count()
        if (after[0] - before[0], after[1] - before[1]) != (size, size - 1):
            yield f"{size} nodes were merged, the count went from {before} to {after}"
        found = await self.graph.lineage(
            ["0"], tenant=tenant, direction="forth", max_depth=99, max_nodes=_EVERYTHING
        )
        if found.truncated or {node.id for node in found.nodes} != {node.id for node in nodes}:
            yield f"of {size} nodes {len(found.nodes)} came of the first"

    async def is_there_after_a_restart(self) -> AsyncIterator[str]:
        model = await self._filled()
        await self.graph.start()
        for _ in range(2):
            await self.graph.aclose()
        await self.graph.start()
        if await self._differs(model):
            yield "it is another graph"

    async def _filled(self) -> Model:
        model = self._new()
        nodes, edges = sample(self.dice, model.tenant)
        model.merge(nodes, edges)
        await self.graph.merge(nodes, edges)
        return model


def _fault(found: Subgraph, full: Subgraph, most: int) -> str:
    """What is wrong with a walk, beside one that had no limit on nodes."""
    if len(full.nodes) <= most:
        return "" if found == full else "another walk"
    there = {node.id for node in found.nodes}
    between = tuple(edge for edge in full.edges if {edge.source, edge.target} <= there)
    if len(there) != most or not there <= {node.id for node in full.nodes}:
        return f"{len(there)} nodes of {len(full.nodes)}"
    if not found.truncated:
        return "it does not say that there is more"
    return "" if found.edges == between else "other edges between the nodes than there are"
