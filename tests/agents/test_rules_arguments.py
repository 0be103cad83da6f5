"""What must not break: arguments are found by their schema in what is known, and never made up."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from pilotman.agents.rules.arguments import Filling, fill
from pilotman.agents.rules.known import Known
from pilotman.agents.rules.schemas import NO_VALUE, fit, slot
from pilotman.guardrails.wording.verbs import deed

S = {"type": "string"}
INT = {"type": "integer"}
NUM = {"type": "number"}
DATE = {"type": "string", "format": "date"}


def filled(tool: str, request: str, facts: dict[str, Any] | None = None, **properties: Any) -> Filling:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return fill(schema, Known(request=request, facts=facts or {}), deed(tool, "", tuple(properties)))


@pytest.mark.parametrize(
    ("tool", "request_text", "properties", "args"),
    [
        ("disk_usage", "web-1 is out of disk", {"host": S}, {"host": "web-1"}),
        ("disk_usage", "disk full on db.eu.example.com!", {"host": S}, {"host": "db.eu.example.com"}),
        (
            "restart_service",
            "restart nginx on web-1",
            {"service": S, "host": S},
            {"service": "nginx", "host": "web-1"},
        ),
        ("restart_service", "restart the nginx service", {"service": S}, {"service": "nginx"}),
        ("get_order", "Where is order A-1001?", {"order_id": S}, {"order_id": "A-1001"}),
        ("get_order", "Where is order #1001?", {"order_id": INT}, {"order_id": 1001}),
        ("get_order", "Where is my parcel 100123?", {"order_id": S}, {"order_id": "100123"}),
        (
            "get_user",
            "mail jo@x.example about it",
            {"email": {**S, "format": "email"}},
            {"email": "jo@x.example"},
        ),
        (
            "set_phone",
            "my new phone is +44 20 7946 0958",
            {"phone_number": S},
            {"phone_number": "+44 20 7946 0958"},
        ),
        ("probe_http", "is https://x.example/health up?", {"url": S}, {"url": "https://x.example/health"}),
        ("ping", "10.0.0.7 is slow", {"ip": {**S, "format": "ipv4"}}, {"ip": "10.0.0.7"}),
        ("get_forecast", "What's the weather in Lisbon?", {"city": S}, {"city": "Lisbon"}),
        (
            "search_flights",
            "fly from New York to Paris on 3 May 2026",
            {"origin": S, "destination": S, "date": DATE},
            {"origin": "New York", "destination": "Paris", "date": "2026-05-03"},
        ),
        (
            "request_leave",
            "leave from 2026-05-03 until May 7, 2026",
            {"start_date": DATE, "end_date": DATE},
            {"start_date": "2026-05-03", "end_date": "2026-05-07"},
        ),
        (
            "transfer_money",
            "Transfer 1,250.50 EUR from account ACC-1 to account ACC-2",
            {"from_account": S, "to_account": S, "amount": NUM, "currency": {"enum": ["EUR", "USD"]}},
            {"from_account": "ACC-1", "to_account": "ACC-2", "amount": 1250.5, "currency": "EUR"},
        ),
        (
            "refund",
            "refund $12.50 for order 7781",
            {"order_id": S, "amount_cents": INT},
            {"order_id": "7781", "amount_cents": 1250},
        ),
        (
            "book_hotel",
            "a room in Rome for 3 nights",
            {"city": S, "nights": INT},
            {"city": "Rome", "nights": 3},
        ),
        ("silence_alert", "silence it for 2 hours", {"minutes": INT}, {"minutes": 120}),
        ("get_employee", "How many days has Alice Jones left?", {"name": S}, {"name": "Alice Jones"}),
        ("search_logs", "what failed last night?", {"query": S}, {"query": "what failed last night?"}),
        ("list_papers", "the 5 best papers, limit 5", {"limit": INT}, {"limit": 5}),
        (
            "set_state",
            "please set it to active",
            {"state": {"enum": ["active", "closed"]}},
            {"state": "active"},
        ),
        ("scan", "scan ports 80 please", {"ports": {"type": "array", "items": INT}}, {"ports": [80]}),
    ],
)
def test_words_of_a_request(
    tool: str, request_text: str, properties: dict[str, Any], args: dict[str, Any]
) -> None:
    assert filled(tool, request_text, **properties) == Filling(args=args)


@pytest.mark.parametrize(
    ("tool", "request_text", "properties"),
    [
        ("get_order", "Where is my refund?", {"order_id": S}),
        ("restart_service", "restart it", {"service": S}),
        ("book_flight", "book a flight to Paris", {"origin": S}),
        ("request_leave", "I need a few days off in May", {"start_date": DATE}),
        ("transfer_money", "send some money to Bob", {"amount": NUM}),
        ("set_state", "please change it", {"state": {"enum": ["active", "closed"]}}),
        ("confirm", "do it", {"sure": {"type": "boolean"}}),
        (
            "restart_service",
            "Use restart_service. It hangs",
            {"service": {**S, "pattern": r"^[A-Za-z0-9][\w@.:-]*$"}},
        ),
        ("get_employee", "How many days has Alice left?", {"employee_id": S}),
        ("disk_usage", "a disk is full", {"host": S}),
    ],
)
def test_what_nobody_said_is_not_made_up(tool: str, request_text: str, properties: dict[str, Any]) -> None:
    found = filled(tool, request_text, **properties)
    assert found.args == {}
    assert found.missing == tuple(properties)


def test_facts_of_the_same_name_come_first() -> None:
    facts = {"host": "db-9", "labels": {"service": "nginx", "instance": "x:9100"}, "order": {"id": "A-1"}}
    found = filled("act", "web-1 is slow", facts, host=S, service=S, order_id=S)
    assert found.args == {"host": "db-9", "service": "nginx", "order_id": "A-1"}


def test_facts_of_a_name_that_means_the_same() -> None:
    facts = {
        "labels": {"instance": "10.0.12.7:9100"},
        "customer": {"email": "jo@x.example"},
        "severity": "Critical",
    }
    levels = {"enum": ["warning", "critical"]}
    found = filled("act", "look", facts, host=S, customer_email=S, severity=levels)
    assert found.args == {"host": "10.0.12.7", "customer_email": "jo@x.example", "severity": "critical"}


def test_whole_objects_and_lists_of_facts() -> None:
    labels = {"type": "object", "additionalProperties": S}
    hosts = {"type": "array", "items": S}
    found = filled("act", "look", {"labels": {"a": "b"}, "hosts": ["x", "y"]}, labels=labels, hosts=hosts)
    assert found.args == {"labels": {"a": "b"}, "hosts": ["x", "y"]}


def test_of_several_values_none_is_picked() -> None:
    assert filled("act", "look", {"hosts": ["x", "y"]}, host=S).missing == ("host",)
    assert filled("act", "look", {"hosts": ["x"]}, host=S).args == {"host": "x"}


def test_earlier_results_fill_what_they_tell() -> None:
    known = Known(request="How many days has Alice left?", results=(("employee", {"id": "E-17"}),))
    schema = {"type": "object", "properties": {"employee_id": S}, "required": ["employee_id"]}
    assert fill(schema, known, deed("vacation_balance")).args == {"employee_id": "E-17"}


def test_an_identifier_that_another_agent_reported() -> None:
    known = Known(request="tell bob", reports=("Done:\n- open_ticket (x): ticket OPS-7",))
    schema = {"type": "object", "properties": {"ticket_id": S}, "required": ["ticket_id"]}
    assert fill(schema, known, deed("notify")).args == {"ticket_id": "OPS-7"}


def test_prose_is_cut_to_what_fits() -> None:
    request = "web-1 is out of disk: open a ticket. " + "It is bad. " * 100
    title, body = {**S, "maxLength": 30}, {**S, "maxLength": 200}
    found = filled("open_ticket", request, title=title, body=body)
    assert found.args["title"] == "web-1 is out of disk"
    assert 100 < len(found.args["body"]) <= 200


def test_a_body_tells_what_was_found_and_not_what_to_do() -> None:
    alert = 'Pod web-1 waits (reason: "CrashLoopBackOff").\nOpen a ticket and propose a remediation.'
    reports = (
        "Found:\n- disk_usage: 97% used",
        "What the documents say:\n- wait",
        "Found:\n- disk_usage: 97% used",
    )
    schema = {"type": "object", "properties": {"body": S}, "required": ["body"]}
    body = fill(schema, Known(request=alert, reports=reports), deed("open_ticket")).args["body"]
    assert body == (
        'Pod web-1 waits (reason: "CrashLoopBackOff").\n\n'
        "Found:\n- Disk usage: 97% used\n\nWhat the documents say:\n- wait"
    )
    said = filled("send_message", 'Send a message to bob saying "the disk is full"', body=S)
    assert said.args == {"body": "the disk is full"}


def test_every_value_of_a_list_is_found_in_words() -> None:
    found = filled("disk_usage", "web-1 and web-2 are out of disk", hosts={"type": "array", "items": S})
    assert found.args == {"hosts": ["web-1", "web-2"]}


def test_a_read_invents_no_prose() -> None:
    assert filled("get_message", "hello there", body=S).missing == ("body",)


class Address(BaseModel):
    city: str
    zip: str | None = None


class Order(BaseModel):
    item: Literal["pen"] = "pen"
    count: Annotated[int, Field(ge=1, le=9)]
    address: Address
    note: str | None


def test_pydantic_schemas_with_references_defaults_and_nulls() -> None:
    known = Known(request="send 3 pens", facts={"count": 3, "address": {"city": "Rome"}})
    found = fill(Order.model_json_schema(), known, deed("order_pens"))
    assert found.missing == ()
    made = Order.model_validate(found.args)
    assert (made.count, made.address.city, made.item) == (3, "Rome", "pen")


def test_a_nested_object_is_filled_piece_by_piece() -> None:
    known = Known(request="send a pen to Rome", facts={"city": "Rome", "count": 12})
    found = fill(Order.model_json_schema(), known, deed("order_pens"))
    assert found.args["address"] == {"city": "Rome"}
    assert found.missing == ("count",)  # 12 is more than the schema allows


@pytest.mark.parametrize(
    ("value", "schema", "fitted"),
    [
        ("3", INT, 3),
        (3.0, INT, 3),
        (3.5, INT, NO_VALUE),
        (True, INT, NO_VALUE),
        (7, S, "7"),
        (["a"], S, NO_VALUE),
        ("yes", {"type": "boolean"}, True),
        ("x", {"type": "array", "items": S}, ["x"]),
        ("12", {**INT, "maximum": 10}, NO_VALUE),
        ("ab", {**S, "minLength": 3}, NO_VALUE),
        ("ab", {**S, "pattern": "^a+$"}, NO_VALUE),
        ("ab", {**S, "pattern": "("}, "ab"),
        ("soon", DATE, NO_VALUE),
        (None, {"anyOf": [S, {"type": "null"}]}, None),
        (None, S, NO_VALUE),
        ("B", {"enum": ["a", "b"]}, "b"),
        ("x", {"$ref": "#/$defs/Loop"}, "x"),
    ],
)
def test_conversions_lose_nothing(value: Any, schema: dict[str, Any], fitted: Any) -> None:
    loop = {"$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}
    assert fit(value, slot("x", schema, loop, required=True)) == fitted


@given(
    st.text(max_size=200),
    st.dictionaries(st.text(max_size=8), st.text(max_size=20) | st.integers(), max_size=4),
)
def test_any_request_is_survived_and_strings_come_from_it(request: str, facts: dict[str, Any]) -> None:
    properties = {"host": S, "order_id": S, "city": S, "service": S, "ticket_key": S}
    found = filled("restart_service", request, facts, **properties)
    source = " ".join([request, *map(str, facts.values())])
    assert all(part in source for value in found.args.values() for part in str(value).split())
    assert set(found.args) | set(found.missing) == set(properties)
