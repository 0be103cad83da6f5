from __future__ import annotations

import asyncio
from datetime import UTC
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.provenance.graph import DIRECTIONS, ENDS, KINDS, RELATIONS, Edge, Node
from pilotman.memory.provenance.model import Model
from pilotman.memory.provenance.sql_graph import SqlGraph

TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
DATA: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.sampled_from(["a", "b", "digest"]), SCALARS)
NUMBERS = st.integers(0, 3)


@st.composite
def nodes(draw: st.DrawFn) -> Node:
    kind = draw(st.sampled_from(KINDS))
    number = draw(NUMBERS)
    types = st.sampled_from(["", "fact", "run"])
    return Node(
        id=f"{kind}:{number}",
        kind=kind,
        type=draw(types),
        tenant="acme",
        at=draw(TIMES),
        data=draw(DATA),
    )


@st.composite
def edges(draw: st.DrawFn) -> Edge:
    relation = draw(st.sampled_from(RELATIONS))
    first, second = ENDS[relation]
    source, target = f"{first}:{draw(NUMBERS)}", f"{second}:{draw(NUMBERS)}"
    return Edge(
        source=source, relation=relation, target=target, tenant="acme", at=draw(TIMES), data=draw(DATA)
    )


STEPS = st.lists(st.tuples(st.lists(nodes()), st.lists(edges())) | st.lists(st.sampled_from(
    [f"{kind}:{number}" for kind in KINDS for number in range(4)]
), max_size=2), max_size=8)  # fmt: skip


@given(STEPS, st.integers(0, 4))
def test_whatever_is_merged_and_erased_it_is_what_the_model_says(steps: list[Any], depth: int) -> None:
    async def play() -> None:
        graph, model = SqlGraph("sqlite://"), Model("acme")
        await graph.start()
        for step in steps:
            if isinstance(step, tuple):
                some, between = cast("tuple[list[Node], list[Edge]]", step)
                await graph.merge(some, between)
                model.merge(some, between)
            else:
                assert await graph.erase(step, tenant="acme") == model.erase(step)
            assert await graph.count() == (len(model.nodes), len(model.edges))
        for direction in DIRECTIONS:
            roots = sorted(model.nodes)[:2]
            found = await graph.lineage(
                roots, tenant="acme", direction=direction, max_depth=depth, max_nodes=99
            )
            assert found == model.lineage(roots, direction=direction, max_depth=depth)
        await graph.aclose()

    asyncio.run(play())


@given(st.lists(nodes()), st.lists(edges()), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_grouping_do_not_matter_where_nothing_contradicts(
    some: list[Node], between: list[Edge], dice: Any, size: int
) -> None:
    once = list({node.id: node for node in some}.values())
    keyed = list({(edge.source, edge.relation, edge.target): edge for edge in between}.values())

    async def play() -> None:
        graph, model = SqlGraph("sqlite://"), Model("acme")
        await graph.start()
        model.merge(once, keyed)
        parts: list[Any] = [*once, *keyed, *once]
        dice.shuffle(parts)
        for start in range(0, len(parts), size):
            group = parts[start : start + size]
            await graph.merge(
                [one for one in group if isinstance(one, Node)],
                [one for one in group if isinstance(one, Edge)],
            )
        ids = sorted(model.nodes)
        found = await graph.lineage(ids, tenant="acme", direction="back", max_depth=0, max_nodes=99)
        assert found == model.lineage(ids, max_depth=0)
        await graph.aclose()

    asyncio.run(play())
