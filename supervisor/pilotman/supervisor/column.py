"""A diagram as text: the nodes in one column, edges to the next node in it, all others in lanes beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from rich.cells import cell_len

from pilotman.supervisor.diagram import Diagram, Edge

_UP, _DOWN, _LEFT, _RIGHT = 1, 2, 4, 8
_LINES: Mapping[int, str] = {
    _UP | _DOWN: "│",
    _LEFT | _RIGHT: "─",
    _UP | _LEFT: "╯",
    _DOWN | _LEFT: "╮",
    _UP | _DOWN | _LEFT: "┤",
    _UP | _LEFT | _RIGHT: "┴",
    _DOWN | _LEFT | _RIGHT: "┬",
    _UP | _DOWN | _LEFT | _RIGHT: "┼",
}
_DASHED: Mapping[str, str] = {"│": "┆", "─": "╌"}
_STEP = 4

Place: TypeAlias = tuple[int, int]
"""Column and row of a character."""


def draw(diagram: Diagram) -> str:
    """Solid lines are always taken, dashed ones if a router says so; what joins a lane goes to its arrow."""
    names = diagram.column()
    if not names:
        return "(an empty graph)"
    sheet = _Sheet(width=max(cell_len(diagram.names[name]) for name in names) + 4)
    place = {name: i for i, name in enumerate(names)}
    straight = {e.source: e for e in diagram.edges if place[e.target] == place[e.source] + 1}
    beside = [edge for edge in diagram.edges if straight.get(edge.source) is not edge]
    rows = _boxes(sheet, diagram, names, straight, {e.source for e in beside}, {e.target for e in beside})
    _lanes(sheet, rows, beside)
    return sheet.text()


@dataclass(kw_only=True)
class _Sheet:
    """Characters by place. ``lines`` are strokes that still have to be joined: directions, and if dashed."""

    width: int
    marks: dict[Place, str] = field(default_factory=dict[Place, str])
    lines: dict[Place, tuple[int, bool]] = field(default_factory=dict[Place, tuple[int, bool]])
    height: int = 0

    def put(self, x: int, y: int, text: str) -> None:
        for character in text:
            self.marks[x, y] = character
            x += cell_len(character)
        self.height = max(self.height, y + 1)

    def stroke(self, x: int, y: int, directions: int, *, dashed: bool) -> None:
        before, was_dashed = self.lines.get((x, y), (0, True))
        self.lines[x, y] = (before | directions, dashed and was_dashed)

    def text(self) -> str:
        return "\n".join(self._row(y) for y in range(self.height))

    def _row(self, y: int) -> str:
        cells = {x: mark for (x, row), mark in self.marks.items() if row == y}
        for (x, row), (directions, dashed) in self.lines.items():
            if row == y and x not in cells:
                mark = _LINES[directions]
                cells[x] = _DASHED.get(mark, mark) if dashed else mark
        line, x = "", 0
        while x <= max(cells, default=-1):
            mark = cells.get(x, " ")
            line += mark
            x += max(1, cell_len(mark))
        return line


@dataclass(frozen=True, kw_only=True)
class _Rows:
    """Where a box's edges arrive and leave."""

    arrives: int
    leaves: int


def _boxes(
    sheet: _Sheet,
    diagram: Diagram,
    names: Sequence[str],
    straight: Mapping[str, Edge],
    leaving: set[str],
    arriving: set[str],
) -> dict[str, _Rows]:
    """Draw the boxes and the edges from each to the next."""
    rows: dict[str, _Rows] = {}
    right, middle, y = sheet.width - 1, sheet.width // 2, 0
    for name in names:
        sheet.put(0, y, f"╭{'─' * (right - 1)}╮")
        if y and sheet.marks.get((middle, y - 1)):
            sheet.put(middle, y, "▼")
        rows[name] = _Rows(arrives=y + 1, leaves=y + 2)
        sheet.put(0, y + 1, "│")
        sheet.put(2, y + 1, diagram.names[name])
        sheet.put(right, y + 1, "│◀" if name in arriving else "│")
        y += 2
        if name in leaving:
            sheet.put(0, y, "│")
            sheet.put(right, y, "├")
            y += 1
        sheet.put(0, y, f"╰{'─' * (right - 1)}╯")
        edge = straight.get(name)
        if edge is not None:
            sheet.put(middle, y, "┬")
            sheet.put(middle, y + 1, "┆" if edge.conditional else "│")
        y += 2
    return rows


def _lanes(sheet: _Sheet, rows: Mapping[str, _Rows], edges: Sequence[Edge]) -> None:
    """Draw the edges that do not lead to the next box: each target has a lane that its sources join."""
    spans = {
        target: (min(places), max(places))
        for target in {e.target: None for e in edges}
        for places in [[rows[target].arrives, *(rows[e.source].leaves for e in edges if e.target == target)]]
    }
    at = {target: sheet.width + _STEP - 1 + number * _STEP for target, number in _numbers(spans)}
    for target, (top, bottom) in spans.items():
        dashed = all(e.conditional for e in edges if e.target == target)
        for y in range(top, bottom + 1):
            directions = (_UP if y > top else 0) | (_DOWN if y < bottom else 0)
            sheet.stroke(at[target], y, directions, dashed=dashed)
    for target in spans:
        dashed = all(e.conditional for e in edges if e.target == target)
        _row(sheet, rows[target].arrives, {at[target]}, sheet.width + 1, dashed=dashed)
    for source in {e.source: None for e in edges}:
        joined = {at[e.target] for e in edges if e.source == source}
        dashed = all(e.conditional for e in edges if e.source == source)
        _row(sheet, rows[source].leaves, joined, sheet.width, dashed=dashed)


def _row(sheet: _Sheet, y: int, joined: set[int], start: int, *, dashed: bool) -> None:
    """A stroke from a box to the lanes that it joins; other lanes pass over it."""
    far = max(joined)
    for x in range(start, far + 1):
        if x in joined:
            sheet.stroke(x, y, _LEFT if x == far else _LEFT | _RIGHT, dashed=dashed)
        elif (x, y) not in sheet.lines:
            sheet.stroke(x, y, _LEFT | _RIGHT, dashed=dashed)


def _numbers(spans: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, int]]:
    """Number the lanes from the boxes outwards, short ones first; lanes that do not meet share a number."""
    taken: list[list[tuple[int, int]]] = []
    for target, (top, bottom) in sorted(spans.items(), key=lambda item: (item[1][1] - item[1][0], item)):
        free = (n for n, others in enumerate(taken) if all(b < top or a > bottom for a, b in others))
        number = next(free, len(taken))
        if number == len(taken):
            taken.append([])
        taken[number].append((top, bottom))
        yield target, number
