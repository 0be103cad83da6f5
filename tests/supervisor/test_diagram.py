"""A layout keeps its promises on any graph: loops found, lower is later, nothing overlaps."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pilotman.supervisor.diagram import END, START, Diagram, Edge, Layout


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    names = [START, *(f"n{i}" for i in range(draw(st.integers(0, 8)))), END]
    ends = st.tuples(st.sampled_from(names[:-1]), st.sampled_from(names[1:]))
    arcs = draw(st.sets(ends, max_size=24))
    edges = tuple(Edge(source=a, target=b, conditional=draw(st.booleans())) for a, b in sorted(arcs))
    return Diagram(names={name: name.strip("_") for name in names}, edges=edges)


@given(diagrams())
def test_what_points_down_has_no_circle_and_what_is_left_out_would_close_one(diagram: Diagram) -> None:
    level = {name: i for i, row in enumerate(diagram.layers()) for name in row}
    arcs = diagram.forward()
    assert all(level[a] < level[b] for a, b in arcs)
    below: dict[str, set[str]] = {name: set() for name in diagram.names}
    for name in sorted(level, key=lambda n: -level[n]):
        for a, b in arcs:
            if a == name:
                below[name] |= {b} | below[b]
    assert all(
        e.source in below[e.target]
        for e in diagram.edges
        if (e.source, e.target) not in arcs and e.source != e.target
    )


@given(diagrams())
def test_every_node_has_one_place_and_the_end_is_last(diagram: Diagram) -> None:
    rows = diagram.layers()
    assert sorted(name for row in rows for name in row) == sorted(diagram.names)
    assert rows[-1] == [END]
    assert diagram.column()[-1] == END
    assert sorted(diagram.column()) == sorted(diagram.names)


@given(diagrams(), st.floats(1, 300), st.floats(0, 50))
def test_nodes_stand_apart(diagram: Diagram, width: float, gap: float) -> None:
    layout = Layout.of(diagram, dict.fromkeys(diagram.names, width), gap=gap)
    for row in layout.rows:
        for left, right in pairwise(row):
            half = sum(width / 2 for name in (left, right) if name in diagram.names)
            assert layout.x[right] - layout.x[left] >= half + gap - 1e-6


@given(diagrams())
def test_long_edges_go_through_every_row_between(diagram: Diagram) -> None:
    layout = Layout.of(diagram, dict.fromkeys(diagram.names, 10.0), gap=1.0)
    level = {name: i for i, row in enumerate(layout.rows) for name in row}
    assert set(layout.chains) == set(diagram.forward())
    for (source, target), chain in layout.chains.items():
        assert (chain[0], chain[-1]) == (source, target)
        assert [level[name] for name in chain] == list(range(level[source], level[target] + 1))


@given(diagrams())
def test_the_order_of_the_edges_does_not_matter_for_what_is_a_loop(diagram: Diagram) -> None:
    again = Diagram(names=diagram.names, edges=diagram.edges)
    assert again.layers() == diagram.layers()
    assert again.forward() == diagram.forward()


def test_an_edge_that_is_always_taken_points_down_before_one_that_a_router_chooses() -> None:
    edges = (
        Edge(source=START, target="guard"),
        Edge(source="guard", target="write", conditional=True),
        Edge(source="guard", target="approve", conditional=True),
        Edge(source="write", target="approve", conditional=True),
        Edge(source="approve", target="write"),
    )
    names = {name: name for name in (START, "guard", "write", "approve")}
    assert Diagram(names=names, edges=edges).column() == [START, "guard", "approve", "write"]
