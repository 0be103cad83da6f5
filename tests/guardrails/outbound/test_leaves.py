"""Texts of a JSON value are looked at and replaced in place."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.outbound.leaves import leaves, replaced

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_a_change_leaves_as_it_is_stays_what_it_was(value: Any) -> None:
    assert replaced(value, lambda text: text) == value


def test_every_text_is_a_leaf_and_so_are_whole_numbers_and_keys() -> None:
    value = {"a": ["x", 4111111111111111, 1.0, 0.5, True, None], "b": {"c": "y"}}
    assert list(leaves(value)) == ["a", "x", "4111111111111111", "1", "b", "c", "y"]
    assert replaced(value, lambda text: "*" if text in ("x", "4111111111111111", "c") else text) == {
        "a": ["*", "*", 1.0, 0.5, True, None],
        "b": {"*": "y"},
    }
