"""The answer to a question about provenance: a part of the graph, readable in a terminal and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from pilotman.guardrails.errors import Unavailable
from pilotman.memory.provenance import picture
from pilotman.memory.provenance.graph import Direction, Edge, Node, Subgraph

SHOWN: Final = 200
"""Lines that a terminal gets."""
NAMED: Final = 8
"""Of a kind so many are named before the tree."""
_ASKED_FOR: Mapping[Direction, tuple[str, ...]] = {
    "back": ("user", "document", "fact", "approval", "effect"),
    "forth": ("run", "answer", "fact", "approval", "effect"),
}
_WORDS: Mapping[str, tuple[str, str]] = {
    "USED": ("used", "used by"),
    "WAS_GENERATED_BY": ("made by", "made"),
    "WAS_DERIVED_FROM": ("from", "led to"),
    "WAS_ATTRIBUTED_TO": ("by", "is behind"),
    "WAS_ASSOCIATED_WITH": ("by", "did"),
    "WAS_INFORMED_BY": ("after", "before"),
    "ACTED_ON_BEHALF_OF": ("for", "acts through"),
    "WAS_INVALIDATED_BY": ("ended by", "ended"),
}
"""How a relation reads from what came later, and from what it came from."""


class Lineage:
    """A part of the provenance graph (W3C PROV): what something came from, or what came of it.

    ``nodes``, nearest first, have ``id``, ``kind`` (entity, activity, agent), ``type``, ``at`` (ISO 8601 or
    None) and what is known besides: ids, digests, times. ``edges`` have ``source``, ``relation``, ``target``:
    from what came later to what it came from. ``roots`` are the ids that were asked about. ``remarks`` say
    what may be missing, ``truncated`` that there is more.
    """

    def __init__(
        self,
        found: Subgraph,
        *,
        roots: Sequence[str],
        direction: Direction = "back",
        remarks: Sequence[str] = (),
    ) -> None:
        self.nodes: Sequence[Mapping[str, Any]] = tuple(_node(node) for node in found.nodes)
        self.edges: Sequence[Mapping[str, Any]] = tuple(_edge(edge) for edge in found.edges)
        self.roots = tuple(roots)
        self.direction: Direction = direction
        self.remarks = tuple(remarks)
        self.truncated = found.truncated

    def of(self, *types: str) -> list[Mapping[str, Any]]:
        """The nodes of these types: ``document``, ``effect``, ``approval`` …"""
        return [node for node in self.nodes if node["type"] in types]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "roots": list(self.roots),
            "direction": self.direction,
            "nodes": [dict(node) for node in self.nodes],
            "edges": [dict(edge) for edge in self.edges],
            "remarks": list(self.remarks),
            "truncated": self.truncated,
        }

    def __str__(self) -> str:
        """A tree from the roots, each thing where it is nearest; counts first."""
        lines = [self._summary(), *self.remarks, *self._highlights()]
        if self.truncated:
            lines.append("there is more, too far away or too much to be shown")
        tree = list(self._tree())
        lines += tree[:SHOWN]
        if len(tree) > SHOWN:
            lines.append(f"… and {len(tree) - SHOWN} more")
        return "\n".join(lines)

    def _summary(self) -> str:
        counts = Counter(str(node["type"] or node["kind"]).replace("_", " ") for node in self.nodes)
        counted = [(f"{what}s" if n > 1 and what[-1] != "s" else what, n) for what, n in counts.most_common()]
        said = ", ".join(f"{number} {what}" for what, number in counted)
        return f"{len(self.nodes)} nodes: {said}" if self.nodes else "nothing"

    def _highlights(self) -> Iterator[str]:
        """What people ask for first."""
        for kind in _ASKED_FOR[self.direction]:
            found = [label(node).removeprefix(f"{kind} ") for node in self.of(kind)]
            if found:
                more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
                yield f"{kind}s: {', '.join(found[:NAMED])}{more}"

    def _tree(self) -> Iterator[str]:
        near, far = ("source", "target") if self.direction == "back" else ("target", "source")
        steps: dict[str, list[tuple[str, str]]] = {}
        for edge in self.edges:
            word = _WORDS[edge["relation"]][self.direction == "forth"]
            steps.setdefault(edge[near], []).append((word, edge[far]))
        nodes = {node["id"]: node for node in self.nodes}
        below = _nearest([root for root in self.roots if root in nodes], steps)
        for root in self.roots:
            if root in nodes:
                yield label(nodes[root])
                yield from _branch(root, nodes, below, "")

    def _repr_html_(self) -> str:
        return picture.drawing(self.nodes, self.edges, roots=self.roots, direction=self.direction)

    def to_html(self, path: str | Path) -> None:
        """Write a page that shows it, loads nothing and can be sent to somebody.

        Raises:
            Unavailable: it cannot be written.
        """
        remarks = "".join(f"<p>{escape(remark)}</p>" for remark in (self._summary(), *self.remarks))
        title = escape(", ".join(self.roots))
        page = picture.PAGE.format(title=title, remarks=remarks, drawing=self._repr_html_())
        try:
            Path(path).write_text(page, encoding="utf-8")
        except OSError as error:
            raise Unavailable(f"{path} cannot be written: {error.strerror}", hint="name another") from error


def _nearest(
    roots: Sequence[str], steps: Mapping[str, Sequence[tuple[str, str]]]
) -> dict[str, list[tuple[str, str]]]:
    """Below each node those that are reached over it first (breadth first)."""
    below: dict[str, list[tuple[str, str]]] = {}
    known, level = set(roots), list(roots)
    while level:
        following: list[str] = []
        for here in level:
            for word, other in steps.get(here, ()):
                if other not in known:
                    known.add(other)
                    following.append(other)
                    below.setdefault(here, []).append((word, other))
        level = following
    return below


def _branch(
    root: str,
    nodes: Mapping[str, Mapping[str, Any]],
    below: Mapping[str, Sequence[tuple[str, str]]],
    indent: str,
) -> Iterator[str]:
    todo = [(indent, word, here, here == below[root][-1][1]) for word, here in below.get(root, ())][::-1]
    while todo:  # chains are longer than Python's stack is deep
        indent, word, here, last = todo.pop()
        yield f"{indent}{'└─' if last else '├─'} {word} {label(nodes.get(here, {'id': here}))}"
        inner = f"{indent}{'   ' if last else '│  '}"
        children = below.get(here, ())
        todo += [(inner, word, other, other == children[-1][1]) for word, other in children][::-1]


def label(node: Mapping[str, Any]) -> str:
    """What a node is, in a few words: its type, its name and what became of it."""
    said = [str(node.get("type") or node.get("kind") or "?").replace("_", " "), picture.short(node)]
    said += [str(node[name]) for name in ("tool", "model", "team") if node.get(name)]
    said += [name[:-3].replace("_", " ") for name in sorted(node) if name.endswith("_at")]
    if node.get("answered_by"):
        said.append(f"by {node['answered_by']}")
    if node.get("erased"):
        said.append("(forgotten)")
    return " ".join(dict.fromkeys(filter(None, said)))


def _node(node: Node) -> Mapping[str, Any]:
    at = None if node.at is None else node.at.isoformat()
    told = {"id": node.id, "kind": node.kind, "type": node.type, "at": at, **node.data}
    return {**told, "erased": True} if node.erased else told


def _edge(edge: Edge) -> Mapping[str, Any]:
    return {"source": edge.source, "relation": edge.relation, "target": edge.target, **edge.data}
