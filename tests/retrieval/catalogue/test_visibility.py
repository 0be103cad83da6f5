from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pilotman.retrieval.catalogue.visibility import Visibility

SETS = {1: frozenset({"*"}), 2: frozenset({"a"}), 3: frozenset({"a", "b"}), 4: frozenset({"c"})}
TAGS = [frozenset({"*"}), frozenset({"*", "a"}), frozenset({"b"}), frozenset({"c", "*"}), frozenset({"none"})]

changes = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([0, *SETS]), st.sampled_from([np.inf, 1.0, 2.0, 3.5])),
    max_size=8,
    unique_by=lambda change: change[0],
)
steps = st.lists(st.tuples(changes, st.floats(0, 1), st.sampled_from(TAGS)), max_size=12)


@given(steps, st.booleans(), st.sampled_from([1, 10**6]))
def test_bitmaps_that_follow_changes_are_those_that_are_made_anew(
    steps: list[tuple[list[tuple[int, int, float]], float, frozenset[str]]], drop_stale: bool, budget: int
) -> None:
    visibility = Visibility(drop_stale=drop_stale, budget=budget)
    truth: dict[int, tuple[int, float]] = {}
    now = 0.0
    for number, (changed, passed, tags) in enumerate(steps):
        now += passed
        if changed:
            rows, sets, expiry = (np.array(column) for column in zip(*changed, strict=True))
            visibility.apply(rows.astype(np.int64), sets.astype(np.int32), expiry.astype(np.float64), now)
            truth |= {row: (kind, until) for row, kind, until in changed}
        if number < len(SETS):  # sets become known one by one, also after rows that have them
            visibility.learn([(number + 1, SETS[number + 1])])
        visibility.expire(now)
        known = set(list(SETS)[: number + 1])
        expected = {
            row
            for row, (kind, until) in truth.items()
            if kind in known and SETS[kind] & tags and (not drop_stale or until > now)
        }
        allowed = visibility.allowed(tags, now)
        assert set(allowed.rows) == expected
        assert allowed is visibility.allowed(tags, now)


def test_a_bitmap_in_use_does_not_change() -> None:
    visibility = Visibility(drop_stale=True)
    visibility.learn(SETS.items())
    forever = np.array([np.inf])
    visibility.apply(np.array([5]), np.array([1], dtype=np.int32), forever, 0)
    before = visibility.allowed(TAGS[0], 0)
    visibility.apply(np.array([5]), np.array([0], dtype=np.int32), forever, 0)
    assert list(before.rows) == [5]
    assert list(visibility.allowed(TAGS[0], 0).rows) == []


def test_a_million_rows_cost_twelve_bytes_each_and_a_bit_a_view() -> None:
    visibility = Visibility(drop_stale=True)
    visibility.learn(SETS.items())
    rows = np.arange(1_000_000)
    visibility.apply(rows, np.full(len(rows), 1, dtype=np.int32), np.full(len(rows), np.inf), 0)
    visibility.allowed(TAGS[0], 0)
    assert visibility.memory() <= 12_000_000 + 125_000


def test_a_change_builds_nothing_anew() -> None:
    visibility = Visibility(drop_stale=True)
    visibility.learn(SETS.items())
    rows, forever = np.arange(1_000), np.array([np.inf])
    visibility.apply(rows, np.full(1_000, 2, dtype=np.int32), np.full(1_000, np.inf), 0)
    visibility.allowed(TAGS[1], 0)
    built: list[object] = []
    visibility._built = lambda *what: built.append(what)  # type: ignore[method-assign,assignment]  # pyright: ignore[reportPrivateUsage, reportAttributeAccessIssue]
    for row in range(1_000):
        visibility.apply(np.array([row]), np.array([row % 2 * 2], dtype=np.int32), forever, 0)
    assert visibility.allowed(TAGS[1], 0).count == 500
    assert built == []
