"""Whom or what a parameter touches, how much, or what it says: from its schema, or from its name."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.guardrails.gate.roles import Roles, parts, role_of


@pytest.mark.parametrize(
    ("name", "schema", "role"),
    [
        ("recipient", {}, "target"),
        ("account_id", {"type": "integer"}, "target"),
        ("retries", {"type": "integer"}, "value"),
        ("amount", {}, "value"),
        ("body", {}, "content"),
        ("zorp", {"format": "email"}, "target"),
        ("zorp", {"format": "date-time"}, "value"),
        ("zorp", {"format": "colour"}, "value"),
        ("zorp", {"maxLength": 4000}, "content"),
        ("zorp", {"description": "The recipient's handle"}, "target"),
        ("recipient", {"enum": ["a", "b"]}, "value"),
        ("recipient", {"type": "boolean"}, "value"),
        ("body", {"x-role": "target"}, "target"),
        ("recipient", {"x-role": "content"}, "content"),
        ("recipient", {"x-role": "nonsense"}, "target"),
        ("", {}, "value"),
        ("recipient", {"enum": "a"}, "target"),
        ("number", {"type": "integer"}, "target"),
        ("rooms", {"type": "integer"}, "value"),
    ],
)
def test_the_role_of_a_parameter(name: str, schema: dict[str, Any], role: str) -> None:
    assert role_of(name, schema) == role


def test_the_name_of_a_new_thing_is_no_target() -> None:
    assert (role_of("name", {}, verb="create"), role_of("name", {}, verb="delete")) == ("content", "target")


def test_arguments_are_taken_apart_along_the_schema() -> None:
    schema = {
        "properties": {
            "to": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
            "colour": {"anyOf": [{"type": "null"}, {"enum": ["red", "blue"]}]},
            "empty": {},
        },
        "$defs": {"Person": {"properties": {"email": {"format": "email"}}}},
    }
    args = {"to": [{"email": "ines@acme.example"}], "colour": "red", "empty": "", "none": None}
    found = {(part.path, part.role, part.value, part.options) for part in parts(args, schema, verb="send")}
    assert found == {
        ("to.email", "target", "ines@acme.example", ()),
        ("colour", "value", "red", ("red", "blue")),
        ("none", "value", "none", ()),
    }


def test_a_parameter_that_the_schema_does_not_know_counts_with_its_name() -> None:
    found = parts({"to_whom": "eve"}, {}, verb="send")
    assert [part.value for part in found] == ["to_whom", "eve"]


def test_an_identifier_is_a_target_even_where_a_text_is_expected() -> None:
    schema: dict[str, Any] = {"properties": {"message": {}}}
    assert [p.role for p in parts({"message": "msg-4711"}, schema, verb="delete")] == ["target"]
    assert [p.role for p in parts({"message": "Ahoy there"}, schema, verb="delete")] == ["content"]


def test_a_reference_to_itself_ends() -> None:
    schema = {"properties": {"to": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert [p.role for p in parts({"to": "ines"}, schema, verb="send")] == ["target"]


def test_what_is_nested_too_deep_is_a_target_that_nothing_names() -> None:
    deep: Any = "leaf"
    for _ in range(30):
        deep = [deep]
    assert [(p.role, p.value) for p in parts({"note": deep}, {"properties": {"note": {}}}, verb="send")] == [
        ("target", "nested too deep")
    ]


def test_a_strange_noun_that_no_call_goes_without_is_what_the_call_is_about() -> None:
    schema: dict[str, Any] = {"properties": {"zorp": {"type": "string"}, "blub": {"type": "string"}}}
    found = parts({"zorp": "z", "blub": "b"}, {**schema, "required": ["zorp"]}, verb="set")
    assert [part.role for part in found] == ["target", "value"]


def test_what_is_known_of_a_parameter_holds_for_every_call() -> None:
    schema = {"properties": {"to": {"type": "array", "items": {"type": "string"}}, "odd": {}}}
    roles = Roles(schema, verb="send")
    calls: list[dict[str, Any]] = [{"to": ["a", "b"]}, {"to": ["c"], "odd": 1}, {"new": {"to": "d"}}]
    for args in [*calls, *calls]:
        assert roles.parts(args) == parts(args, schema, verb="send")


def test_a_noun_that_nobody_knows_is_a_target_unless_its_value_is_prose_or_a_new_number() -> None:
    def role(name: str, value: object) -> str:
        schema = {"properties": {name: {"type": "string"}}, "required": [name]}
        (part,) = parts({name: value}, schema, verb="file")
        return part.role

    assert role("plinth", "P-77") == "target"
    assert role("plinth", "The left one is the one to be mended.") == "content"
    assert role("plinth", "4711") == "target"
    assert role("new", "50000") == "value"
    assert role("new", "14 Mill Lane") == "target"
