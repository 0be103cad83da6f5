"""Pins: how a tool from elsewhere described itself when a person approved it, and what has changed since.

A pin covers who the server is, and the tool's name, description, schema and annotations. The lock file is
JSON, sorted, ASCII (what hides is seen) and holds the whole definition, so that a change can be reviewed.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import ConfigurationError

FORMAT: Final = 1
Kind: TypeAlias = Literal["new", "changed", "gone"]


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A tool as its server describes it. ``identity``: digest of what the server is and how it is reached."""

    server: str
    identity: str
    name: str
    description: str
    schema: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    annotations: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def key(self) -> tuple[str, str]:
        return self.server, self.name

    @property
    def digest(self) -> str:
        """Of all of it: what a pin stands for."""
        return digest([*self.key, self.identity, self.description, self.schema, self.annotations])

    def lines(self) -> list[str]:
        """All of it in lines, to compare."""
        told = {
            "description": self.description.splitlines(),
            "schema": dict(self.schema),
            "annotations": dict(self.annotations),
            "server identity": self.identity,
        }
        return json.dumps(told, indent=2, sort_keys=True).splitlines()


@dataclass(frozen=True, kw_only=True)
class Pin:
    """A definition, and who approved it when (aware)."""

    definition: Definition
    approved_by: str
    approved_at: datetime


@dataclass(frozen=True, kw_only=True)
class Change:
    """What has become of one tool since it was approved, in words and as the lines of a unified diff."""

    kind: Kind
    server: str
    tool: str
    diff: tuple[str, ...]


class Lock:
    """Pins by server and tool."""

    def __init__(self, pins: Iterable[Pin] = ()) -> None:
        self._pins = {pin.definition.key: pin for pin in pins}

    def objection(self, offered: Definition) -> str | None:
        """Why a tool may not be used as its server describes it now; None if exactly this was approved."""
        pin = self._pins.get(offered.key)
        if pin is None:
            return "nobody has approved it yet"
        if pin.definition.digest == offered.digest:
            return None
        changed = [name for name in _PARTS if getattr(pin.definition, name) != getattr(offered, name)]
        what = " and ".join(_PARTS[name] for name in changed)
        return f"{what} changed since {pin.approved_by} approved it on {pin.approved_at:%Y-%m-%d}"

    def review(self, offered: Iterable[Definition], *, servers: Iterable[str]) -> list[Change]:
        """What a person has to look at, sorted: tools of these servers that are new, changed or gone."""
        now = {definition.key: definition for definition in offered}
        asked = set(servers)
        known = {key: pin.definition for key, pin in self._pins.items() if key[0] in asked}
        found: list[Change] = []
        for key in sorted({*now, *known}):
            before, after = known.get(key), now.get(key)
            if before is not None and after is not None and before.digest == after.digest:
                continue
            kind: Kind = "new" if before is None else "gone" if after is None else "changed"
            found.append(Change(kind=kind, server=key[0], tool=key[1], diff=_diff(before, after)))
        return found

    def approved(
        self, offered: Iterable[Definition], *, servers: Iterable[str], by: str, at: datetime
    ) -> Lock:
        """The lock with all that these servers offer. What was approved before keeps its name and time."""
        asked = set(servers)
        kept = [pin for pin in self._pins.values() if pin.definition.server not in asked]
        pins = [
            self._pins[one.key]
            if self.objection(one) is None
            else Pin(definition=one, approved_by=by, approved_at=at)
            for one in offered
        ]
        return Lock([*kept, *pins])

    def render(self) -> str:
        """The lock file's text."""
        servers: dict[str, Any] = {}
        for (server, tool), pin in self._pins.items():
            servers.setdefault(server, {})[tool] = {
                "digest": pin.definition.digest,
                "identity": pin.definition.identity,
                "description": pin.definition.description,
                "schema": dict(pin.definition.schema),
                "annotations": dict(pin.definition.annotations),
                "approved_by": pin.approved_by,
                "approved_at": pin.approved_at.astimezone(UTC).isoformat(timespec="seconds"),
            }
        return json.dumps({"format": FORMAT, "servers": servers}, indent=2, sort_keys=True) + "\n"

    @classmethod
    def parse(cls, text: str | bytes) -> Lock:
        """The lock that ``render`` wrote.

        Raises:
            ConfigurationError: it is no lock file, or somebody has edited a definition in it by hand.
        """
        try:
            file = _File.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "the file"
            raise ConfigurationError(f"it is no lock file: {place}: {first['msg']}", hint=_AGAIN) from None
        return cls(
            _pin(server, tool, entry)
            for server, tools in file.servers.items()
            for tool, entry in tools.items()
        )


_AGAIN = "review the tools and approve them again: pilotman mcp pin"
_PARTS = MappingProxyType(
    {
        "identity": "the server",
        "description": "its description",
        "schema": "its schema",
        "annotations": "its annotations",
    }
)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid")

    digest: str
    identity: str
    description: str
    definition: dict[str, Any] = Field(alias="schema")
    annotations: dict[str, Any]
    approved_by: str
    approved_at: AwareDatetime


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    servers: dict[str, dict[str, _Entry]]


def _pin(server: str, tool: str, entry: _Entry) -> Pin:
    definition = Definition(
        server=server,
        identity=entry.identity,
        name=tool,
        description=entry.description,
        schema=entry.definition,
        annotations=entry.annotations,
    )
    if definition.digest != entry.digest:
        raise ConfigurationError(f"{server}/{tool} was edited by hand: its digest is another", hint=_AGAIN)
    return Pin(definition=definition, approved_by=entry.approved_by, approved_at=entry.approved_at)


def _diff(before: Definition | None, after: Definition | None) -> tuple[str, ...]:
    old, new = ([] if one is None else one.lines() for one in (before, after))
    return tuple(line for line in difflib.unified_diff(old, new, lineterm="", n=2))[2:]
