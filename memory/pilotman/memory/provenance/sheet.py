"""What is written while events are folded: nodes and edges, each once; and an event, made safe to read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pilotman.guardrails.shape import is_mapping
from pilotman.memory.event import Event
from pilotman.memory.journal.records import RunRow
from pilotman.memory.provenance.graph import Edge, Node, NodeKind, Relation, Scalar
from pilotman.memory.provenance.names import Place, named


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose events they are: what the run's record says besides them."""

    run_id: str
    tenant: str
    user: str = ""
    supervisor: str = ""
    replay_of: str | None = None

    @classmethod
    def of(cls, run: RunRow) -> Origin:
        return cls(
            run_id=run.run_id,
            tenant=run.tenant,
            user=run.user,
            supervisor=run.supervisor,
            replay_of=run.replay_of,
        )


@dataclass(frozen=True, kw_only=True)
class Told:
    """Nodes and edges that some events tell, each once."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


class Sheet:
    """Nodes and edges by what they are; what is said again is added to what was said."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self._nodes: dict[tuple[str, str], Node] = {}
        self._edges: dict[tuple[str, str, str, str], Edge] = {}

    def told(self) -> Told:
        return Told(nodes=tuple(self._nodes.values()), edges=tuple(self._edges.values()))

    def put(self, node: Node) -> None:
        key = node.tenant, node.id
        known = self._nodes.get(key)
        if known is not None:
            times = [at for at in (known.at, node.at) if at is not None]
            data = {**known.data, **node.data}
            node = replace(known, at=min(times, default=None), data=data)
        self._nodes[key] = node

    def join(self, edge: Edge) -> None:
        key = edge.tenant, edge.source, edge.relation, edge.target
        known = self._edges.get(key)
        if known is not None:
            times = [at for at in (known.at, edge.at) if at is not None]
            edge = replace(known, at=min(times, default=None), data={**known.data, **edge.data})
        self._edges[key] = edge

    def _add(
        self, kind: NodeKind, type: str, id: str, at: datetime | None, data: Mapping[str, Scalar]
    ) -> str:
        kept = {name: value for name, value in data.items() if value is not None}
        self.put(Node(id=id, kind=kind, type=type, tenant=self.origin.tenant, at=at, data=kept))
        return id

    def entity(self, type: str, id: str, at: datetime | None = None, **data: Scalar) -> str:
        return self._add("entity", type, id, at, data)

    def activity(self, type: str, id: str, at: datetime | None = None, **data: Scalar) -> str:
        return self._add("activity", type, id, at, data)

    def agent(self, type: str, id: str, **data: Scalar) -> str:
        return self._add("agent", type, id, None, data)

    def link(self, source: str, relation: Relation, target: str, **data: Scalar) -> None:
        if source != target:
            kept = {name: value for name, value in data.items() if value is not None}
            tenant = self.origin.tenant
            self.join(Edge(source=source, relation=relation, target=target, tenant=tenant, data=kept))

    # agents

    def user(self, name: str) -> str:
        return self.agent("user", named("user", name), name=name)

    def member(self, name: str) -> str:
        """An agent of the run's team."""
        return self.agent("agent", named("agent", self.origin.supervisor, name), name=name)


@dataclass(frozen=True, kw_only=True)
class Said:
    """An event with its data made safe to read: whatever is not as it should be is not there."""

    kind: str
    actor: str
    at: datetime
    place: Place
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, origin: Origin, event: Event) -> Said:
        data: Mapping[str, Any] = event.data if is_mapping(event.data) else {}
        path = data.get("path")
        place = Place.of(origin.run_id, path if isinstance(path, str) else "")
        return cls(kind=event.kind, actor=event.actor, at=event.at, place=place, data=data)

    def word(self, name: str) -> str | None:
        return word(self.data, name)

    def number(self, name: str) -> float | int | None:
        return number(self.data, name)

    def list(self, name: str) -> list[Mapping[str, Any]]:
        """The mappings in a list."""
        return listed(self.data, name)

    def kept(self, name: str) -> str | None:
        """The digest of a body that lies beside the event."""
        return word(inner(self.data, name), "payload")


def word(data: Mapping[str, Any], name: str) -> str | None:
    """Text that is there, or None."""
    value = data.get(name)
    return value if isinstance(value, str) and value else None


def number(data: Mapping[str, Any], name: str) -> float | int | None:
    """A number that every graph can hold, or None."""
    value = data.get(name)
    fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**53
    return value if fits else None


def inner(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping within, or an empty one."""
    value = data.get(name)
    return value if is_mapping(value) else {}


def listed(data: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The mappings in a list within."""
    value = data.get(name)
    return [item for item in value if is_mapping(item)] if isinstance(value, list | tuple) else []


def words(data: Mapping[str, Any], name: str) -> list[str]:
    """The texts in a list within."""
    value = data.get(name)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list | tuple) else []
