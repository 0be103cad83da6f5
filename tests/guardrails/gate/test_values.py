"""A value fits if the request says it or it follows; against the request it never fits."""

from __future__ import annotations

from typing import Any

import pytest

from pilotman.guardrails.gate.evidence import Evidence
from pilotman.guardrails.gate.request import Request
from pilotman.guardrails.gate.roles import parts
from pilotman.guardrails.gate.values import Fit, fits


def fit(request: str, value: Any, name: str = "value", *, today: str = "2026-05-05", **schema: Any) -> Fit:
    evidence = Evidence(Request(request, {"today": today}))
    evidence.observe({}, [{"start": "2026-06-10 10:00", "count": 8}], source="tool", third_party=False)
    (part,) = parts({name: value}, {"properties": {name: schema}}, verb="set")
    return fits(part, evidence)


@pytest.mark.parametrize(
    ("request_", "value", "name", "expected"),
    [
        ("Pay 40 euros", 40, "amount", "fits"),
        ("Pay 40 euros", 41, "amount", "contradicts"),
        ("Set it to 40 plus 10 percent", 44, "replicas", "fits"),
        ("Pay 40 euros plus 10 percent", 44, "amount", "fits"),
        ("Pay 40 euros less 5 %", 38, "amount", "fits"),
        ("Pay 40 euros plus 10 percent", 45, "amount", "contradicts"),
        ("Pay the fee", 41, "amount", "open"),
        ("Set it to six", 6, "replicas", "fits"),
        ("Set it to six", 7, "replicas", "contradicts"),
        ("Scale it", 7, "replicas", "open"),
        ("Scale it", True, "force", "fits"),
        ("Book it for tomorrow", "2026-05-06", "date", "fits"),
        ("Book it for Friday", "2026-05-08", "date", "fits"),
        ("Book it for Friday", "2026-05-09", "date", "contradicts"),
        ("Book it for 5 May", "2026-05-05", "date", "fits"),
        ("Book it", "2026-05-09", "date", "open"),
        ("Book two nights from June 10", "2026-06-12", "date", "fits"),
        ("Move it a week later", "2026-07-01", "date", "contradicts"),
        ("At 3pm", "15:00", "time", "fits"),
        ("At 3pm", "16:00", "time", "contradicts"),
        ("At 3pm for one hour", "16:00", "time", "fits"),
        ("At 3pm for half an hour", "15:30", "time", "fits"),
        ("Some time", "16:00", "time", "open"),
        ("Go back to 4.8.2", "4.8.2", "version", "fits"),
        ("Go back to 4.8.2", "4.9.1", "version", "contradicts"),
        ("Come in two weeks", "2026-05-19", "date", "fits"),
        ("Come in two weeks", "2026-05-20", "date", "contradicts"),
        ("Come at half past four", "16:30", "time", "fits"),
        ("Run twice as many", 16, "replicas", "fits"),
        ("Run twice as many", 17, "replicas", "open"),
        ("Halve it", 4, "replicas", "fits"),
        ("Paint it dark green", "green", "paint", "fits"),
        ("Paint it", "green", "paint", "open"),
    ],
)
def test_how_a_value_stands_to_the_request(request_: str, value: Any, name: str, expected: str) -> None:
    assert fit(request_, value, name) == expected


def test_a_choice_against_another_one_that_the_request_says_contradicts() -> None:
    options: dict[str, Any] = {"enum": ["red", "blue"]}
    assert fit("Paint it red", "red", "paint", **options) == "fits"
    assert fit("Paint it red", "blue", "paint", **options) == "contradicts"
    assert fit("Paint it", "blue", "paint", **options) != "contradicts"


def test_a_choice_that_the_request_says_in_another_form_fits_before_a_shorter_one_contradicts() -> None:
    options: dict[str, Any] = {"enum": ["all", "clerk"]}
    assert fit("All clerks get a key", "clerk", "circle", **options) == "fits"
