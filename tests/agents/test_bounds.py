"""Arguments are bounded by default, and by their own schema where it sets a bound."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pilotman.agents.bounds import MAX_BYTES, MAX_DEPTH, MAX_ITEMS, MAX_TEXT, Bounds
from pilotman.agents.failure import InvalidArguments

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "free": {"type": "string"},
        "long": {"type": "string", "maxLength": 50_000},
        "short": {"anyOf": [{"type": "string", "maxLength": 10}, {"type": "null"}]},
        "items": {"type": "array", "items": {"$ref": "#/$defs/Note"}},
        "many": {"type": "array", "maxItems": 2_000, "items": {"type": "integer"}},
        "pair": {"prefixItems": [{"maxLength": 20_000}, {}]},
        "map": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 12_000}},
        "tags": {"type": "array", "uniqueItems": True},
        "any": True,
    },
    "$defs": {"Note": {"type": "object", "properties": {"text": {"type": "string", "maxLength": 11_000}}}},
}


SIZES: list[tuple[dict[str, Any], bool]] = [
    ({"free": "x" * MAX_TEXT}, True),
    ({"free": "x" * (MAX_TEXT + 1)}, False),
    ({"long": "x" * 50_000}, True),
    ({"long": "é" * 50_000}, True),
    ({"long": "x" * 50_001}, False),
    ({"short": "x" * 11}, False),
    ({"items": [{"text": "x" * 11_000}]}, True),
    ({"items": [{"text": "x" * 11_001}]}, False),
    ({"items": [{"other": "x" * 10_001}]}, False),
    ({"items": [{}] * (MAX_ITEMS + 1)}, False),
    ({"many": [1] * 2_000}, True),
    ({"many": [1] * 2_001}, False),
    ({"pair": ["x" * 20_000, "y"]}, True),
    ({"pair": ["x", "y" * 10_001]}, False),
    ({"map": {"k": "x" * 12_000}}, True),
    ({"map": {"k": "x" * 12_001}}, False),
    ({"map": {f"k{i}": "" for i in range(MAX_ITEMS + 1)}}, False),
    ({"any": {"k" * (MAX_TEXT + 1): 1}}, False),
    ({"unknown": "x" * (MAX_TEXT + 1)}, False),
]


@pytest.mark.parametrize(("args", "fits"), SIZES)
def test_sizes(args: dict[str, Any], fits: bool) -> None:
    if fits:
        assert orjson.loads(Bounds(SCHEMA).check(args)) == args
        return
    with pytest.raises(InvalidArguments, match="at most"):
        Bounds(SCHEMA).check(args)


def test_the_whole_is_bounded() -> None:
    parts = {f"p{i}": "x" * MAX_TEXT for i in range(MAX_BYTES // MAX_TEXT + 1)}
    with pytest.raises(InvalidArguments, match="too large"):
        Bounds({"type": "object"}).check(parts)


def test_depth_is_bounded() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = {"a": value}
    Bounds({}).check(value)
    with pytest.raises(InvalidArguments, match="deeply"):
        Bounds({}).check({"a": value})


def test_only_sets_are_put_in_order() -> None:
    bounds = Bounds(SCHEMA)
    assert bounds.ordered("tags", ["b", "a", {"z": 1}]) == ["a", "b", {"z": 1}]
    assert bounds.ordered("many", [2, 1]) == [2, 1]
    assert bounds.ordered("map", {"b": "x", "a": "y"}) == {"b": "x", "a": "y"}
