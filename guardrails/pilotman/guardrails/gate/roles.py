"""What each parameter of a tool is for: whom or what a call touches, how much and when, or what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeAlias

from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.words import stem, stem_set, words

Role: TypeAlias = Literal["target", "value", "content"]

_TARGETS = stem_set(
    """id ids identifier uuid guid key email mail address recipient to cc bcc receiver sender user username
    account iban card url uri link href endpoint webhook host hostname server domain ip machine node
    cluster namespace service path file filename folder directory bucket channel group room team repo
    repository branch customer client contact person people participant attendee member guest invitee
    phone mobile handle owner assignee payee beneficiary vendor supplier merchant company organisation
    organization org hotel restaurant flight destination database table device tenant project queue
    calendar ticket order invoice subscription playlist album record document page resource target name
    number code role permission scope policy"""
)
_CONTENTS = stem_set(
    """body content contents text message subject title description note notes comment comments summary
    reason caption detail details memo remark greeting headline label tag tags purpose explanation
    feedback review signature bio topic question answer option options query instruction instructions
    snippet"""
)
_VALUES = stem_set(
    """amount date time datetime start end begin until day days hour hours minute minutes month year price
    cost total quantity qty count limit size duration frequency interval recurring status state priority
    severity percent percentage rate rating discount nights nightly guests adults seats currency password
    secret pin enabled visibility format replicas version budget weight height length width temperature
    level score timezone deadline due expiry expires schedule when from"""
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
_GIVEN: Mapping[Any, Role] = {"target": "target", "value": "value", "content": "content"}
_TITLES = stem_set("name title filename")
_DEEPEST, _LONGEST = 8, 500
_IDENTIFIER = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w.#@-]{4,64}")


MOST_PARTS = 200
"""Values in the arguments of one call: whoever needs more calls more often."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One scalar of a call's arguments: where it stands, what for, and its value."""

    path: str
    role: Role
    value: str | int | float | bool
    nouns: frozenset[str]
    options: tuple[str, ...]


def parts(args: Mapping[str, Any], schema: Mapping[str, Any], *, verb: str) -> list[Part]:
    """The scalars of a call with their roles: the first ``MOST_PARTS``, and one more.

    None and empty values say nothing and are left out.

    A parameter's role is its schema's ``x-role`` where that is given, else inferred from its format, type,
    name and description. ``verb`` is what the tool does: what names a new thing is no target.
    """
    return list(islice(_parts("", args, schema, schema, verb, 0), MOST_PARTS + 1))


def _parts(
    path: str, value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], verb: str, depth: int
) -> Iterator[Part]:
    if value is None or value in ("", [], {}):
        return
    schema = _resolved(schema, root)
    if depth > _DEEPEST:  # nobody looks so deep: a target that nothing names
        yield _part(path, "nested too deep", {"x-role": "target"}, verb)
    elif is_mapping(value):
        for name, item in value.items():
            inner = _mapping(schema, "properties").get(str(name))
            if inner is None:  # whoever chose the name may mean something by it
                yield _part(path or str(name), str(name), {}, verb)
                inner = _mapping(schema, "additionalProperties")
            yield from _parts(f"{path}.{name}" if path else str(name), item, inner, root, verb, depth + 1)
    elif is_list(value):
        inner = {**schema, **(_mapping(schema, "items") or {"type": "string"})}
        for item in value:
            yield from _parts(path, item, inner, root, verb, depth + 1)
    else:
        yield _part(path, value if isinstance(value, str | int | float) else str(value), schema, verb)


def _part(path: str, value: str | float, schema: Mapping[str, Any], verb: str) -> Part:
    name = path.rsplit(".", 1)[-1]
    role = role_of(name, schema, verb="" if "." in path else verb)
    if role == "content" and _IDENTIFIER.fullmatch(str(value)) and "x-role" not in schema:
        role = "target"  # "message": here no text, but which one
    nouns = frozenset(stem(word) for word in words(name))
    options = schema.get("enum")
    chosen = tuple(str(option) for option in options) if is_list(options) else ()
    return Part(path=path, role=role, value=value, nouns=nouns, options=chosen)


def _mapping(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = schema.get(key)
    return found if is_mapping(found) else {}


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself: local references followed, of alternatives the first that is no null."""
    for _ in range(_DEEPEST):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith("#/$defs/"):
            schema = {**schema, **_mapping(_mapping(root, "$defs"), reference[8:]), "$ref": None}
            continue
        options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
        known = [one for one in map(_schema, options) if one] if is_list(options) else []
        if not known:
            return schema
        schema = {**known[0], **{k: v for k, v in schema.items() if k not in ("anyOf", "oneOf", "allOf")}}
    return schema


def _schema(option: object) -> Mapping[str, Any]:
    """An alternative, unless it is null or no schema at all."""
    return option if is_mapping(option) and option.get("type") != "null" else {}


def role_of(name: str, schema: Mapping[str, Any], *, verb: str = "") -> Role:
    """The role of one parameter."""
    named = [stem(word) for word in words(name)]
    told = _told(schema, named)
    if told is not None:
        return told
    if verb in _NAMING and named and named[-1] in _TITLES:
        return "content"
    said = [stem(word) for word in words(str(schema.get("description", ""))[:_LONGEST])[:12]]
    for some in (*([word] for word in reversed(named)), said):  # the last word of a name is its noun
        for role, known in _ROLES:
            if known.intersection(some):
                return role
    longest = schema.get("maxLength")
    return "content" if isinstance(longest, int) and longest > 200 else "value"


def _told(schema: Mapping[str, Any], named: list[str]) -> Role | None:
    """The role that the schema itself gives: by name, by its type or by its format."""
    given, form = schema.get("x-role"), schema.get("format")
    if given in _GIVEN:
        return _GIVEN[given]
    if schema.get("type") == "boolean" or "enum" in schema or "const" in schema:
        return "value"
    if isinstance(form, str) and form in _FORMATS:
        return _FORMATS[form]
    if schema.get("type") in ("number", "integer"):
        return "target" if {"id", "account", "key"} & set(named) else "value"
    return None


_ROLES: tuple[tuple[Role, frozenset[str]], ...] = (
    ("content", _CONTENTS),
    ("value", _VALUES),
    ("target", _TARGETS),
)
