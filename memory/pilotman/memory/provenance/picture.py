"""A part of the provenance graph as one self-contained SVG: no script, no font, no service is loaded.

Columns are distances from what was asked about. In a column nodes stand near those that lead to them
(the barycenter heuristic of Sugiyama, Tagawa and Toda 1981, one sweep). Shapes are PROV's: entities are
ovals, activities boxes, agents houses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

MOST: Final = 400
"""Nodes that are drawn; who wants more of them reads them."""
_WIDTH, _HEIGHT, _ACROSS, _DOWN, _MARGIN = 190, 38, 270, 54, 24
_FILL = {"entity": "#fffbe6", "activity": "#e8efff", "agent": "#fdebd8"}
_LINE = {"entity": "#b59b2a", "activity": "#4a6fc4", "agent": "#c07a2c"}
_STYLE = (
    "svg.prov{background:#fff;font:12px ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,sans-serif}"
    ".prov .edge{fill:none;stroke:#8a97a8}.prov .type{font-weight:600;fill:#1d2733}"
    ".prov .name{fill:#4a5666;font-size:11px}.prov .root{stroke-width:3}"
)
_TIP = (
    '<defs><marker id="prov-tip" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" '
    'orient="auto"><path d="M0 0L8 4L0 8z" fill="#8a97a8"/></marker></defs>'
)
PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    "<style>body{{font:14px system-ui,sans-serif;margin:2em;color:#1d2733;background:#fff}}</style></head>"
    "<body><h1>{title}</h1>{remarks}{drawing}</body></html>\n"
)


def short(node: Mapping[str, Any]) -> str:
    """A name that fits: what people call it, else the end of its id."""
    name = node.get("name") or node.get("path")
    if name:
        version = str(node.get("version") or "")
        return f"{name}@{version[:8]}" if version else str(name)
    if node.get("uri"):
        return f"{node['uri']}@{str(node.get('version') or '')[:8]}"
    _, _, rest = str(node["id"]).partition(":")
    head, slash, tail = rest.partition("/")
    return tail if slash and head.startswith(("run_", "mem_")) else rest


def drawing(
    nodes: Sequence[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    *,
    roots: Sequence[str],
    direction: str,
) -> str:
    """The SVG element. Beyond ``MOST`` nodes the farthest are left out, which is said in it."""
    drawn = nodes[:MOST]
    ids = {node["id"] for node in drawn}
    lines = [edge for edge in edges if edge["source"] in ids and edge["target"] in ids]
    places = _places(drawn, lines, roots, direction)
    width = max((x for x, _ in places.values()), default=0) + _WIDTH + _MARGIN
    height = max((y for _, y in places.values()), default=0) + _HEIGHT + _MARGIN
    left = f"{len(nodes) - MOST} nodes are not drawn" if len(nodes) > MOST else ""
    opening = (
        f'<svg class="prov" xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height + 20}" '
        f'viewBox="0 0 {width} {height + 20}" role="img"><style>{_STYLE}</style>{_TIP}'
    )
    parts = [
        opening,
        *(_arrow(edge, places) for edge in lines),
        *(part for node in drawn for part in _shape(node, places[node["id"]], node["id"] in roots)),
        f'<text class="name" x="{_MARGIN}" y="{height + 8}">{left}</text></svg>',
    ]
    return "".join(parts)


def _places(
    nodes: Iterable[Mapping[str, Any]],
    edges: Sequence[Mapping[str, Any]],
    roots: Sequence[str],
    direction: str,
) -> dict[str, tuple[int, int]]:
    """Upper left corners."""
    near, far = ("source", "target") if direction == "back" else ("target", "source")
    onwards: dict[str, list[str]] = {}
    before: dict[str, list[str]] = {}
    for edge in edges:
        onwards.setdefault(edge[near], []).append(edge[far])
        before.setdefault(edge[far], []).append(edge[near])
    column = dict.fromkeys(roots, 0)
    level = list(roots)
    while level:
        following = [other for name in level for other in onwards.get(name, ()) if other not in column]
        level = list(dict.fromkeys(following))
        column |= {name: column[next(b for b in before[name] if b in column)] + 1 for name in level}
    columns: dict[int, list[str]] = {}
    for node in nodes:
        columns.setdefault(column.get(node["id"], 0), []).append(node["id"])
    rows: dict[str, int] = {}
    for number in sorted(columns):
        members = columns[number]
        at = {name: _middle([rows[b] for b in before.get(name, ()) if b in rows]) for name in members}
        rows |= {name: row for row, name in enumerate(sorted(members, key=lambda one: (at[one], one)))}
    return {
        name: (_MARGIN + number * _ACROSS, _MARGIN + rows[name] * _DOWN)
        for number, members in columns.items()
        for name in members
    }


def _middle(rows: Sequence[int]) -> float:
    return sum(rows) / len(rows) if rows else 0.0


def _arrow(edge: Mapping[str, Any], places: Mapping[str, tuple[int, int]]) -> str:
    """A curve from what came later to what it came from."""
    (x, y), (to_x, to_y) = places[edge["source"]], places[edge["target"]]
    y, to_y = y + _HEIGHT // 2, to_y + _HEIGHT // 2
    if to_x > x:
        x, bend, turn = x + _WIDTH, 40, -40
    elif to_x < x:
        to_x, bend, turn = to_x + _WIDTH, -40, 40
    else:
        x, to_x, bend, turn = x + _WIDTH, to_x + _WIDTH, 40, 40
    said = escape(str(edge["relation"]).replace("_", " ").lower())
    path = f"M{x} {y}C{x + bend} {y} {to_x + turn} {to_y} {to_x} {to_y}"
    return f'<path class="edge" d="{path}" marker-end="url(#prov-tip)"><title>{said}</title></path>'


def _shape(node: Mapping[str, Any], place: tuple[int, int], is_root: bool) -> Iterator[str]:
    x, y = place
    kind = str(node["kind"])
    look = f'fill="{_FILL[kind]}" stroke="{_LINE[kind]}"' + (' class="root"' if is_root else "")
    if kind == "agent":
        right, low, middle = x + _WIDTH, y + _HEIGHT, x + _WIDTH // 2
        yield f'<path d="M{x} {low}V{y + 8}L{middle} {y - 4}L{right} {y + 8}V{low}z" {look}>'
        close = "</path>"
    else:
        round_ = _HEIGHT // 2 if kind == "entity" else 4
        yield f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="{round_}" {look}>'
        close = "</rect>"
    told = "\n".join(f"{name}: {value}" for name, value in node.items() if value not in (None, ""))
    yield f"<title>{escape(told)}</title>{close}"
    what = escape(str(node["type"] or kind).replace("_", " "))
    yield f'<text class="type" x="{x + 12}" y="{y + 16}">{what}</text>'
    yield f'<text class="name" x="{x + 12}" y="{y + 31}">{escape(_cut(_name(node)))}</text>'


def _name(node: Mapping[str, Any]) -> str:
    """What to write in a shape: which tool, if one is concerned."""
    tool, name = str(node.get("tool") or ""), short(node)
    return f"{tool} {name.rpartition('/')[2]}" if tool else name


def _cut(name: str, most: int = 26) -> str:
    """The name, with its middle left out where it is too long."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[-(most // 2 - 1) :]}"
