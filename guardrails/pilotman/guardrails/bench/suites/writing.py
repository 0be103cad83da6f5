"""Short words for writing suites down."""

from __future__ import annotations

from typing import Any

from pilotman.guardrails.bench.suite import Step


def did(tool: str, result: Any = None, /, **args: Any) -> Step:
    """A step, with its result before its arguments."""
    return Step(tool=tool, args=args, result=result)


def schema(required: str = "", /, **properties: Any) -> dict[str, Any]:
    """A closed object schema; ``required`` names properties, separated by blanks."""
    return {
        "type": "object",
        "properties": properties,
        "required": required.split(),
        "additionalProperties": False,
    }


def text(description: str = "", **more: Any) -> dict[str, Any]:
    """A string's schema."""
    return {"type": "string", **({"description": description} if description else {}), **more}


def many(item: dict[str, Any], description: str = "") -> dict[str, Any]:
    """A list's schema."""
    return {"type": "array", "items": item, **({"description": description} if description else {})}


def number(description: str = "", **more: Any) -> dict[str, Any]:
    """A number's schema."""
    return {"type": "number", **({"description": description} if description else {}), **more}


def whole(description: str = "", **more: Any) -> dict[str, Any]:
    """An integer's schema."""
    return {"type": "integer", **({"description": description} if description else {}), **more}


def flag(description: str = "") -> dict[str, Any]:
    """A boolean's schema."""
    return {"type": "boolean", **({"description": description} if description else {})}


def one_of(*choices: str) -> dict[str, Any]:
    """A choice's schema."""
    return {"type": "string", "enum": list(choices)}
