"""Whether a JSON schema can be a tool's: of bounded size and depth, about itself alone, not in circles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from pilotman.agents.json_value import is_array, is_object
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.incoming.hidden import seen

MAX_BYTES = 32_768
MAX_DEPTH = 64
"""Levels, those behind references included."""
MAX_NODES = 10_000
"""Values in the schema with every reference written out: what a validator may have to look at."""

_DATA = frozenset({"const", "default", "enum", "examples"})
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_ELSEWHERE = frozenset({"$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$anchor", "$id"})
_LONGEST_NAME = 128


@dataclass(frozen=True, slots=True)
class _Part:
    """What one part of a schema holds by itself: values, levels, and what it refers to, with the level."""

    nodes: int
    depth: int
    references: tuple[tuple[str, int], ...]


def check_sound(schema: Mapping[str, Any], name: str) -> None:
    """Refuse a schema that a model cannot be shown or that takes a validator for ever.

    Raises:
        ConfigurationError: too large or too deep, recursive, no JSON; the message names the tool.
    """
    part = _part(schema, name)
    try:
        size = len(orjson.dumps(schema))
    except TypeError as error:
        raise ConfigurationError(f"the schema of {name} is not JSON: {error}") from error
    if size > MAX_BYTES:
        raise ConfigurationError(
            f"the schema of {name} is too large for a model: {size} bytes", hint="split the tool"
        )
    _check_written_out(schema, part, name)


def check_foreign(schema: Mapping[str, Any], name: str) -> None:
    """Refuse, beside that, what a schema of somebody else's may not be.

    Raises:
        ConfigurationError: no object's, referring to elsewhere, or with names that hide something.
    """
    check_sound(schema, name)
    properties = schema.get("properties", {})
    if schema.get("type", "object") != "object" or not is_object(properties):
        raise ConfigurationError(f"the schema of {name} is no object's: tools take named arguments")
    for word in _ELSEWHERE & set(_words(schema)):
        raise ConfigurationError(f"the schema of {name} has {word}, which could make it refer to elsewhere")
    for argument in properties:
        if not 0 < len(argument) <= _LONGEST_NAME or argument != seen(argument) or not argument.isprintable():
            raise ConfigurationError(f"{name} has an argument that cannot be shown: {ascii(argument)[:100]}")


def _part(schema: Any, name: str) -> _Part:
    """Count without recursion: nobody knows yet how deep it is."""
    nodes = deepest = 0
    references: list[tuple[str, int]] = []
    waiting: list[tuple[Any, int, bool]] = [(schema, 0, False)]
    while waiting:
        node, depth, is_data = waiting.pop()
        nodes, deepest = nodes + 1, max(deepest, depth)
        if depth > MAX_DEPTH:
            raise ConfigurationError(
                f"the schema of {name} is nested too deeply, more than {MAX_DEPTH} levels"
            )
        if is_object(node):
            if isinstance(reference := node.get("$ref"), str) and not is_data:
                references.append((reference, depth))
            waiting += ((inner, depth + 1, is_data or word in _DATA) for word, inner in node.items())
        elif is_array(node):
            waiting += ((inner, depth + 1, is_data) for inner in node)
    return _Part(nodes, deepest, tuple(references))


def _check_written_out(schema: Mapping[str, Any], whole: _Part, name: str) -> None:
    """Size and depth with all references written out: a few parts can double themselves level by level."""
    parts: dict[str, _Part] = {"": whole}
    waiting = [reference for reference, _ in whole.references]
    while waiting:
        reference = waiting.pop()
        if reference not in parts:
            parts[reference] = _part(_resolve(schema, reference, name), name)
            waiting += (inner for inner, _ in parts[reference].references)
    sizes: dict[str, tuple[int, int]] = {}
    for reference in _inmost_first(parts, name):
        part = parts[reference]
        inner = [(sizes[target], level) for target, level in part.references]
        nodes = part.nodes + sum(size for (size, _), _ in inner)
        depth = max([part.depth, *(level + below for (_, below), level in inner)])
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ConfigurationError(
                f"the schema of {name} grows too large where it refers to itself", hint="flatten it"
            )
        sizes[reference] = nodes, depth


def _inmost_first(parts: Mapping[str, _Part], name: str) -> Iterator[str]:
    """The parts, each after all that it refers to."""
    done, open_now = set[str](), set[str]()
    stack = [("", iter(parts[""].references))]
    while stack:
        reference, inner = stack[-1]
        open_now.add(reference)
        target = next((target for target, _ in inner if target not in done), None)
        if target is None:
            stack.pop()
            open_now.discard(reference)
            done.add(reference)
            yield reference
        elif target in open_now:
            shown = target.rpartition("/")[2][:100]
            raise ConfigurationError(
                f"{shown}, an argument type of {name}, refers to itself", hint="flatten it"
            )
        else:
            stack.append((target, iter(parts[target].references)))


def _resolve(schema: Mapping[str, Any], reference: str, name: str) -> Any:
    """What a reference (RFC 6901, within the schema) stands for."""
    node: Any = schema
    steps = reference.split("/")
    if steps[0] != "#" or len(steps) < 2:
        known = "itself" if reference == "#" else f"{reference[:100]}, which is elsewhere"
        raise ConfigurationError(f"the schema of {name} refers to {known}", hint="flatten it")
    for step in steps[1:]:
        key = unquote(step).replace("~1", "/").replace("~0", "~")
        if is_object(node) and key in node:
            node = node[key]
        elif is_array(node) and key.isdecimal() and int(key) < len(node):
            node = node[int(key)]
        else:
            raise ConfigurationError(f"the schema of {name} refers to {reference[:100]}, which is not there")
    return node


def _words(schema: Any) -> Iterator[str]:
    """Every keyword of a schema, without what is data in it and the names of properties."""
    if is_object(schema):
        for word, value in schema.items():
            yield word
            if word in _NAMED and is_object(value):
                yield from _words(list(value.values()))
            elif word not in _DATA:
                yield from _words(value)
    elif is_array(schema):
        for value in schema:
            yield from _words(value)
