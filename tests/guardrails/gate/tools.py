"""Tools as their teams describe them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotman.guardrails.policy import Effect


@dataclass(frozen=True)
class Tool:
    """A tool's pinned metadata."""

    name: str
    description: str
    effect: Effect
    args_schema: Mapping[str, Any]
    third_party: bool | Sequence[str] = False


def tool(
    name: str, effect: Effect, about: str = "", /, *, third_party: bool | Sequence[str] = False, **types: str
) -> Tool:
    """A tool with parameters of these JSON types."""
    properties = {key: {"type": kind} for key, kind in types.items()}
    return Tool(name, about, effect, {"type": "object", "properties": properties}, third_party)
