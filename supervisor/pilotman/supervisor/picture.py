"""A diagram as SVG: one self-contained string that loads nothing and is readable on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil
from typing import Literal

from pilotman.supervisor.diagram import END, START, Arc, Diagram, Edge, Layout

_CHAR, _PAD, _HEIGHT = 7.4, 30.0, 36.0
_ROW, _GAP, _LANE = 84.0, 36.0, 16.0
_MARGIN, _TITLE, _BEND = 24.0, 26.0, 7.0
_STYLE = """
.card{fill:#fff;stroke:#d5dbe3}
.box{fill:#fbfcfe;stroke:#c3ccd8;stroke-dasharray:2 4;stroke-linecap:round}
.node{fill:#eaf2fd;stroke:#5b8def;stroke-width:1.4}
.pure{fill:#fff;stroke:#8a97a8}
.end{fill:#3a4452;stroke:none}
.edge{fill:none;stroke:#66758a;stroke-width:1.5}
.maybe{stroke-dasharray:5 4}
.tip{fill:#66758a}
text{font:13px ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1d2733}
.pill{fill:#fff;font-size:12px}
.name{font-weight:600;fill:#4a5666;font-size:12px}
.note{font-size:11px;fill:#66758a}
.halo{stroke:#fff;stroke-width:4;stroke-linejoin:round}
"""


@dataclass(frozen=True, kw_only=True)
class Child:
    """What the node ``host`` of another diagram runs: the diagram of the agents named ``title``."""

    title: str
    host: str
    diagram: Diagram
    children: tuple[Child, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Drawn:
    """Markup that begins at its own origin, and its size."""

    markup: str
    width: float
    height: float


def svg(diagram: Diagram, children: Sequence[Child] = (), *, title: str = "") -> str:
    """The picture: a router's edges are dashed, loops run back on the left, children stand on the right."""
    whole = _family(diagram, children)
    width, height = ceil(whole.width + 2 * _MARGIN), ceil(whole.height + 2 * _MARGIN)
    name = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img">{name}<style>{_STYLE}</style>'
        f'<rect class="card" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="10"/>'
        f"{_moved(whole.markup, _MARGIN, _MARGIN)}</svg>"
    )


def _family(diagram: Diagram, children: Sequence[Child]) -> _Drawn:
    """A diagram with the boxes of its children beside it."""
    own = _drawn(diagram)
    left, top, parts, height = own.width + 2.5 * _GAP, 0.0, [own.markup], own.height
    wide = 0.0
    for child in children:
        inner = _family(child.diagram, child.children)
        box = _boxed(f"{diagram.names[child.host]} runs {child.title}", inner)
        parts.append(_moved(box.markup, left, top))
        wide, height = max(wide, box.width), max(height, top + box.height)
        top += box.height + _GAP
    width = own.width if not children else left + wide
    return _Drawn(markup="".join(parts), width=width, height=height)


def _boxed(title: str, inner: _Drawn) -> _Drawn:
    width = max(inner.width, len(title) * _CHAR) + 2 * _PAD / 1.5
    height = inner.height + _TITLE + _PAD
    markup = (
        f'<rect class="box" width="{width:.1f}" height="{height:.1f}" rx="10"/>'
        f'<text class="name" x="14" y="18">{escape(title)}</text>'
        f"{_moved(inner.markup, (width - inner.width) / 2, _TITLE + _PAD / 3)}"
    )
    return _Drawn(markup=markup, width=width, height=height)


def _drawn(diagram: Diagram) -> _Drawn:
    sheet = _Sheet.of(diagram)
    markup = "".join((*sheet.edges(), *sheet.nodes()))
    rows = len(sheet.layout.rows)
    height = (rows - 1) * _ROW + _HEIGHT if rows else 0.0
    return _Drawn(markup=markup, width=sheet.width, height=height)


@dataclass(frozen=True, kw_only=True)
class _Sheet:
    """One diagram with its measures. ``lanes`` number the ways back, 0 nearest to the nodes."""

    diagram: Diagram
    layout: Layout
    widths: Mapping[str, float]
    places: Mapping[str, tuple[float, float]]
    lanes: Mapping[Arc, int]
    width: float

    @classmethod
    def of(cls, diagram: Diagram) -> _Sheet:
        widths = {key: max(64.0, len(name) * _CHAR + _PAD) for key, name in diagram.names.items()}
        layout = Layout.of(diagram, widths, gap=_GAP)
        lanes = _lanes(diagram, layout)
        left = min((x - widths.get(name, 0.0) / 2 for name, x in layout.x.items()), default=0.0)
        right = max((x + widths.get(name, 0.0) / 2 for name, x in layout.x.items()), default=0.0)
        shift = (max(lanes.values()) + 1) * _LANE + _BEND - left if lanes else -left
        places = {
            name: (layout.x[name] + shift, row * _ROW + _HEIGHT / 2)
            for row, names in enumerate(layout.rows)
            for name in names
        }
        again = 20.0 if any(e.source == e.target for e in diagram.edges) else 0.0
        return cls(
            diagram=diagram,
            layout=layout,
            widths=widths,
            places=places,
            lanes=lanes,
            width=right + shift + again,
        )

    def nodes(self) -> Iterator[str]:
        for key, name in self.diagram.names.items():
            x, y = self.places[key]
            width = 52.0 if key in (START, END) else self.widths[key]
            height = 24.0 if key in (START, END) else _HEIGHT
            kind = "end" if key in (START, END) else "node pure" if key in self.diagram.pure else "node"
            word = ' class="pill"' if key in (START, END) else ""
            yield (
                f'<rect class="{kind}" x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" '
                f'height="{height:.1f}" rx="{12 if word else 8}"/>'
                f'<text{word} x="{x:.1f}" y="{y + 4.5:.1f}" text-anchor="middle">{escape(name)}</text>'
            )

    def edges(self) -> Iterator[str]:
        for edge in self.diagram.edges:
            chain = self.layout.chains.get((edge.source, edge.target))
            if chain is not None:
                yield self._down(edge, chain)
            else:
                yield self._back(edge) if edge.source != edge.target else self._again(edge)

    def _down(self, edge: Edge, chain: Sequence[str]) -> str:
        """A forward edge: smooth from port to port, through the bends of the rows between."""
        first = self._port(chain[0], chain[1], leaves=True)
        last_x, last_y = self._port(chain[-1], chain[-2], leaves=False)
        bends = [self.places[bend] for bend in chain[1:-1]]
        straight = [(x, y + half) for x, y in bends for half in (-_HEIGHT / 2, _HEIGHT / 2)]
        points = [first, *straight, (last_x, last_y - 6)]
        path = f"M{first[0]:.1f} {first[1]:.1f}"
        for (x, y), (to_x, to_y) in pairwise(points):
            half = (to_y - y) / 2
            path += f"C{x:.1f} {y + half:.1f} {to_x:.1f} {to_y - half:.1f} {to_x:.1f} {to_y:.1f}"
        middle = ((points[0][0] + points[1][0]) / 2 - 8, (points[0][1] + points[1][1]) / 2 + 4)
        return _line(edge, path) + _tip(last_x, last_y, "down") + _label(edge, *middle)

    def _port(self, name: str, neighbour: str, *, leaves: bool) -> tuple[float, float]:
        """Where an edge meets its node: the ports of one side stand in the order of where they lead."""
        chains = self.layout.chains.values()
        ends = [c[1] for c in chains if c[0] == name] if leaves else [c[-2] for c in chains if c[-1] == name]
        ends.sort(key=lambda other: self.places[other][0])
        step = min(18.0, (self.widths[name] - 24) / max(1, len(ends) - 1))
        x, y = self.places[name]
        half = (24.0 if name in (START, END) else _HEIGHT) / 2
        return x + (ends.index(neighbour) - (len(ends) - 1) / 2) * step, y + half if leaves else y - half

    def _again(self, edge: Edge) -> str:
        """A small loop on the right of a node that may follow itself."""
        x, y = self.places[edge.source]
        x += self.widths[edge.source] / 2
        path = f"M{x:.1f} {y + 8:.1f}c22 6 22 -22 7 -16.5"
        return _line(edge, path) + _tip(x, y - 8, "left")

    def _back(self, edge: Edge) -> str:
        """An edge that points up: in its lane, past what stands in the way."""
        lane = _LANE * (max(self.lanes.values()) - self.lanes[edge.source, edge.target]) + 1
        x, y = self.places[edge.source]
        if self._outermost(edge.source):
            start = f"M{x - self.widths[edge.source] / 2:.1f} {y + 7:.1f}"
            low = y + 7
        else:  # under its row
            low = y + _HEIGHT / 2 + 12
            start = f"M{x - 12:.1f} {y + _HEIGHT / 2:.1f}V{low - _BEND:.1f}"
            start += f"Q{x - 12:.1f} {low:.1f} {x - 12 - _BEND:.1f} {low:.1f}"
        to_x, to_y = self.places[edge.target]
        if self._outermost(edge.target):
            high, to_x = to_y - 7, to_x - self.widths[edge.target] / 2
            end, tip = f"H{to_x - 6:.1f}", _tip(to_x, high, "right")
        else:  # over its row
            high, to_x, to_y = to_y - _HEIGHT / 2 - 14, to_x - 12, to_y - _HEIGHT / 2
            end = f"H{to_x - _BEND:.1f}Q{to_x:.1f} {high:.1f} {to_x:.1f} {high + _BEND:.1f}"
            tip = _tip(to_x, to_y, "down")
        way = (
            f"H{lane + _BEND:.1f}Q{lane:.1f} {low:.1f} {lane:.1f} {low - _BEND:.1f}"
            f"V{high + _BEND:.1f}Q{lane:.1f} {high:.1f} {lane + _BEND:.1f} {high:.1f}"
        )
        return _line(edge, start + way + end) + tip + _label(edge, lane + 4, (low + high) / 2)

    def _outermost(self, name: str) -> bool:
        """Whether nothing stands between a node and the lanes."""
        x, y = self.places[name]
        return not any(self.places[n][1] == y and self.places[n][0] < x for n in self.diagram.names)


def _lanes(diagram: Diagram, layout: Layout) -> dict[Arc, int]:
    """A lane beside the nodes for each edge that does not point down; short ones stand nearest to them."""
    level = {name: i for i, row in enumerate(layout.rows) for name in row}
    loops = [
        (e.source, e.target)
        for e in diagram.edges
        if e.source != e.target and (e.source, e.target) not in layout.chains
    ]
    loops.sort(key=lambda arc: (level[arc[0]] - level[arc[1]], level[arc[1]], arc))
    taken: list[list[tuple[int, int]]] = []
    lanes: dict[Arc, int] = {}
    for source, target in loops:
        top, bottom = level[target], level[source]
        free = (n for n, spans in enumerate(taken) if all(b < top or a > bottom for a, b in spans))
        lane = next(free, len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((top, bottom))
        lanes[source, target] = lane
    return lanes


def _line(edge: Edge, path: str) -> str:
    return f'<path class="edge{" maybe" if edge.conditional else ""}" d="{path}"/>'


_TIPS = {"down": "l-4.5 -9h9z", "right": "l-9 -4.5v9z", "left": "l9 -4.5v9z"}


def _tip(x: float, y: float, way: Literal["down", "right", "left"]) -> str:
    """An arrow's head with its point at a place (drawn, not a marker: ids would clash in a notebook)."""
    return f'<path class="tip" d="M{x:.1f} {y:.1f}{_TIPS[way]}"/>'


def _label(edge: Edge, x: float, y: float) -> str:
    """An edge's words, on a halo that keeps its line away from them."""
    place = f'x="{x:.1f}" y="{y:.1f}">{escape(edge.label)}</text>'
    return f'<text class="note halo" {place}<text class="note" {place}' if edge.label else ""


def _moved(markup: str, x: float, y: float) -> str:
    return f'<g transform="translate({x:.1f} {y:.1f})">{markup}</g>'
