"""Whom or what a call is about: the part of its arguments that a person's no holds for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotman.agents.tool import Tool
from pilotman.guardrails.gate.deeds import deed
from pilotman.guardrails.gate.literals import canonical
from pilotman.guardrails.gate.pinned import vouched
from pilotman.guardrails.gate.roles import Part, parts


def target_of(tool: Tool[..., Any], args: Mapping[str, Any]) -> tuple[str, ...]:
    """The arguments that name a target, each as ``name=value`` in one spelling.

    Of a tool with identity fields those among them, or all of them if none names a target: the rest, such as
    an amount or a text, is what may be said in another way. Empty: only the very same call is the same.
    """
    told = vouched(tool)
    verb = deed(told.name, told.description, told.args_schema).verb
    found = parts(args, told.args_schema, verb=verb)
    own = [part for part in found if _field(part) in tool.identity] if tool.identity else found
    targets = [part for part in own if part.role == "target"] or (own if tool.identity else [])
    return tuple(sorted({f"{part.path}={canonical(str(part.value))}" for part in targets}))


def _field(part: Part) -> str:
    """The argument that the part stands in."""
    return part.path.partition(".")[0]
