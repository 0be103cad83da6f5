"""What a lease may rest on: the description of a tool counts if somebody vouches for it.

Of another tool its name and the names of its parameters count, no more: a schema can say as much as a
description, and say of a target that it is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pilotman.guardrails.gate.labels import sensitivity_of
from pilotman.guardrails.label import Sensitivity
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.shape import is_mapping

_DEEPEST = 8


class _Told(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def effect(self) -> Effect | None: ...
    @property
    def args_schema(self) -> Mapping[str, Any]: ...
    @property
    def third_party(self) -> bool | Sequence[str]: ...


@dataclass(frozen=True, kw_only=True)
class Named:
    """A tool of which only names are believed; effect, trust and sensitivity are the user's own words."""

    name: str
    effect: Effect | None
    args_schema: Mapping[str, Any]
    third_party: bool | Sequence[str]
    sensitivity: Sensitivity
    description: str = ""


def vouched(tool: _Told) -> _Told:
    """The tool, or what may be believed of it where it says itself that it is not ``pinned``."""
    if getattr(tool, "pinned", True):
        return tool
    return Named(
        name=tool.name,
        effect=tool.effect,
        args_schema=_names(tool.args_schema, 0),
        third_party=tool.third_party,
        sensitivity=sensitivity_of(tool),
    )


def _names(schema: Any, depth: int) -> dict[str, Any]:
    """The parameters of a schema by name, nested ones too, all of them required; what it says of them is left
    out."""
    properties = schema.get("properties") if is_mapping(schema) else None
    if depth > _DEEPEST or not is_mapping(properties):
        return {}
    names = {str(name): _names(inner, depth + 1) for name, inner in properties.items()}
    return {"properties": names, "required": list(names)}
