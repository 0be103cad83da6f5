"""Filters, namespaces and words, beside LangGraph's own store in memory."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langgraph.store.base import MatchCondition
from langgraph.store.memory import InMemoryStore

from pilotman.memory.store.matching import UnknownOperator, matches, score, within, words, words_in

SPACE = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(tuple)
PATH = st.lists(st.sampled_from("abc*"), min_size=1, max_size=3).map(tuple)


@given(spaces=st.sets(SPACE, max_size=8), prefix=st.none() | PATH, suffix=st.none() | PATH)
def test_namespaces_match_as_langgraphs(spaces: set[Any], prefix: Any, suffix: Any) -> None:
    theirs = InMemoryStore()
    for space in spaces:
        theirs.put(space, "k", {})
    conditions = [MatchCondition("prefix", prefix)] if prefix else []
    conditions += [MatchCondition("suffix", suffix)] if suffix else []
    ours = sorted(space for space in spaces if within(space, conditions))
    assert ours == theirs.list_namespaces(prefix=prefix, suffix=suffix)


NUMBER = st.integers(-3, 3) | st.sampled_from([0.5, -1.5])


@given(value=NUMBER, operator=st.sampled_from(["$eq", "$ne", "$gt", "$gte", "$lt", "$lte"]), other=NUMBER)
def test_numbers_compare_as_langgraphs(value: float, operator: str, other: float) -> None:
    theirs = InMemoryStore()
    theirs.put(("n",), "k", {"x": value})
    found = theirs.search(("n",), filter={"x": {operator: other}})
    assert matches({"x": value}, {"x": {operator: other}}) is bool(found)


def test_what_has_no_order_comes_neither_before_nor_after() -> None:
    for value in (None, "7", [7], {"y": 7}):
        for operator in ("$gt", "$gte", "$lt", "$lte"):
            assert not matches({"x": value}, {"x": {operator: 7}})
    assert matches({"day": "2026-05-02"}, {"day": {"$gte": "2026-05-01", "$lt": "2026-06-01"}})


def test_an_operator_that_there_is_not_is_refused() -> None:
    with pytest.raises(UnknownOperator, match="Unsupported operator"):
        matches({"x": 1}, {"x": {"$in": [1]}})


def test_the_score_is_the_share_of_the_words() -> None:
    assert score(words("Red BICYCLE"), words_in({"a": ["a red one"], "bicycle": 1})) == 1.0
    assert score(words("red car"), words_in({"a": "Red"})) == 0.5
    assert score(words("…"), words_in({"a": "Red"})) == 0.0
