"""A graph laid out in layers (Sugiyama, Tagawa and Toda, 1981): what comes later stands lower. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from langchain_core.runnables.graph import Graph

from pilotman.supervisor.render import short

START = "__start__"
END = "__end__"
_NAMES = {START: "start", END: "end"}
_SWEEPS = 8
_MAX_NAME = 40

Arc: TypeAlias = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Edge:
    """From one node to another. ``conditional``: a router chooses; ``label`` is what the graph calls it."""

    source: str
    target: str
    conditional: bool = False
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """Nodes by id with the words that they show, and their edges. ``pure`` nodes do no input or output."""

    names: Mapping[str, str]
    edges: tuple[Edge, ...]
    pure: frozenset[str] = frozenset()

    @classmethod
    def of(cls, graph: Graph) -> Diagram:
        """The diagram of what LangGraph's ``get_graph()`` returns."""
        names = {key: _NAMES.get(key) or short(node.name, _MAX_NAME) for key, node in graph.nodes.items()}
        pure = {
            key for key, node in graph.nodes.items() if (node.metadata or {}).get("execute_in") == "workflow"
        }
        edges = {
            (e.source, e.target): Edge(
                source=e.source,
                target=e.target,
                conditional=bool(e.conditional),
                label="" if e.data is None or e.data == e.target else short(str(e.data), _MAX_NAME),
            )
            for e in graph.edges
            if e.source in names and e.target in names
        }
        return cls(names=names, edges=tuple(edges.values()), pure=frozenset(pure))

    def forward(self) -> frozenset[Arc]:
        """The edges that point down: a largest-first choice without a cycle; the others are loops."""
        far = self._distances()
        last = len(self.names)
        order = sorted(
            (edge for edge in self.edges if edge.source != edge.target),
            key=lambda e: (far.get(e.source, last) - far.get(e.target, last) >= 0, e.conditional),
        )
        chosen: dict[str, set[str]] = {name: set() for name in self.names}
        for edge in order:
            if not _reaches(chosen, edge.target, edge.source):
                chosen[edge.source].add(edge.target)
        return frozenset((source, target) for source, targets in chosen.items() for target in targets)

    def layers(self) -> list[list[str]]:
        """The nodes from top to bottom; ``__end__`` stands alone at the bottom."""
        depth = dict.fromkeys(self.names, 0)
        arcs = self.forward()
        for _ in depth:  # longest paths: at most one round a node
            for source, target in arcs:
                depth[target] = max(depth[target], depth[source] + 1)
        if END in depth:
            others = [level for name, level in depth.items() if name != END]
            depth[END] = max(others, default=-1) + 1
        rows: list[list[str]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
        for name, level in depth.items():
            rows[level].append(name)
        return [row for row in rows if row]

    def column(self) -> list[str]:
        """The nodes in one column, each below all that lead to it."""
        layout = Layout.of(self, dict.fromkeys(self.names, 1.0), gap=1.0)
        return [name for row in layout.rows for name in row if name in self.names]

    def _distances(self) -> dict[str, int]:
        """Steps from the start (from the first node where there is none)."""
        first = START if START in self.names else next(iter(self.names), START)
        following: dict[str, list[str]] = {name: [] for name in self.names}
        for edge in self.edges:
            following[edge.source].append(edge.target)
        far, queue = {first: 0}, deque([first])
        while queue:
            name = queue.popleft()
            for other in following.get(name, ()):
                if other not in far:
                    far[other] = far[name] + 1
                    queue.append(other)
        return far


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Rows of nodes and of the bends of long edges; ``x`` is the middle of each. ``chains`` are the way of
    each forward edge through the rows, ends included."""

    rows: tuple[tuple[str, ...], ...]
    x: Mapping[str, float]
    chains: Mapping[Arc, tuple[str, ...]]

    @classmethod
    def of(cls, diagram: Diagram, widths: Mapping[str, float], *, gap: float) -> Layout:
        """Lay the diagram out with nodes of these widths, at least ``gap`` apart."""
        rows = diagram.layers()
        chains = _chains(diagram.forward(), rows)
        links = [(a, b) for chain in chains.values() for a, b in pairwise(chain)]
        ordered = _untangle(rows, links)
        x = _place(ordered, links, widths, gap)
        return cls(rows=tuple(map(tuple, ordered)), x=x, chains=chains)


def _reaches(following: Mapping[str, Iterable[str]], start: str, goal: str) -> bool:
    seen, stack = {start}, [start]
    while stack:
        name = stack.pop()
        if name == goal:
            return True
        fresh = [other for other in following[name] if other not in seen]
        seen.update(fresh)
        stack += fresh
    return False


def _chains(arcs: Iterable[Arc], rows: list[list[str]]) -> dict[Arc, tuple[str, ...]]:
    """Give every edge that passes a row a bend in it; the bends are added to ``rows``."""
    level = {name: i for i, row in enumerate(rows) for name in row}
    chains: dict[Arc, tuple[str, ...]] = {}
    for source, target in sorted(arcs, key=lambda arc: (level[arc[0]], level[arc[1]], arc)):
        bends = [f"{source}\0{target}\0{i}" for i in range(level[source] + 1, level[target])]
        for i, bend in enumerate(bends, start=level[source] + 1):
            rows[i].append(bend)
        chains[source, target] = (source, *bends, target)
    return chains


def _untangle(rows: Sequence[Sequence[str]], links: Sequence[Arc]) -> list[list[str]]:
    """Order each row by the mean place of its neighbours, down and up; the order with fewest crossings."""
    current = [list(row) for row in rows]
    best, fewest = [list(row) for row in current], _crossings(current, links)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for i in range(1, len(current)) if down else range(len(current) - 2, -1, -1):
            place = {name: n for n, name in enumerate(current[i - 1 if down else i + 1])}
            near = _neighbours(links, down=down)
            current[i].sort(key=lambda name: _mean([place[o] for o in near.get(name, ()) if o in place]))
        crossings = _crossings(current, links)
        if crossings < fewest:
            best, fewest = [list(row) for row in current], crossings
    return best


def _neighbours(links: Sequence[Arc], *, down: bool) -> dict[str, list[str]]:
    near: dict[str, list[str]] = {}
    for upper, lower in links:
        name, other = (lower, upper) if down else (upper, lower)
        near.setdefault(name, []).append(other)
    return near


def _crossings(rows: Sequence[Sequence[str]], links: Sequence[Arc]) -> int:
    place = {name: (i, n) for i, row in enumerate(rows) for n, name in enumerate(row)}
    spans = [(place[a], place[b]) for a, b in links]
    return sum(
        (a[1] - c[1]) * (b[1] - d[1]) < 0
        for i, (a, b) in enumerate(spans)
        for c, d in spans[i + 1 :]
        if a[0] == c[0]
    )


def _place(
    rows: Sequence[Sequence[str]], links: Sequence[Arc], widths: Mapping[str, float], gap: float
) -> dict[str, float]:
    """Middles: each node as near to its neighbours' mean as the nodes beside it let it."""
    above, below = _neighbours(links, down=True), _neighbours(links, down=False)
    x: dict[str, float] = {}
    for row in rows:
        x.update(_apart(row, dict.fromkeys(row, 0.0), widths, gap))
    for _ in range(_SWEEPS):
        for row in (*rows, *reversed(rows)):
            wish = {name: _mean([x[o] for o in (*above.get(name, ()), *below.get(name, ()))]) for name in row}
            x.update(_apart(row, wish, widths, gap))
    return x


def _apart(
    row: Sequence[str], wish: Mapping[str, float], widths: Mapping[str, float], gap: float
) -> dict[str, float]:
    """The places nearest to the wished ones (least squares) in this order without overlap: isotonic
    regression by pooling adjacent violators."""
    offsets, edge = list[float](), 0.0
    for name in row:
        half = widths.get(name, 0.0) / 2
        offsets.append(edge + half)
        edge += 2 * half + gap
    blocks: list[tuple[float, int]] = []  # mean and number of members
    for name, offset in zip(row, offsets, strict=True):
        mean, members = wish[name] - offset, 1
        while blocks and blocks[-1][0] >= mean:
            before, n = blocks.pop()
            mean, members = (before * n + mean * members) / (n + members), n + members
        blocks.append((mean, members))
    shifts = [mean for mean, members in blocks for _ in range(members)]
    return {name: shift + offset for name, shift, offset in zip(row, shifts, offsets, strict=True)}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
