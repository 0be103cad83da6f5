"""What was approved is what may be used, and a person sees what has changed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.pin import Definition, Lock, Pin

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
DELETE = Definition(
    server="notes",
    identity="i1",
    name="delete",
    description="Delete a note.",
    schema={"type": "object", "properties": {"name": {"type": "string"}}},
    annotations={"destructiveHint": True},
)
WIPE = replace(DELETE, name="wipe")
LOCK = Lock().approved([DELETE], servers=["notes"], by="alice", at=AT)
CHANGED: list[dict[str, Any]] = [
    {"identity": "i2"},
    {"description": "Delete a note. "},
    {"schema": {"type": "object"}},
    {"annotations": {}},
]


def test_only_exactly_what_was_approved_has_no_objection() -> None:
    assert LOCK.objection(DELETE) is None
    assert LOCK.objection(WIPE) == "nobody has approved it yet"
    assert LOCK.objection(replace(DELETE, server="other")) == "nobody has approved it yet"


@pytest.mark.parametrize("change", CHANGED)
def test_a_change_of_any_part_is_told_by_its_name(change: dict[str, Any]) -> None:
    said = LOCK.objection(replace(DELETE, **change))
    part = {"identity": "the server"}.get(next(iter(change)), f"its {next(iter(change))}")
    assert said == f"{part} changed since alice approved it on 2026-01-02"


def test_a_review_tells_what_is_new_changed_or_gone_of_these_servers() -> None:
    other = replace(DELETE, server="mail")
    lock = LOCK.approved([other], servers=["mail"], by="bob", at=AT)
    changes = lock.review([replace(DELETE, description="Delete\nall."), WIPE], servers=["notes"])
    assert [(c.kind, c.server, c.tool) for c in changes] == [
        ("changed", "notes", "delete"),
        ("new", "notes", "wipe"),
    ]
    diff = "\n".join(changes[0].diff)
    assert '-    "Delete a note."' in diff
    assert '+    "all."' in diff
    assert [c.kind for c in lock.review([], servers=["notes"])] == ["gone"]
    assert lock.review([DELETE, other], servers=["notes", "mail"]) == []


def test_what_hides_is_seen_in_a_review_and_in_the_file() -> None:
    hidden = replace(DELETE, description="Delete a note.\u200b\U000e0041")
    (change,) = LOCK.review([hidden], servers=["notes"])
    assert any("\\u200b\\udb40\\udc41" in line for line in change.diff)
    assert LOCK.approved([hidden], servers=["notes"], by="a", at=AT).render().isascii()


def test_who_approved_what_did_not_change_stays_on_record() -> None:
    later = datetime(2026, 5, 1, tzinfo=UTC)
    lock = LOCK.approved([DELETE, WIPE], servers=["notes"], by="bob", at=later)
    entries = json.loads(lock.render())["servers"]["notes"]
    assert (entries["delete"]["approved_by"], entries["wipe"]["approved_by"]) == ("alice", "bob")
    assert entries["wipe"]["approved_at"] == "2026-05-01T00:00:00+00:00"
    gone = lock.approved([WIPE], servers=["notes"], by="bob", at=later)
    assert set(json.loads(gone.render())["servers"]["notes"]) == {"wipe"}


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.text(),
    st.text(),
    st.text(),
    st.dictionaries(st.text(), json_values, max_size=3),
    st.dictionaries(st.text(), json_values, max_size=3),
)
def test_a_lock_file_comes_back_and_is_the_same_text_again(
    server: str, name: str, description: str, schema: dict[str, Any], annotations: dict[str, Any]
) -> None:
    one = Definition(
        server=server,
        identity="i",
        name=name,
        description=description,
        schema=schema,
        annotations=annotations,
    )
    text = Lock([Pin(definition=one, approved_by="a", approved_at=AT)]).render()
    again = Lock.parse(text)
    assert again.objection(one) is None
    assert again.render() == text
    assert again.objection(replace(one, description=f"{description}.")) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"format": 2, "servers": {}}',
        '{"format": 1, "servers": {"notes": {"delete": {}}}}',
        '{"format": 1, "servers": {}, "more": 1}',
        LOCK.render().replace('"alice"', "7"),
        LOCK.render().replace("+00:00", ""),
        LOCK.render().replace("Delete a note.", "Delete all."),
        LOCK.render().replace('"notes"', '"mail"'),
        LOCK.render().replace("true", "false"),
    ],
)
def test_what_is_no_lock_file_or_was_edited_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Lock.parse(text)
    assert "pilotman mcp pin" in caught.value.hint


def test_a_hostile_definition_is_compared_in_time() -> None:
    lines = "\n".join(f"line {i % 7}" for i in range(2_000))
    before = Lock().approved([replace(DELETE, description=lines)], servers=["notes"], by="a", at=AT)
    after = replace(DELETE, description="\n".join(f"line {i % 5}" for i in range(2_000)))
    assert before.review([after], servers=["notes"])
