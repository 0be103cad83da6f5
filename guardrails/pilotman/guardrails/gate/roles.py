"""What each parameter of a tool is for: whom or what a call touches, how much and when, or what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.words import stem, words

Role: TypeAlias = Literal["target", "value", "content"]

_TARGETS = frozenset(
    stem(word)
    for word in """id ids identifier uuid guid key email mail address recipient to cc bcc receiver sender user
    username account iban card url uri link href endpoint webhook host hostname server domain ip machine node
    cluster namespace service path file filename folder directory bucket channel group room team repo
    repository branch customer client contact person people participant attendee member guest invitee phone
    mobile handle owner assignee payee beneficiary vendor supplier merchant company organisation organization
    org hotel restaurant flight destination database table device tenant project queue calendar ticket
    order invoice subscription playlist album record document page resource target name number code role
    permission scope policy""".split()
)
_CONTENTS = frozenset(
    stem(word)
    for word in """body content contents text message subject title description note notes comment comments
    summary reason caption detail details memo remark greeting headline label tag tags purpose explanation
    feedback review signature bio topic question answer option options query instruction instructions snippet""".split()
)
_VALUES = frozenset(
    stem(word)
    for word in """amount date time datetime start end begin until day days hour hours minute minutes month year
    price cost total quantity qty count limit size duration frequency interval recurring status state priority
    severity percent percentage rate rating discount nights nightly guests adults seats currency password
    secret pin enabled visibility format replicas version budget weight height length width temperature level
    score timezone deadline due expiry expires schedule when from""".split()
)
_FORMATS: Mapping[str, Role] = {
    "email": "target",
    "uri": "target",
    "uri-reference": "target",
    "uuid": "target",
    "hostname": "target",
    "ipv4": "target",
    "ipv6": "target",
    "date": "value",
    "date-time": "value",
    "time": "value",
    "duration": "value",
    "password": "value",
}
_NAMING = word_set("create add open file register make generate write post publish save submit new draft")
_DEEPEST = 8
_IDENTIFIER = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w.#@-]{4,64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One scalar of a call's arguments: where it stands, what for, and its value."""

    path: str
    role: Role
    value: str | int | float | bool
    nouns: frozenset[str]
    options: tuple[str, ...]


def parts(args: Mapping[str, Any], schema: Mapping[str, Any], *, verb: str) -> list[Part]:
    """The scalars of a call with their roles. None and empty values say nothing and are left out.

    A parameter's role is its schema's ``x-role`` where that is given, else inferred from its format, type,
    name and description. ``verb`` is what the tool does: what names a new thing is no target.
    """
    return list(_parts("", args, schema, schema, verb, 0))


def _parts(
    path: str, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], verb: str, depth: int
) -> Iterator[Part]:
    if depth > _DEEPEST or value is None or value in ("", [], {}):
        return
    schema = _resolved(schema, root)
    if isinstance(value, Mapping):
        fields: Mapping[str, Any] = schema.get("properties", {})
        rest = schema.get("additionalProperties")
        for name, item in cast("Mapping[str, Any]", value).items():
            inner = fields.get(name) or (rest if isinstance(rest, Mapping) else {})
            yield from _parts(f"{path}.{name}" if path else name, item, inner, root, verb, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        items = schema.get("items")
        inner = {**schema, **(items if isinstance(items, Mapping) else {"type": "string"})}
        for item in cast("Sequence[Any]", value):
            yield from _parts(path, item, inner, root, verb, depth + 1)
    else:
        name = path.rsplit(".", 1)[-1]
        scalar = value if isinstance(value, str | int | float) else str(value)
        role = role_of(name, schema, verb=verb)
        if role == "content" and _IDENTIFIER.fullmatch(str(scalar)) and "x-role" not in schema:
            role = "target"  # "message": here no text, but which one
        nouns = frozenset(stem(word) for word in words(name))
        yield Part(path=path, role=role, value=scalar, nouns=nouns, options=tuple(schema.get("enum", ())))


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself: local references followed, of alternatives the first that is no null."""
    for _ in range(_DEEPEST):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/$defs/"):
            schema = {**schema, **root.get("$defs", {}).get(reference[8:], {}), "$ref": None}
            continue
        options: list[Any] = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
        known = [o for o in options if isinstance(o, Mapping) and o.get("type") != "null"]
        if not known:
            return schema
        kept = {k: v for k, v in schema.items() if k not in {"anyOf", "oneOf", "allOf"}}
        schema = {**cast("Mapping[str, Any]", known[0]), **kept}
    return schema


def role_of(name: str, schema: Mapping[str, Any], *, verb: str = "") -> Role:
    """The role of one parameter."""
    given = schema.get("x-role")
    if given in ("target", "value", "content"):
        return cast("Role", given)
    kind, form = schema.get("type"), schema.get("format")
    if kind == "boolean" or "enum" in schema or "const" in schema:
        return "value"
    if form in _FORMATS:
        return _FORMATS[form]
    named = [stem(word) for word in words(name)]
    if kind in ("number", "integer"):
        return "target" if {"id", "account", "key"} & set(named) else "value"
    if verb in _NAMING and named and named[-1] in {"name", "titl", "filenam", "title", "filename"}:
        return "content"
    for word in reversed(named):  # the last word of a name is its noun
        for role, known in _ROLES:
            if word in known:
                return role
    said = [stem(word) for word in words(str(schema.get("description", "")))[:12]]
    for role, known in _ROLES:
        if known.intersection(said):
            return role
    longest = schema.get("maxLength")
    return "content" if isinstance(longest, int) and longest > 200 else "value"


_ROLES: tuple[tuple[Role, frozenset[str]], ...] = (
    ("content", _CONTENTS),
    ("value", _VALUES),
    ("target", _TARGETS),
)
