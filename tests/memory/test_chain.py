from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.chain import EMPTY, HASHED, Head, Tail, block_hash, chained, genesis
from pilotman.memory.schema import events

VALUES = st.lists(st.none() | st.integers() | st.floats(allow_nan=False) | st.text(), max_size=4)


def test_every_column_of_an_event_is_hashed() -> None:
    assert {*HASHED, "hash"} == {column.name for column in events.c}


def as_text(values: list[Any]) -> list[str | None]:
    """In a column of one type 5 and "5" are the same."""
    return [None if value is None else str(value) for value in values]


@given(VALUES, VALUES)
def test_different_values_never_look_the_same(one: list[Any], other: list[Any]) -> None:
    assert (chained("", one) == chained("", other)) == (as_text(one) == as_text(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        ([None, ""], ["", None]),
        ([None], ["-"]),
        (["1:a"], ["1", "a"]),
        (["a"], ["a", None]),
    ],
)
def test_what_stands_where_is_not_lost(one: list[Any], other: list[Any]) -> None:
    assert chained("", one) != chained("", other)


def test_hashes_are_the_same_tomorrow() -> None:
    """Of journals that exist: this must never change."""
    spelt = sha256("x1:a1:13:0.5-1:ü".encode()).hexdigest()
    assert chained("x", ["a", 1, 0.5, None, "ü"]) == spelt
    assert genesis("run_1", "acme") == "622d8c128f3a3d1cc5cc9121ae4de80f98dab3fee95cad72f47820c595d6d02a"
    assert EMPTY.hash == "d33ecb7508d081b12fbe58336eac7ee04ce9bc2f18e861bab0d0c51f3fc80a69"


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
