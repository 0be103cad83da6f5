"""What each parameter of a tool is for: whom or what a call touches, how much and when, or what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from pilotman.guardrails.gate.literals import canonical_number
from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.lexicon import STOP_WORDS, word_set
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
    number code role permission scope policy sku article product asset booking reservation visit
    appointment patient claim deal lead post thread door gate lamp light camera vehicle driver student
    course teacher song track video photo package parcel shipment contract issue job pipeline instance
    volume wallet card loan meter zone alarm"""
)
_CONTENTS = stem_set(
    """body content contents text message subject title description note notes comment comments summary
    reason caption detail details memo remark greeting headline label tag tags purpose explanation
    what why grounds wording cause suspicion occasion feedback review signature bio topic reference question
    answer option options query instruction instructions snippet"""
)
_VALUES = stem_set(
    """amount date time datetime start end begin until day days hour hours minute minutes month year price
    cost total quantity qty count limit size duration frequency interval recurring status state priority
    severity percent percentage rate rating discount nights nightly adults seats currency password
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
_NAMING = word_set(
    "create add open file register make generate write post publish save submit new draft issue"
)
_GIVEN: Mapping[Any, Role] = {"target": "target", "value": "value", "content": "content"}
_TITLES = stem_set("name title filename code slug")
_NUMBERED = _TARGETS - _VALUES
_ANEW = stem_set("new value setting")
_DEEPEST, _LONGEST, _PROSE, _READ = 8, 500, 4, 65
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_TARGET: Mapping[str, Any] = MappingProxyType({"x-role": "target"})
_TOLD = stem_set("reference memo purpose reason description subject body text code slug")
"""Contents that tell something, never which one."""
_MOST_KNOWN = 1_000
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[-+]\d\d:?\d\d)?)?")
_IDENTIFIER = re.compile(r"(?=\S*\d)(?=\S*[A-Za-z])[\w.#@-]{4,64}")


MOST_PARTS = 200
"""Values in the arguments of one call: whoever needs more calls more often."""


class _About(NamedTuple):
    """The role of a parameter, the stems of its name, what may be chosen for it, and whether it has its role
    only because no call goes without it."""

    role: Role
    nouns: frozenset[str]
    options: tuple[str, ...]
    strange: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One scalar of a call's arguments: where it stands, what for, and its value.

    ``several``: others may stand there beside it.
    """

    path: str
    role: Role
    value: str | int | float | bool
    nouns: frozenset[str]
    options: tuple[str, ...]
    several: bool = False


def parts(args: Mapping[str, Any], schema: Mapping[str, Any], *, verb: str) -> list[Part]:
    """The parts of one call: ``Roles.parts`` for whoever asks once."""
    return Roles(schema, verb=verb).parts(args)


class Roles:
    """The parameters of one tool. What its schema says of each is worked out once.

    A parameter's role is its schema's ``x-role`` where that is given, else inferred from its format, type,
    name and description. ``verb`` is what the tool does: what names a new thing is no target.
    """

    def __init__(self, schema: Mapping[str, Any], *, verb: str) -> None:
        self._root, self._verb = schema, verb
        # By id: a schema is no key. All of them are kept here, so no id comes to mean another.
        self._kept: dict[int, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        self._items: dict[int, tuple[Mapping[str, Any], Mapping[str, Any]]] = {}
        self._told: dict[tuple[str, int, bool], _About] = {}

    def parts(self, args: Mapping[str, Any]) -> list[Part]:
        """The scalars of a call with their roles: the first ``MOST_PARTS``, and one more.

        None and empty values say nothing and are left out.
        """
        return list(islice(self._parts("", args, self._root, 0, False), MOST_PARTS + 1))

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of the tool's parameters."""
        return frozenset(map(str, _mapping(self._root, "properties")))

    def narrowing(self, args: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The targets that a call could name and does not, each with the stem of its noun: a call without
        them reaches further."""
        return [one for one in self._outer_targets if args.get(one[0]) in (None, "", [], {})]

    @cached_property
    def _outer_targets(self) -> list[tuple[str, str]]:
        known = _mapping(self._resolved(self._root), "properties")
        found = [str(name) for name, schema in known.items() if is_mapping(schema)]
        plain = [(name, words(name)) for name in found]
        return [
            (name, stem(said[0]))
            for name, said in plain
            if len(said) == 1 and self._part(name, "", self._resolved(known[name]), False).role == "target"
        ]

    def _parts(
        self, path: str, value: Any, schema: Mapping[str, Any], depth: int, needed: bool
    ) -> Iterator[Part]:
        if value is None or value in ("", [], {}):
            return
        schema = self._resolved(schema)
        if depth > _DEEPEST:  # nobody looks so deep: a target that nothing names
            yield self._part(path, "nested too deep", _TARGET, False)
        elif is_mapping(value):
            required = schema.get("required")
            required = required if is_list(required) else ()
            for name, item in value.items():
                inner = _mapping(schema, "properties").get(str(name))
                if inner is None:  # whoever chose the name may mean something by it
                    yield self._part(path or str(name), str(name), _NOTHING, False)
                    inner = _mapping(schema, "additionalProperties")
                place = f"{path}.{name}" if path else str(name)
                yield from self._parts(
                    place, item, inner if is_mapping(inner) else _NOTHING, depth + 1, str(name) in required
                )
        elif is_list(value):
            inner = self._item(schema)
            for item in value:
                for part in self._parts(path, item, inner, depth + 1, needed):
                    yield replace(part, several=True)
        else:
            plain = value if isinstance(value, str | int | float) else str(value)
            yield self._part(path, plain, schema, needed)

    def _part(self, path: str, value: str | float, schema: Mapping[str, Any], needed: bool) -> Part:
        key = (path, id(schema), needed)
        told = self._told.get(key)
        if told is None:
            told = _about(path, schema, self._verb, needed)
            if len(self._told) < _MOST_KNOWN:
                self._told[key] = told
        role, nouns, options, strange = told
        if strange:
            role = _of_strange(value, nouns)
        if "x-role" not in schema:
            role = _of_value(str(value)[:_READ], role, nouns)
        return Part(path=path, role=role, value=value, nouns=nouns, options=options)

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        known = self._kept.get(id(schema))
        if known is None:
            known = self._kept[id(schema)] = (schema, _resolved(schema, self._root))
        return known[1]

    def _item(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        known = self._items.get(id(schema))
        if known is None:
            inner = {**schema, **(_mapping(schema, "items") or {"type": "string"})}
            known = self._items[id(schema)] = (schema, inner)
        return known[1]


def _about(path: str, schema: Mapping[str, Any], verb: str, needed: bool) -> _About:
    """What is known of a parameter whatever its value is."""
    name, outer = path.rsplit(".", 1)[-1], "." not in path
    role = role_of(name, schema, verb=verb if outer else "", needed=needed and outer)
    options = schema.get("enum")
    chosen = tuple(str(option) for option in options) if is_list(options) else ()
    strange = role == "target" and role_of(name, schema, verb=verb if outer else "") != "target"
    return _About(role, frozenset(stem(word) for word in words(name)), chosen, strange)


def _of_value(text: str, role: Role, nouns: frozenset[str]) -> Role:
    """A moment is no target whatever its name is, and an identifier no content: "message" is which one."""
    if role == "target" and _MOMENT.fullmatch(text):
        return "value"
    named = role == "content" and nouns.isdisjoint(_TOLD) and _IDENTIFIER.fullmatch(text)
    return "target" if named else role


def _of_strange(value: str | float, nouns: frozenset[str]) -> Role:
    """A needed noun that nobody knows is a target, but for prose and for a number that is to be a new one."""
    if nouns <= _ANEW and canonical_number(str(value)) is not None:
        return "value"
    said = str(value)[:_LONGEST].casefold().split()
    return "content" if len(said) >= _PROSE and sum(word in STOP_WORDS for word in said) > 1 else "target"


def _mapping(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = schema.get(key)
    return found if is_mapping(found) else _NOTHING


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


def role_of(name: str, schema: Mapping[str, Any], *, verb: str = "", needed: bool = False) -> Role:
    """The role of one parameter. ``needed``: no call goes without it; a strange noun then is a target."""
    named = [stem(word) for word in words(name)]
    told = _told(name, schema, named)
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
    if isinstance(longest, int) and longest > 200:
        return "content"
    return "target" if needed and schema.get("type", "string") == "string" else "value"


def _told(name: str, schema: Mapping[str, Any], named: list[str]) -> Role | None:
    """The role that the schema itself gives: by name, by its type or by its format."""
    given, form = schema.get("x-role"), schema.get("format")
    if given in _GIVEN:
        return _GIVEN[given]
    if schema.get("type") == "boolean" or is_list(schema.get("enum")) or "const" in schema:
        return "value"
    if isinstance(form, str) and form in _FORMATS:
        return _FORMATS[form]
    if schema.get("type") in ("number", "integer"):
        return _of_number(name, named)
    return None


def _of_number(name: str, named: list[str]) -> Role:
    """A number is a quantity, unless a noun in the singular says that it stands for one thing."""
    if {"id", "account", "key"} & set(named):
        return "target"
    return "target" if named and named[-1] in _NUMBERED and not name.endswith("s") else "value"


_ROLES: tuple[tuple[Role, frozenset[str]], ...] = (
    ("content", _CONTENTS),
    ("value", _VALUES),
    ("target", _TARGETS),
)
