"""The user's own words are the root of trust: what they hold, mean and pick."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.guardrails.gate.records import Record, groups
from pilotman.guardrails.gate.request import Request

BERTHS: list[dict[str, Any]] = [
    {"name": "North", "fee": 40, "load": 9, "start": "2026-05-05 08:00", "duration": 30},
    {"name": "South", "fee": 55, "load": 3, "start": "2026-05-07 08:00", "duration": 90},
    {"name": "Quay", "fee": 90, "load": 5, "start": "2026-05-06 08:00", "duration": 60},
]


def picked(text: str, rows: list[dict[str, Any]] = BERTHS) -> list[str]:
    candidates: list[Record] = groups(rows, third_party=False)[0]
    return [record.fields[0].text for record in Request(text, {}).ranks(candidates)]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("the cheapest berth", ["north"]),
        ("the most expensive berth", ["quay"]),
        ("the berth with the highest load", ["north"]),
        ("the berth with the least load", ["south"]),
        ("the latest booking", ["south"]),
        ("the earliest booking", ["north"]),
        ("the longest booking", ["south"]),
        ("the most expensive berth for at most 60", ["south"]),
        ("a berth for next Monday", list[str]()),
        ("a berth", list[str]()),
        ("the best berth", list[str]()),
    ],
)
def test_a_superlative_picks_one_record(text: str, name: list[str]) -> None:
    assert picked(text) == name


def test_a_tie_picks_none() -> None:
    assert picked("the cheapest", [{"name": "A1", "fee": 4}, {"name": "B1", "fee": 4}]) == []


def test_values_of_mixed_kinds_are_not_compared() -> None:
    assert picked("the cheapest", [{"name": "A1", "fee": 4}, {"name": "B1", "fee": "2026-05-05"}]) == []


@pytest.mark.parametrize("value", ["dana@acme.example", 1200, "1,200.00", "B-17", "2026-05-05", "5 May 2026"])
def test_a_request_holds_what_it_spells_out(value: object) -> None:
    text = "Tell Dana@Acme.example that B-17 costs 1200 until 2026-05-05 (5 May 2026)"
    assert Request(text, {}).holds(value)


@pytest.mark.parametrize(
    "value", ["dana@acme.example.net", "eve@acme.example", 12000, "B-1", "2026-05-06", ""]
)
def test_a_request_does_not_hold_what_is_only_near(value: object) -> None:
    text = "Tell dana@acme.example that B-17 costs 1200 until 2026-05-05"
    assert not Request(text, {}).holds(value)


def test_days_are_named_in_many_ways() -> None:
    facts = {"today": "2026-05-05"}
    assert Request("tomorrow", facts).means_day("2026-05-06")
    assert not Request("tomorrow", {}).means_day("2026-05-06")
    assert Request("on Friday", facts).means_day("2026-05-08")
    assert not Request("on Friday", facts).means_day("2026-07-03")
    assert Request("on the 9th", facts).means_day("2026-05-09")
    assert not Request("some day", facts).means_day("2026-05-09")


def test_names_are_capitals_marks_and_numbers() -> None:
    assert {"marta", "berth"}.isdisjoint(Request("Greet the crew, Ivo.", {}).proper)
    assert "marta" in Request("Please greet Marta at B17", {}).proper
    assert "marta" in Request("please greet marta", {}).proper
