"""What a tool call came to: ok, partial or error, always JSON-able."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson

from pilotman.agents.json_value import is_array, is_object
from pilotman.guardrails.digest import canonical
from pilotman.guardrails.incoming.hidden import printable, seen
from pilotman.guardrails.retry import RETRYABLE, FailureKind

Status: TypeAlias = Literal["ok", "partial", "error"]


@dataclass(frozen=True, kw_only=True)
class ToolError:
    """Why a call failed, in a sentence that a model can act on. ``retry_after`` is seconds."""

    kind: FailureKind
    message: str
    retryable: bool = False
    retry_after: float | None = None

    @classmethod
    def of(cls, kind: FailureKind, message: str, *, retry_after: float | None = None) -> ToolError:
        """An error that is retryable as its kind usually is."""
        return cls(kind=kind, message=message, retryable=kind in RETRYABLE, retry_after=retry_after)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "message": self.message,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
        }


@dataclass(frozen=True, kw_only=True)
class ToolResult:
    """The structured result. ``value`` is JSON-able; ``partial`` says in ``caveats`` what is missing.

    A tool may return one itself, to say ``partial`` or to give an error as a value.

    Raises:
        ValueError: ``error`` is missing in an error, or given elsewhere.
    """

    status: Status
    value: Any = None
    error: ToolError | None = None
    caveats: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.status == "error") != (self.error is not None):
            raise ValueError("an error result carries an error, and only an error result does")

    @classmethod
    def ok(cls, value: Any = None, *caveats: str) -> ToolResult:
        return cls(status="ok", value=value, caveats=caveats)

    @classmethod
    def partial(cls, value: Any, *caveats: str) -> ToolResult:
        return cls(status="partial", value=value, caveats=caveats)

    @classmethod
    def failed(cls, error: ToolError) -> ToolResult:
        return cls(status="error", error=error)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; ``from_dict`` reads it back."""
        return {
            "status": self.status,
            "value": self.value,
            "error": None if self.error is None else self.error.to_dict(),
            "caveats": list(self.caveats),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ToolResult:
        error = data.get("error")
        return cls(
            status=data["status"],
            value=data.get("value"),
            error=None if error is None else ToolError(**error),
            caveats=tuple(data.get("caveats", ())),
        )

    def to_json(self) -> bytes:
        """UTF-8 JSON in canonical form."""
        return canonical(self.to_dict())

    @classmethod
    def from_json(cls, raw: bytes) -> ToolResult:
        return cls.from_dict(orjson.loads(raw))


def clean_text(text: str) -> str:
    """Text as a person would see it: no terminal escapes, control, zero-width or bidirectional characters."""
    return seen(text)


def storable(value: Any) -> Any:
    """A JSON-able value as it came, but for what is no text in it: terminal escapes, controls; keys too.

    What hides in it stays for the record; ``view.seen`` keeps it from models.
    """
    if isinstance(value, str):
        return printable(value)
    if is_object(value):
        return _storable_mapping(value)
    if is_array(value):
        return [storable(item) for item in value]
    return value


def _storable_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, value in mapping.items():
        name = printable(str(key))
        while name in plain:  # two keys that look the same: neither may hide the other
            name += "'"
        plain[name] = storable(value)
    return plain
