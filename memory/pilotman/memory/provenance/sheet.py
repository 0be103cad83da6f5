"""What is written while events are folded: nodes and edges, each once; and an event, made safe to read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

from pilotman.guardrails.seal import Seal, Subject
from pilotman.guardrails.shape import is_mapping
from pilotman.memory.event import Event
from pilotman.memory.journal.records import RunRow
from pilotman.memory.provenance.graph import Edge, Node, NodeKind, Relation, Scalar
from pilotman.memory.provenance.names import Place, named

_IN_CLEAR = Seal().blinder(Subject("", ""))


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Whose events they are: what the run's record says besides them. ``blind`` makes of a digest one that
    tells nothing without the key of the user whose run it is."""

    run_id: str
    tenant: str
    user: str = ""
    supervisor: str = ""
    replay_of: str | None = None
    blind: Callable[[bytes], bytes] = field(
        default=Seal().blinder(Subject("", "")), repr=False, compare=False
    )

    @classmethod
    def of(cls, run: RunRow, seal: Seal | None = None) -> Origin:
        """Of a run's record; the key is looked up here."""
        return cls(
            blind=(seal or Seal()).blinder(Subject(run.tenant, run.user)),
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


@dataclass(slots=True)
class _Entry:
    """A node that is still being written."""

    kind: NodeKind
    type: str
    at: datetime | None = None
    data: dict[str, Scalar] = field(default_factory=dict[str, Scalar])


class Sheet:
    """Nodes and edges by what they are; what is said again is added to what was said."""

    def __init__(self) -> None:
        self.origin = Origin(run_id="", tenant="")
        """Whose events are written now."""
        self._nodes: dict[tuple[str, str], _Entry] = {}
        self._edges: dict[tuple[str, str, Relation, str], dict[str, Scalar]] = {}

    def told(self) -> Told:
        nodes = (
            Node(id=name, kind=entry.kind, type=entry.type, tenant=tenant, at=entry.at, data=entry.data)
            for (tenant, name), entry in self._nodes.items()
        )
        edges = (
            Edge(source=source, relation=relation, target=target, tenant=tenant, data=data)
            for (tenant, source, relation, target), data in self._edges.items()
        )
        return Told(nodes=tuple(nodes), edges=tuple(edges))

    def _add(
        self, kind: NodeKind, type: str, id: str, at: datetime | None, data: Mapping[str, Scalar]
    ) -> str:
        entry = self._nodes.get((self.origin.tenant, id))
        if entry is None:
            entry = self._nodes[self.origin.tenant, id] = _Entry(kind, type)
        if at is not None:
            entry.at = at if entry.at is None else min(entry.at, at)
        for name, value in data.items():
            if value is not None:
                entry.data[name] = value
        return id

    def entity(self, type: str, id: str, at: datetime | None = None, **data: Scalar) -> str:
        return self._add("entity", type, id, at, data)

    def activity(self, type: str, id: str, at: datetime | None = None, **data: Scalar) -> str:
        return self._add("activity", type, id, at, data)

    def agent(self, type: str, id: str, **data: Scalar) -> str:
        return self._add("agent", type, id, None, data)

    def link(self, source: str, relation: Relation, target: str, **data: Scalar) -> None:
        kept = self._edges.setdefault((self.origin.tenant, source, relation, target), {})
        for name, value in data.items():
            if value is not None:
                kept[name] = value

    def blinded(self, said: str | None) -> str | None:
        """What stands for something that the user said, or for its digest: 64 hexadecimal digits."""
        return None if said is None else self.origin.blind(said.encode("utf-8", "surrogatepass")).hex()

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
    return [item for item in _items(data, name) if is_mapping(item)]


def words(data: Mapping[str, Any], name: str) -> list[str]:
    """The texts in a list within."""
    return [item for item in _items(data, name) if isinstance(item, str)]


def _items(data: Mapping[str, Any], name: str) -> Sequence[object]:
    value = data.get(name)
    return cast("Sequence[object]", value) if isinstance(value, list | tuple) else ()
