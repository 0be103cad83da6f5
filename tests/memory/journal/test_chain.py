from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.seal import KeysInMemory, Seal, Subject
from pilotman.memory.journal.chain import EMPTY, HASHED, Head, Tail, block_hash, chained, genesis
from pilotman.memory.storage.schema import events
from pilotman.memory.storage.stored import erased

WHOLE = st.integers(-(2**63), 2**63 - 1)
VALUES = st.lists(st.none() | WHOLE | st.floats(allow_nan=False) | st.text(), max_size=4)


def test_every_column_of_an_event_is_hashed() -> None:
    assert {*HASHED, "hash"} == {column.name for column in events.c}


@given(VALUES)
def test_values_are_hashed_as_json_that_anybody_can_write(values: list[Any]) -> None:
    plain = [repr(value) if isinstance(value, float) else value for value in values]
    said = json.dumps(["before", *plain], ensure_ascii=False, separators=(",", ":"))
    assert chained("before", values) == sha256(said.encode()).hexdigest()


def test_sealed_content_is_hashed_by_its_digest_and_what_is_erased_leaves_that() -> None:
    sealed = Seal(KeysInMemory()).seal(Subject("acme", "alice"), b"content")
    digest = sha256(sealed).hexdigest()
    assert chained("", [sealed]) == chained("", [erased(sealed)]) == chained("", [[digest]])
    assert chained("", [sealed]) != chained("", [digest])
    assert erased(erased(sealed)) == erased(sealed) != sealed
    assert chained("", ["text of old"]) == chained("", [b"text of old"])


@pytest.mark.parametrize("value", [b"\x84", b"\xff", object(), "\ud800"])
def test_what_we_never_store_has_no_hash(value: object) -> None:
    with pytest.raises(TypeError):
        chained("", [value])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([None, ""], ["", None]),
        ([None], ["null"]),
        (['a","b'], ["a", "b"]),
        ([5], ["5"]),
        (["a"], ["a", None]),
    ],
)
def test_what_stands_where_is_not_lost(one: list[Any], other: list[Any]) -> None:
    assert chained("", one) != chained("", other)


def test_hashes_are_the_same_tomorrow() -> None:
    """Of journals that exist: this must never change."""
    spelt = sha256('["x","a\\n",1,"0.5",null,"ü"]'.encode()).hexdigest()
    assert chained("x", ["a\n", 1, 0.5, None, "ü"]) == spelt
    assert genesis("run_1", "acme") == "f5a206e1bc142dd1a7329c48fb7133ec8a7112d6a2ba0e3b6381b7a6114eb91a"
    assert EMPTY.hash == "59cccd892e595e786c5023bf4636ce0da2c6296997b6c3af74b1647ad9d6aba8"


def test_a_chain_begins_with_whose_run_it_is() -> None:
    assert len({genesis("a", "b"), genesis("b", "a"), genesis("ab", ""), genesis("a", "c")}) == 4


def test_a_block_counts_all_up_to_itself() -> None:
    first = EMPTY.follow([Head("b", 1, 3, "h3"), Head("a", 1, 1, "h1")])
    second = first.follow([Head("a", 2, 5, "h5")])
    assert (first.number, first.events, first.runs, first.previous) == (1, 4, 2, EMPTY.hash)
    assert (second.number, second.events, second.runs, second.previous) == (2, 8, 2, first.hash)
    assert first.heads == '[["a",1,1,"h1"],["b",1,3,"h3"]]'


def test_a_block_binds_each_of_its_fields() -> None:
    block = EMPTY.follow([Head("a", 1, 1, "h")])
    assert block_hash(*block[:5]) == block.hash
    for changed in range(5):
        fields: list[Any] = [7 if n == changed else value for n, value in enumerate(block[:5])]
        assert block_hash(*fields) != block.hash


def test_only_what_was_added_grows() -> None:
    tail = Tail(3, 2, "h")
    assert not tail.grown
    tail.seq = 4
    assert tail.grown
    assert tail.head("a") == Head("a", 3, 4, "h")
