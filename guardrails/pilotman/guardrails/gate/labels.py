"""Labels of a call's arguments: who wrote what stands in them.

A value that the request spells out, or a record that was read, takes that one's label; a literal that stands
nowhere was written by a model and takes the labels of all that it had read (as in information-flow control).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from pilotman.guardrails.gate.evidence import Evidence
from pilotman.guardrails.gate.records import Record, scalars
from pilotman.guardrails.label import Label, Sensitivity

_MOST = 200  # values of one argument that are looked up; one with more takes the labels of all that was read


class Source(Protocol):
    """What of a tool tells the labels of its output."""

    @property
    def name(self) -> str: ...
    @property
    def third_party(self) -> bool | Sequence[str]: ...


def sensitivity_of(tool: object) -> Sensitivity:
    """How far a tool's output may travel, as its author says; internal where nothing is said."""
    said: Sensitivity = getattr(tool, "sensitivity", "internal")
    return said


def asked_by(tenant: str) -> Label:
    """The label of the user's own request."""
    return Label(author="user", trusted=True, tenant=tenant, sources=frozenset({"request"}))


def output_of(tool: Source, tenant: str, *, foreign: bool = False) -> frozenset[Label]:
    """The labels of what a tool returns: its own, third parties', or one of each by field. ``foreign``: it
    was third parties' this time, whatever the tool declares."""
    third_party = tool.third_party or foreign
    trusted = frozenset[bool]({not third_party} if isinstance(third_party, bool) else {True, False})
    return frozenset(_read(tool.name, sensitivity_of(tool), tenant, trusted=one) for one in trusted)


def _read(tool: str, sensitivity: Sensitivity, tenant: str, *, trusted: bool) -> Label:
    return Label(
        author="tool" if trusted else "third_party",
        trusted=trusted,
        tenant=tenant,
        sensitivity=sensitivity,
        sources=frozenset({tool}),
    )


class ArgumentLabels(Mapping[str, frozenset[Label]]):
    """The labels of each argument, found when a policy looks."""

    def __init__(
        self,
        args: Mapping[str, Any],
        evidence: Evidence,
        *,
        tenant: str,
        tools: Mapping[str, Source],
        read: frozenset[Label],
    ) -> None:
        self._args = args
        self._evidence = evidence
        self._tenant = tenant
        self._tools = tools
        self._read = read
        self._found: dict[str, frozenset[Label]] = {}

    def __getitem__(self, name: str) -> frozenset[Label]:
        if name not in self._found:
            self._found[name] = self._labels(self._args[name])
        return self._found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._args)

    def __len__(self) -> int:
        return len(self._args)

    def _labels(self, argument: Any) -> frozenset[Label]:
        values = [value for _, value in islice(scalars(argument), _MOST + 1)]
        if not values or len(values) > _MOST:
            return self._read
        return frozenset[Label]().union(*map(self._of, values))

    def _of(self, value: Any) -> frozenset[Label]:
        if self._evidence.request.holds(value):
            return frozenset({asked_by(self._tenant)})
        trusted = self._evidence.records_with(value)
        wrote = trusted or self._evidence.sources(value)
        return self._from(wrote, trusted=bool(trusted)) if wrote else self._read

    def _from(self, records: Sequence[Record], *, trusted: bool) -> frozenset[Label]:
        names = {record.source for record in records}
        return frozenset(
            _read(name, sensitivity_of(self._tools.get(name)), self._tenant, trusted=trusted)
            for name in names
        )
