"""A schema of somebody else's takes neither time nor memory without end, and refers to nothing elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.agents.failure import InvalidArguments
from pilotman.agents.schema import SchemaArguments
from pilotman.agents.soundness import MAX_DEPTH, check_foreign, check_sound
from pilotman.guardrails.errors import ConfigurationError


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object"}
    inner = schema
    for _ in range(levels):
        inner["properties"] = {"a": {"type": "object"}}
        inner = inner["properties"]["a"]
    return schema


def doubling(levels: int) -> dict[str, Any]:
    """Small as it stands, 2 ** levels values when it is written out."""
    parts: dict[str, Any] = {f"d{i}": {"anyOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {**of(a={"$ref": "#/$defs/d0"}), "$defs": {**parts, f"d{levels}": {"type": "integer"}}}


def chain(length: int) -> dict[str, Any]:
    parts: dict[str, Any] = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(length)}
    return {**of(a={"$ref": "#/$defs/d0"}), "$defs": {**parts, f"d{length}": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (nested(100_000), "nested too deeply"),
        (nested(MAX_DEPTH), "nested too deeply"),
        (doubling(60), "grows too large"),
        (doubling(14), "grows too large"),
        (chain(400), "grows too large"),
        (of(a={"enum": ["x" * 40_000]}), "too large for a model"),
        (of(a={"$ref": "#/properties/a"}), "refers to itself"),
        (of(a={"properties": {"b": {"$ref": "#/properties/a"}}}), "refers to itself"),
        (of(a={"$ref": "#/properties"}), "refers to itself"),
        (of(a={"$ref": "#"}), "refers to itself"),
        (of(a={"$ref": "https://evil.example/x"}), "elsewhere"),
        (of(a={"$ref": "file:///etc/passwd#/x"}), "elsewhere"),
        (of(a={"$ref": "other.json"}), "elsewhere"),
        (of(a={"$ref": "#/$defs/none"}), "not there"),
        (of(a={"maximum": 10**30}), "not JSON"),
    ],
)
def test_what_has_no_end_is_refused(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        check_sound(schema, "notes")
    assert "notes" in str(caught.value)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": ["object", "null"]},
        {"properties": []},
        of(a={"$id": "https://x.example/", "type": "string"}),
        of(a={"$dynamicRef": "#x"}),
        of(**{"": {}}),
        of(**{"x" * 200: {}}),
        of(**{"a\u202eb": {}}),
        of(**{"a\nb": {}}),
    ],
)
def test_what_a_foreign_schema_may_not_be_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        check_foreign(schema, "notes")
    with pytest.raises(ConfigurationError):
        SchemaArguments(schema, name="notes")


def test_honest_schemas_pass() -> None:
    zod: dict[str, Any] = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "https://x.example/tool.json",
        **of(home={"type": "object", "properties": {"street": {"type": "string"}}}),
    }
    zod["properties"]["work"] = {"$ref": "#/properties/home"}
    arguments = SchemaArguments(zod, name="t")
    assert arguments.validate({"work": {"street": "Elm"}}) == {"work": {"street": "Elm"}}
    with pytest.raises(InvalidArguments):
        arguments.validate({"work": {"street": 1}})
    SchemaArguments(of(**{"$id": {"type": "string"}, "$ref": {"type": "string"}}), name="t")
    SchemaArguments(of(a={"default": {"$ref": "https://x.example"}}), name="t")
    SchemaArguments(of(a={"$ref": "#/$defs/a~1b%20c"}) | {"$defs": {"a/b c": {"type": "integer"}}}, name="t")
    SchemaArguments(doubling(6), name="t")
    SchemaArguments({}, name="t")


def test_nobody_elses_schema_allows_a_million_characters() -> None:
    generous = SchemaArguments(of(a={"type": "string", "maxLength": 10**9}), name="t")
    assert generous.validate({"a": "x" * 150_000})
    for size in (250_000, 1_000_000):
        with pytest.raises(InvalidArguments, match="at most"):
            generous.validate({"a": "x" * size})
    many = SchemaArguments(
        of(**{f"p{i}": {"type": "string", "maxLength": 10**6} for i in range(50)}), name="t"
    )
    with pytest.raises(InvalidArguments, match="too large"):
        many.validate({f"p{i}": "x" * 100_000 for i in range(50)})
