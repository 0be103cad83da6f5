from __future__ import annotations

from typing import Any

import pytest

from pilotman.retrieval.catalogue.filter import condition_of, key_of, keys_of

DOCUMENT = {"shelf": "a", "n": 3, "tags": ["x", "y"], "page": {"first": 1}, "none": None}


@pytest.mark.parametrize(
    ("filter", "holds"),
    [
        ({}, True),
        ({"shelf": "a", "n": 3}, True),
        ({"shelf": "a", "n": 4}, False),
        ({"page": {"first": 1}}, True),
        ({"tags": ["x"]}, False),
        ({"absent": None, "none": None}, True),
        ({"n": {"$gt": 2, "$lte": 3}}, True),
        ({"n": {"$ne": 3}}, False),
        ({"absent": {"$ne": 3}}, True),
        ({"absent": {"$gt": 3}}, False),
        ({"shelf": {"$nin": ["a", "b"]}}, False),
        ({"$or": [{"n": 9}, {"shelf": "a"}]}, True),
        ({"$and": [{"n": 9}, {"shelf": "a"}]}, False),
        ({"$not": {"n": 9}}, True),
    ],
)
def test_a_filter_says_what_it_says(filter: dict[str, Any], holds: bool) -> None:
    assert condition_of(filter)(DOCUMENT) is holds


def test_equal_filters_have_one_key_and_unequal_ones_do_not() -> None:
    assert key_of({"a": 1, "b": {"$in": [1]}}) == key_of({"b": {"$in": [1]}, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": "1"})


def test_every_key_that_a_filter_looks_at_is_named() -> None:
    assert {"a", "b", "c"} <= keys_of({"a": 1, "$or": [{"b": {"$gt": 1}}, {"$not": {"c": 2}}]})
