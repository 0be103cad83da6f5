"""What a tool call came to: ok, partial or error, always JSON-able and clean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import orjson

from pilotman.agents.json_value import is_array, is_object
from pilotman.guardrails.digest import canonical
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


# ECMA-48 control sequences: CSI, then strings (OSC, DCS, SOS, PM, APC) with their terminator, then the rest.
# A string that is not terminated soon only loses its introducer: it must not swallow the text behind it.
_ANSI = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]{0,512}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]*[0-~]?"
)
# C0 and C1 controls but tab and line feed, and what Unicode calls Default_Ignorable_Code_Point
# (DerivedCoreProperties.txt) or bidirectional control: seen by a model, not by a person.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BREAKS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean_text(text: str) -> str:
    """Text as a person would see it: no terminal escapes, control, zero-width or bidirectional characters."""
    if text.isascii() and text.isprintable():
        return text
    text = _ANSI.sub("", text)
    text = _BREAKS.sub("\n", text)
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", _HIDDEN.sub("", text))


def clean(value: Any) -> Any:
    """A JSON-able value with every text in it cleaned, keys too."""
    if isinstance(value, str):
        return clean_text(value)
    if is_object(value):
        return _clean_mapping(value)
    if is_array(value):
        return [clean(item) for item in value]
    return value


def _clean_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    cleaned: dict[str, Any] = {}
    for key, value in mapping.items():
        name = clean_text(str(key))
        while name in cleaned:  # two keys that look the same: neither may hide the other
            name += "'"
        cleaned[name] = clean(value)
    return cleaned
