"""Bounds on arguments from a model: sizes, depth and numbers, by the JSON schema where it sets its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from pilotman.agents.failure import InvalidArguments
from pilotman.agents.json_value import is_array, is_object
from pilotman.guardrails.digest import canonical

MAX_TEXT = 10_000
"""Characters of a text whose schema sets no ``maxLength``."""
MAX_ITEMS = 1_000
"""Items of a list or mapping whose schema sets no ``maxItems`` or ``maxProperties``."""
MAX_BYTES = 65_536
"""Bytes of all arguments together, as JSON; texts that are declared to be longer add to it."""
MAX_DEPTH = 32
MAX_DECLARED = 200_000
"""Characters that a schema of somebody else's may allow a text, and all its texts together."""

_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_BYTES_A_CHARACTER = 4

Node: TypeAlias = Mapping[str, Any]


class Bounds:
    """The bounds of one tool's arguments. ``schema`` is an object's, without recursion.

    ``longest``: characters that it may allow at most, None if it is to be believed.
    """

    def __init__(self, schema: Node, *, longest: int | None = None) -> None:
        self._schema = schema
        self._longest = longest
        self._definitions: Mapping[str, Any] = {**schema.get("definitions", {}), **schema.get("$defs", {})}
        longer = sum(n for n in _limits(schema, "maxLength") if n > MAX_TEXT)
        self._max_bytes = MAX_BYTES + _BYTES_A_CHARACTER * self._believed(longer)

    def _believed(self, declared: int) -> int:
        return declared if self._longest is None else min(declared, self._longest)

    def check(self, args: object) -> bytes:
        """The arguments as JSON.

        Raises:
            InvalidArguments: they are no JSON object, or too large somewhere.
        """
        if not is_object(args):
            raise InvalidArguments(f"arguments must be a JSON object, not {type(args).__name__}")
        try:
            raw = orjson.dumps(dict(args))
        except TypeError as error:
            raise InvalidArguments(f"the arguments are not JSON: {error}") from None
        if len(raw) > self._max_bytes:
            raise InvalidArguments(
                f"the arguments are too large: {len(raw)} bytes, at most {self._max_bytes}"
            )
        self._walk(args, [self._schema], "", 0)
        return raw

    def ordered(self, name: str, value: Any) -> Any:
        """One argument with its sets in a fixed order: they have none, and a digest needs one."""
        return self._ordered(value, self._below([self._schema], name))

    def _ordered(self, value: Any, nodes: Sequence[Node]) -> Any:
        nodes = list(self._resolved(nodes))
        if is_object(value):
            return {key: self._ordered(item, self._below(nodes, key)) for key, item in value.items()}
        if not is_array(value):
            return value
        items = [self._ordered(item, self._below(nodes, index)) for index, item in enumerate(value)]
        return sorted(items, key=canonical) if any(node.get("uniqueItems") for node in nodes) else items

    def _walk(self, value: Any, nodes: Sequence[Node], path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise InvalidArguments(f"{path[:100]}: nested too deeply, at most {MAX_DEPTH} levels")
        nodes = list(self._resolved(nodes))
        if isinstance(value, str):
            size = len(value)
            if size > self._believed(size):
                raise InvalidArguments(f"{path[:100]}: {size} characters, at most {self._longest}")
            _check_size(size, nodes, "maxLength", MAX_TEXT, path, "characters")
        elif is_object(value):
            _check_size(len(value), nodes, "maxProperties", MAX_ITEMS, path, "entries")
            for key, item in value.items():
                _check_size(len(key), (), "maxLength", MAX_TEXT, path, "characters in a key")
                self._walk(item, self._below(nodes, key), f"{path}.{key}" if path else key, depth + 1)
        elif is_array(value):
            _check_size(len(value), nodes, "maxItems", MAX_ITEMS, path, "items")
            for index, item in enumerate(value):
                self._walk(item, self._below(nodes, index), f"{path}[{index}]", depth + 1)
        else:
            _check_number(value, path)

    def _resolved(self, nodes: Sequence[Any]) -> Iterator[Node]:
        """The nodes with references and alternatives followed."""
        for node in nodes:
            if not is_object(node):
                continue  # `true`: anything
            yield node
            reference = str(node.get("$ref", "")).rpartition("/")[2]
            inner: list[Any] = [self._definitions[reference]] if reference in self._definitions else []
            for word in ("anyOf", "oneOf", "allOf"):
                inner += node.get(word, ())
            yield from self._resolved(inner)

    def _below(self, nodes: Sequence[Node], step: str | int) -> list[Any]:
        """The schemas of one entry or item."""
        found: list[Any] = []
        for node in self._resolved(nodes):
            if isinstance(step, str):
                found.append(node.get("properties", {}).get(step, node.get("additionalProperties")))
            else:
                first: Sequence[Any] = node.get("prefixItems", ())
                found.append(first[step] if step < len(first) else node.get("items"))
        return found


def _check_size(size: int, nodes: Sequence[Node], word: str, default: int, path: str, unit: str) -> None:
    declared = [node[word] for node in nodes if isinstance(node.get(word), int)]
    limit = max(declared, default=default)
    if size > limit:
        raise InvalidArguments(f"{path[:100] or 'the arguments'}: {size} {unit}, at most {limit}")


def _check_number(value: Any, path: str) -> None:
    if isinstance(value, int) and not _INT_MIN <= value <= _INT_MAX:
        raise InvalidArguments(f"{path[:100]}: the number does not fit into 64 bits")
    if isinstance(value, float) and not float("-inf") < value < float("inf"):
        raise InvalidArguments(f"{path[:100]}: not a finite number")


def _limits(node: Any, word: str) -> Iterator[int]:
    """Every value of a keyword anywhere in a schema."""
    if is_object(node):
        if isinstance(node.get(word), int):
            yield node[word]
        for inner in node.values():
            yield from _limits(inner, word)
    elif is_array(node):
        for inner in node:
            yield from _limits(inner, word)
