"""Made-up values fit the schemas of tools that nobody has seen before."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.supervisor.bench.forgery import MAIL, URL, Forger

numbers = st.integers(-10_000, 10_000)
leaves = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"const": 7}),
    st.lists(st.text(min_size=1), min_size=1, max_size=3).map(lambda values: {"enum": values}),
    st.tuples(numbers, numbers).map(
        lambda ends: {"type": "integer", "minimum": min(ends), "maximum": max(ends)}
    ),
    numbers.map(lambda least: {"type": "number", "exclusiveMinimum": least}),
    numbers.map(lambda most: {"type": "number", "exclusiveMaximum": most}),
    st.integers(0, 60).map(lambda size: {"type": "string", "minLength": size, "maxLength": size + 3}),
    st.sampled_from(["date", "date-time", "email", "uri", "uuid", "ipv4", "hostname"]).map(
        lambda form: {"type": ["null", "string"], "format": form}
    ),
)


def inside(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.tuples(inner, st.integers(0, 3)).map(
            lambda made: {"type": "array", "items": made[0], "minItems": made[1]}
        ),
        st.dictionaries(st.text("abc", min_size=1), inner, max_size=3).map(
            lambda known: {"type": "object", "properties": known, "required": list(known)}
        ),
        inner.map(lambda schema: {"anyOf": [{"type": "null"}, schema]}),
    )


@given(st.recursive(leaves, inside, max_leaves=6))
def test_a_made_up_value_fits_its_schema(schema: dict[str, Any]) -> None:
    value = Forger(root=schema).value()
    assert jsonschema_rs.validator_for(schema, validate_formats=True).is_valid(value), value


def test_references_are_followed() -> None:
    schema = {
        "$defs": {"Mail": {"type": "object", "properties": {"to": {"type": "string"}}}},
        "type": "object",
        "properties": {"mails": {"type": "array", "items": {"$ref": "#/$defs/Mail"}}},
    }
    assert Forger(root=schema).value() == {"mails": [{"to": MAIL}]}


@pytest.mark.parametrize(
    ("name", "schema", "value"),
    [
        ("to", {}, MAIL),
        ("webhook_url", {}, URL),
        ("x", {"format": "email"}, MAIL),
        ("order", {"pattern": r"^[A-Z]{1,3}-\d{3,8}$"}, "A-4711"),
        ("code", {"pattern": "^zz-9$", "examples": ["zz-9"]}, "zz-9"),
    ],
)
def test_texts_are_what_an_attacker_wants_there(name: str, schema: dict[str, Any], value: str) -> None:
    whole = {"type": "object", "properties": {name: {"type": "string", **schema}}}
    assert Forger(root=whole).value() == {name: value}
