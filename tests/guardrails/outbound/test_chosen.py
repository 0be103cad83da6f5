"""A parameter in which the caller says where a call goes is known by its schema."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.guardrails.outbound.chosen import chosen_destinations

TEXT: dict[str, Any] = {"type": "string"}


def chosen(tool: str, **properties: Any) -> tuple[str, ...]:
    return chosen_destinations(tool, {"type": "object", "properties": properties})


@pytest.mark.parametrize(
    "properties",
    [
        {"url": TEXT},
        {"image_url": TEXT},
        {"callbackUri": TEXT},
        {"webhook": TEXT},
        {"where": {"type": "string", "format": "uri"}},
        {"url": {"anyOf": [TEXT, {"type": "null"}]}},
        {"urls": {"type": "array", "items": TEXT}},
        {"page": {"type": "object", "properties": {"link": TEXT}}},
    ],
)
def test_urls_are(properties: dict[str, Any]) -> None:
    assert chosen("look", **properties) == tuple(properties)


@pytest.mark.parametrize(
    "properties",
    [
        {"host": TEXT},
        {"query": TEXT},
        {"url_count": {"type": "integer"}},
        {"url": {"type": "integer"}},
        {"url": {"type": "string", "enum": ["https://a.example", "https://b.example"]}},
        {"curl": TEXT},
    ],
)
def test_what_is_looked_up_or_listed_is_not(properties: dict[str, Any]) -> None:
    assert chosen("disk_usage", **properties) == ()


@pytest.mark.parametrize("tool", ["fetch_page", "http.get", "curl", "pingHost", "dns_lookup"])
def test_a_host_is_where_the_tool_speaks_to_the_network(tool: str) -> None:
    assert chosen(tool, host=TEXT, depth={"type": "integer"}) == ("host",)


def test_references_are_followed_and_circles_end() -> None:
    schema = {
        "properties": {"page": {"$ref": "#/$defs/Page"}, "odd": {"$ref": "#/$defs/Odd"}},
        "$defs": {
            "Page": {"type": "object", "properties": {"url": TEXT}},
            "Odd": {"type": "object", "properties": {"odd": {"$ref": "#/$defs/Odd"}}},
        },
    }
    assert chosen_destinations("look", schema) == ("page",)


@pytest.mark.parametrize(
    "schema", [{}, {"properties": 1}, {"properties": {"url": 1}}, {"properties": {"url": {"type": 7}}}]
)
def test_a_hostile_schema_is_no_reason_to_fail(schema: Any) -> None:
    assert chosen_destinations("look", schema) == ()
