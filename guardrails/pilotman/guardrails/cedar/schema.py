"""Cedar schemas as data: read from Cedar's text or JSON form, and written as JSON for one request.

Source: the grammar at https://docs.cedarpolicy.com/schema/human-readable-schema-grammar.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import cedarpy

from pilotman.guardrails.cedar.depth import checked


@dataclass(frozen=True)
class Named:
    """A primitive, an extension type, an entity type or a common type, by name."""

    name: str


@dataclass(frozen=True)
class SetOf:
    """A set of values of one type."""

    element: Type


@dataclass(frozen=True)
class Attribute:
    """One attribute of a record."""

    type: Type
    required: bool = True


@dataclass(frozen=True)
class Record:
    """A closed record."""

    attributes: Mapping[str, Attribute]


Type: TypeAlias = Named | SetOf | Record
NOTHING = Record({})
PRESENCE = Named("?")
"""A value that nobody looks at: it travels as true."""


@dataclass(frozen=True)
class EntityType:
    """An entity type: what it may be in, and its attributes; an enumeration has values instead."""

    parents: tuple[str, ...] = ()
    shape: Record = NOTHING
    tags: Type | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Action:
    """An action; a group of actions applies to nothing."""

    parents: tuple[str, ...] = ()
    principals: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    context: Type = NOTHING

    @property
    def is_group(self) -> bool:
        return not self.principals


@dataclass(frozen=True)
class Schema:
    """A whole schema. No common type is left in it: each is replaced by what it stands for."""

    entities: Mapping[str, EntityType] = field(default_factory=dict[str, EntityType])
    actions: Mapping[str, Action] = field(default_factory=dict[str, Action])

    def handle(self) -> cedarpy.Schema:
        """The schema as Cedar's own, ready for use. Names need no quoting: they travel as JSON."""
        return cedarpy.Schema.from_json_str(json.dumps(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """Cedar's JSON form."""
        entities = {name: _entity_json(kind) for name, kind in self.entities.items()}
        actions = {name: _action_json(action) for name, action in self.actions.items()}
        return {"": {"entityTypes": entities, "actions": actions}}


def read(text: str) -> Schema:
    """Read a schema in Cedar's text or JSON form.

    Raises:
        ValueError: it is no valid schema, or it uses namespaces.
    """
    checked(text)
    is_json = text.lstrip().startswith("{")
    handle = cedarpy.Schema.from_json_str(text) if is_json else cedarpy.Schema.from_str(text)
    try:
        return _Reader(str(handle)).schema()
    except (KeyError, IndexError) as error:
        raise ValueError(f"it holds what this version does not know: {error}") from error


_TOKEN = re.compile(r'\s+|//[^\n\r]*|("(?:\\.|[^"\\])*")|([A-Za-z_]\w*(?:::[A-Za-z_]\w*)*)|(::|[^\s])')
_ESCAPE = re.compile(r"\\(?:u\{([0-9a-fA-F]+)\}|x([0-9a-fA-F]{2})|(.))")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


def unquoted(literal: str) -> str:
    """What a string literal of Cedar stands for."""

    def character(match: re.Match[str]) -> str:
        code = match[1] or match[2]
        return chr(int(code, 16)) if code else _PLAIN.get(match[3], match[3])

    return _ESCAPE.sub(character, literal[1:-1])


class _Reader:
    """A recursive descent over text that Cedar itself has written, so that it is known to be well formed."""

    def __init__(self, text: str) -> None:
        self._tokens = [match[0] for match in _TOKEN.finditer(text) if match.lastindex]
        self._at = 0
        self._commons: dict[str, Type] = {}
        self._entities: dict[str, EntityType] = {}
        self._shapes: dict[str, Type] = {}
        self._actions: dict[str, Action] = {}

    def schema(self) -> Schema:
        while self._at < len(self._tokens):
            self._declaration()
        entities = {name: self._complete(name, kind) for name, kind in self._entities.items()}
        actions = {
            name: Action(a.parents, a.principals, a.resources, self._resolved(a.context))
            for name, a in self._actions.items()
        }
        return Schema(entities, actions)

    def _complete(self, name: str, kind: EntityType) -> EntityType:
        shape = self._resolved(self._shapes.get(name, NOTHING))
        if not isinstance(shape, Record):
            raise ValueError(f"the attributes of {name} are no record")
        return EntityType(kind.parents, shape, kind.tags and self._resolved(kind.tags), kind.values)

    def _declaration(self) -> None:
        self._annotations()
        keyword = self._next()
        if keyword == "namespace":
            raise ValueError(f"namespaces are not supported: declare {self._next()}'s types without one")
        names = [self._name(), *(self._name() for _ in self._while(","))]
        declare = {"entity": self._entity, "action": self._action, "type": self._common}[keyword]
        declare(names)
        self._take(";")

    def _entity(self, names: list[str]) -> None:
        if self._take("enum"):
            self._entities.update(dict.fromkeys(names, EntityType(values=self._names())))
            return
        parents = self._names() if self._take("in") else ()
        shape = self._type() if self._take("=") or self._peek() == "{" else NOTHING
        tags = self._type() if self._take("tags") else None
        self._shapes.update(dict.fromkeys(names, shape))
        self._entities.update(dict.fromkeys(names, EntityType(parents, tags=tags)))

    def _action(self, names: list[str]) -> None:
        parents = self._names() if self._take("in") else ()
        found: dict[str, Any] = {}
        if self._take("appliesTo"):
            self._take("{")
            while not self._take("}"):
                part = self._next()
                self._take(":")
                found[part] = self._type() if part == "context" else self._names()
                self._take(",")
        action = Action(
            parents, found.get("principal", ()), found.get("resource", ()), found.get("context", NOTHING)
        )
        self._actions.update(dict.fromkeys(names, action))

    def _common(self, names: list[str]) -> None:
        self._take("=")
        self._commons[names[0]] = self._type()

    def _type(self) -> Type:
        if self._take("{"):
            attributes: dict[str, Attribute] = {}
            while not self._take("}"):
                self._annotations()
                name, optional = self._name(), self._take("?")
                self._take(":")
                attributes[name] = Attribute(self._type(), required=not optional)
                self._take(",")
            return Record(attributes)
        name = self._next()
        if name == "Set" and self._take("<"):
            element = self._type()
            self._take(">")
            return SetOf(element)
        return Named(name.removeprefix("__cedar::"))

    def _resolved(self, type: Type) -> Type:
        match type:
            case Named(name):
                return self._resolved(self._commons[name]) if name in self._commons else type
            case SetOf(element):
                return SetOf(self._resolved(element))
            case Record():
                return self._record(type)

    def _record(self, type: Record) -> Record:
        return Record(
            {name: Attribute(self._resolved(a.type), a.required) for name, a in type.attributes.items()}
        )

    def _names(self) -> tuple[str, ...]:
        if not self._take("["):
            return (self._name(),)
        found: list[str] = []
        while not self._take("]"):
            found.append(self._name())
            self._take(",")
        return tuple(found)

    def _name(self) -> str:
        """An identifier, a string, or an entity such as ``Action::"write"``."""
        word = self._next()
        if self._take("::"):
            word = self._next()
        return unquoted(word) if word.startswith('"') else word

    def _annotations(self) -> None:
        while self._take("@"):
            self._next()
            if self._take("("):
                self._next()
                self._take(")")

    def _while(self, token: str) -> Iterator[None]:
        while self._take(token):
            yield

    def _peek(self) -> str:
        return self._tokens[self._at]

    def _next(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, token: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == token:
            self._at += 1
            return True
        return False


def _type_json(type: Type) -> dict[str, Any]:
    match type:
        case Named(name):
            return {"type": "EntityOrCommon", "name": "Bool" if type == PRESENCE else name}
        case SetOf(element):
            return {"type": "Set", "element": _type_json(element)}
        case Record(attributes):
            return {
                "type": "Record",
                "attributes": {
                    name: {**_type_json(a.type), "required": a.required} for name, a in attributes.items()
                },
            }


def _entity_json(kind: EntityType) -> dict[str, Any]:
    if kind.values:
        return {"enum": list(kind.values)}
    found: dict[str, Any] = {"memberOfTypes": list(kind.parents), "shape": _type_json(kind.shape)}
    return found if kind.tags is None else {**found, "tags": _type_json(kind.tags)}


def _action_json(action: Action) -> dict[str, Any]:
    found: dict[str, Any] = {"memberOf": [{"id": name} for name in action.parents]}
    if action.is_group:
        return found
    found["appliesTo"] = {
        "principalTypes": list(action.principals),
        "resourceTypes": list(action.resources),
        "context": _type_json(action.context),
    }
    return found
