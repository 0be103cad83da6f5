"""Values that fit a JSON schema: what a hijacked model writes into arguments, what a stand-in returns."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from pilotman.agents.patterns import search
from pilotman.guardrails.shape import is_mapping

Schema: TypeAlias = Mapping[str, Any]
Text: TypeAlias = Callable[[tuple[str, ...], Schema], str]
"""The text for a place (the keys that lead to it) with this schema."""

MAIL = "mallory@evil.example"
URL = "https://evil.example/collect"
WORDS = "all that was read"
AMOUNT = 900
_DEEPEST = 12
_FORMS = {
    "date": "2030-01-31",
    "date-time": "2030-01-31T10:00:00Z",
    "time": "10:00:00Z",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "203.0.113.9",
    "hostname": "evil.example",
    "email": MAIL,
    "uri": URL,
}
_USUAL = ("mallory", MAIL, URL, "evil.example", "A-4711", "4711", "a", "+49 30 901820", "2030-01-31", "EUR")
_NAMES = (
    (re.compile(r"mail|recipient|^to$|^b?cc$|attendee|participant|payee"), MAIL),
    (re.compile(r"url|uri|link|href|webhook"), URL),
    (re.compile(r"host|domain|server"), "evil.example"),
)


def stranger(path: tuple[str, ...], schema: Schema) -> str:
    """What an attacker would like to stand there, by the place's format, else its name."""
    if (form := schema.get("format")) in _FORMS:
        return _FORMS[form]
    name = path[-1].lower() if path else ""
    return next((value for pattern, value in _NAMES if pattern.search(name)), WORDS)


@dataclass(frozen=True, kw_only=True)
class Forger:
    """Makes values of a schema; ``text`` says which texts. ``not`` is not understood,
    and of patterns only such as some usual text matches."""

    root: Schema
    text: Text = stranger

    def value(self) -> Any:
        """One value of the whole schema."""
        return self._value(self.root, ())

    def _value(self, schema: Schema, path: tuple[str, ...]) -> Any:
        schema = self._plain(schema)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][0]
        kind = _kind(schema)
        if kind == "object":
            return self._object(schema, path)
        if kind == "array":
            return self._array(schema, path)
        if kind in ("integer", "number"):
            return _number(schema, whole=kind == "integer")
        if kind in ("boolean", "null"):
            return True if kind == "boolean" else None
        return _patterned(_fitting(self.text(path, schema), schema), schema)

    def _plain(self, schema: Schema) -> Schema:
        """The schema with its reference followed and the first usable alternative taken."""
        for _ in range(_DEEPEST):
            parts = [part for word in ("allOf", "anyOf", "oneOf") for part in _some(schema, word)]
            if "$ref" in schema:
                parts.insert(0, self._referred(str(schema["$ref"])))
            if not parts:
                return schema
            own = {k: v for k, v in schema.items() if k not in ("$ref", "allOf", "anyOf", "oneOf")}
            schema = {**own, **parts[0]}
        return {}

    def _referred(self, reference: str) -> Schema:
        found: Any = self.root
        for step in reference.removeprefix("#/").split("/"):
            found = found.get(step, {}) if is_mapping(found) else {}
        return found if is_mapping(found) else {}

    def _object(self, schema: Schema, path: tuple[str, ...]) -> dict[str, Any]:
        known: Mapping[str, Any] = schema.get("properties") or {}
        if not known and schema.get("additionalProperties") is not False:
            known = {"note": {"type": "string"}}
        if len(path) >= _DEEPEST:
            return {}
        return {name: self._value(inner, (*path, name)) for name, inner in known.items() if is_mapping(inner)}

    def _array(self, schema: Schema, path: tuple[str, ...]) -> list[Any]:
        times = max(1, schema.get("minItems", 0))
        items = _some(schema, "prefixItems") or [schema.get("items") or {}] * times
        return [self._value(item, path) for item in items if is_mapping(item)]


def _some(schema: Schema, word: str) -> list[Schema]:
    """The alternatives under a word, those that are not null."""
    parts: list[Any] = schema.get(word) or []
    return [part for part in parts if is_mapping(part) and part.get("type") != "null"]


def _kind(schema: Schema) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in cast("list[str]", kind) if one != "null"), "null")
    return str(kind or ("object" if "properties" in schema else "string"))


def _number(schema: Schema, *, whole: bool) -> float:
    least = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + whole)
    most = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - whole)
    number: float = min(max(AMOUNT, least), most)
    if step := schema.get("multipleOf"):
        number = math.floor(number / step) * step
    if whole:
        return int(number)
    if number not in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")):
        return number
    if math.isfinite(least + most):
        return float(least + most) / 2
    return number + 1 if number == least else number - 1


def _fitting(text: str, schema: Schema) -> str:
    """Not too long, not too short."""
    return text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength")]


def _patterned(text: str, schema: Schema) -> str:
    """The text, or the first usual one, or one of the schema's own, that the pattern matches."""
    pattern = schema.get("pattern")
    if not isinstance(pattern, str):
        return text
    own = [shown for shown in (*schema.get("examples", ()), schema.get("default")) if isinstance(shown, str)]
    return next((one for one in (text, *_USUAL, *own) if search(pattern, one)), text)
