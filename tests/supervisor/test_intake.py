"""Plain intake: words stay words, fields become facts, and what cannot be written down is refused."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from pilotman.guardrails.errors import InvalidRequest
from pilotman.supervisor.intake import MAX_FACTS, MAX_TEXT, plain


class Order(BaseModel):
    order_id: str
    amount: int


def test_words_stay_words() -> None:
    taken = plain("  what is wrong\r\nwith web-1?\x00\x1b[31m ")
    assert taken.text == taken.query == "what is wrong\nwith web-1?"
    assert dict(taken.facts) == {}
    assert (taken.severity, taken.idempotency_key, taken.thread_id, taken.answer) == (0, None, None, None)


def test_fields_become_facts_and_a_line_each() -> None:
    taken = plain({"order": "A-1", "items": [1, 2], "gift": True})
    assert taken.text == "order: A-1\nitems: [1, 2]\ngift: true"
    assert dict(taken.facts) == {"order": "A-1", "items": [1, 2], "gift": True}
    assert plain(Order(order_id="A-1", amount=3)).facts == {"order_id": "A-1", "amount": 3}


def test_a_text_among_the_fields_is_the_request() -> None:
    taken = plain(MappingProxyType({"text": "please look", "order": "A-1"}))
    assert taken.text == "please look"
    assert taken.facts["order"] == "A-1"


def test_facts_are_a_copy() -> None:
    given_ = {"items": [1]}
    taken = plain(given_)
    given_["items"].append(2)
    assert taken.facts["items"] == [1]


@pytest.mark.parametrize(
    "request_",
    [
        "",
        " \n\t ",
        "\x00\x01",
        "x" * (MAX_TEXT + 1),
        "\ud800",
        {},
        {"text": ""},
        {"a": float("nan")},
        {"a": {1, 2}},
        {"a": "x" * (MAX_FACTS + 1)},
        {"a": "\udfff"},
        {1: "a"},
        7,
        None,
        ["a"],
    ],
    ids=lambda value: str(value)[:12].encode("ascii", "replace").decode(),
)
def test_what_cannot_be_a_request_is_refused_in_a_line(request_: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        plain(request_)
    assert "\n" not in str(caught.value)


def test_endless_nesting_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidRequest):
        plain({"a": deep})


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given(st.text(max_size=50) | st.dictionaries(st.text(max_size=10), values, max_size=5))
def test_what_is_taken_can_be_written_down(request_: Any) -> None:
    try:
        taken = plain(request_)
    except InvalidRequest:
        return
    assert taken.text.strip()
    json.dumps(dict(taken.facts), allow_nan=False).encode()
    taken.text.encode()
