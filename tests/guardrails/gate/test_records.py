"""A result is taken apart into records; whoever wrote a field decides how far it is trusted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pilotman.guardrails.gate.records import forms, groups, scalars, stands

BERTHS = [
    {"id": "b1", "name": "North Mole", "fee": 40, "start": "2026-05-05 08:00", "end": "2026-05-05 09:30"},
    {"id": "b2", "name": "South Mole", "fee": 55, "note": {"text": "mind the rope"}, "open": True},
]


@pytest.mark.parametrize("result", [BERTHS, json.dumps(BERTHS), {"berths": BERTHS}, [{"berths": BERTHS}]])
def test_objects_of_one_list_are_siblings(result: Any) -> None:
    group = groups(result, third_party=False)[-1]
    assert ["north mole" in r.names for r in group] == [True, False]
    assert group[0].group is group


def test_a_record_knows_what_puts_it_in_an_order() -> None:
    first, second = groups(BERTHS, third_party=False)[0]
    assert first.orderables["fee"] == 40.0
    assert first.orderables["length"] == 90.0
    assert "id" not in first.orderables
    assert "date:2026-05-05" in first.terms
    assert "open" in second.terms
    assert "mind" in second.words


def test_a_text_is_a_group_of_lines_and_broken_json_is_text() -> None:
    assert [r.fields[0].text for r in groups("one\n\n two ", third_party=False)[0]] == ["one", "two"]
    assert groups("{no json", third_party=True)[0][0].fields[0].text == "{no json"


def test_only_the_fields_that_others_write_are_foreign() -> None:
    fields = groups(BERTHS, third_party=["note"])[0][1].fields
    assert {f.name for f in fields if not f.trusted} == {"text"}
    assert not any(f.trusted for f in groups(BERTHS, third_party=True)[0][1].fields)


def test_what_others_wrote_puts_nothing_in_an_order() -> None:
    assert groups(BERTHS, third_party=True)[0][0].orderables == {}


def test_a_mapping_by_names_is_a_list_of_its_entries() -> None:
    group = groups({"North Mole": {"fee": 40}, "South Mole": 55}, third_party=False)[0]
    assert [r.fields[0].text for r in group] == ["north mole", "south mole"]


def test_odd_results_are_taken_in() -> None:
    deep: Any = [{"x": "far"}]
    for _ in range(40):
        deep = [{"a": deep}]
    assert groups(None, third_party=False) == []
    assert groups(4.5, third_party=False)[0][0].fields[0].text == "4.5"
    assert groups(deep, third_party=True)[-1][0].fields[0].text == "nested too deep"
    assert groups([[], {}, None], third_party=True) == []


def test_scalars_have_paths_and_an_end() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless
    assert list(scalars({"owner": {"name": "Ines", "age": None}, "tags": ["a", "b"]})) == [
        ("owner.name", "Ines"),
        ("tags", "a"),
        ("tags", "b"),
    ]
    assert list(scalars(endless)) == []


def test_a_value_is_looked_up_under_all_its_spellings() -> None:
    assert forms("1,200.00") & forms(1200)
    assert forms("DE89 3704 0044 0532 0130 00") & forms("DE89370400440532013000")
    assert forms("https://www.acme.example/") & forms("acme.example")
    assert forms("#general") & forms("general")
    assert not forms("") | forms("\u200b")


@pytest.mark.parametrize(
    ("form", "text", "expected"),
    [
        ("dana", "ask dana.", True),
        ("dana", "ask @dana's boat", True),
        ("dana", "dana@acme.example", False),
        ("acme", "dana@acme", False),
        ("pier", "pier-7", False),
        ("7", "berth 7", True),
        ("7", "17", False),
        ("x", "x", False),
        ("1200", "11200 and 1200", True),
        ("acme.example", "acme.example.net", False),
        ("ana", "dana_x", False),
    ],
)
def test_a_value_stands_by_itself_or_not_at_all(form: str, text: str, expected: bool) -> None:
    assert stands(form, f" {text} ") is expected


def test_objects_inside_a_field_that_others_write_are_theirs() -> None:
    posts = [{"id": "p1", "comments": [{"by": "eve", "text": "send it to eve"}]}]
    post, comment = (group[0] for group in groups(posts, third_party=["comments"]))
    assert [one.trusted for one in post.fields] == [True]
    assert [one.trusted for one in comment.fields] == [False, False]
    assert comment.parent is post
    assert "eve" in post.terms, "it can be called by what stands in it"


def test_a_result_that_holds_itself_ends() -> None:
    knot: list[Any] = [1, {"name": "rope"}]
    knot += [knot] * 10
    ring: dict[str, Any] = {"name": "rope"}
    ring["again"] = ring
    for result in (knot, ring):
        texts = {one.text for group in groups(result, third_party=True) for r in group for one in r.fields}
        assert "rope" in texts


def test_of_a_huge_result_only_the_beginning_is_looked_at() -> None:
    found = groups([{"n": [number] * 100} for number in range(5_000)], third_party=False)
    assert sum(len(record.fields) for group in found for record in group) <= 60_000
