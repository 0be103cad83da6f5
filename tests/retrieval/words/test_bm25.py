from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.retrieval.words.bm25 import BM25

DISKS = [["disk", "full"], ["disk", "slow"], ["disk", "noisy", "noisy"], []]
WORDS = ["disk", "cpu", "node", "full", "slow"]


def built(rows: Sequence[Sequence[str]]) -> BM25:
    index = BM25()
    index.add(range(len(rows)), rows)
    return index


def seen(*rows: int, size: int = 8) -> Any:
    mask = np.zeros(size, dtype=np.bool_)
    mask[list(rows)] = True
    return mask


def test_rows_with_rarer_terms_of_the_query_come_first() -> None:
    rows, scores = built(DISKS).search(["disk", "full"], 10)
    assert rows.tolist() == [0, 1, 2]
    assert scores[0] > scores[1] > scores[2] > 0


def test_of_equal_rows_the_first_are_told_and_no_more_than_were_asked_for() -> None:
    index = built([["cpu"]] + [["disk"]] * 20)
    assert index.search(["disk"], 3)[0].tolist() == [1, 2, 3]


def test_a_repeated_term_counts_more_than_once_but_less_than_twice() -> None:
    index = built([["disk", "full"], ["cpu", "busy"]])
    once, twice = index.scores(["disk"])[0], index.scores(["disk", "disk"])[0]
    assert once < twice < 2 * once


@given(
    st.lists(st.lists(st.sampled_from(WORDS), min_size=1), min_size=1, max_size=9),
    st.sets(st.sampled_from(WORDS)),
)
def test_the_scores_of_all_rows_are_those_of_the_library(rows: list[list[str]], query: set[str]) -> None:
    bm25s: Any = importlib.import_module("bm25s")  # has no types
    library = bm25s.BM25(k1=1.5, b=0.75, method="lucene")
    library.index(rows, show_progress=False)
    known = [term for term in query if any(term in row for row in rows)]
    expected = library.get_scores(known) if known else np.zeros(len(rows))
    assert built(rows).scores(sorted(query)) == pytest.approx(expected, rel=1e-4, abs=1e-6)


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(st.lists(st.sampled_from(WORDS)), min_size=1, max_size=5)),
        st.tuples(st.just("remove"), st.lists(st.integers(0, 25), max_size=6)),
    ),
    max_size=12,
)


@given(CHANGES, st.sets(st.integers(0, 25)), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
def test_a_reader_sees_the_scores_of_an_index_of_the_allowed_rows_alone(
    changes: list[tuple[str, Any]], allowed: set[int], query: list[str]
) -> None:
    index, there, following = BM25(), dict[int, list[str]](), 0
    for change, what in changes:
        if change == "add":
            rows = range(following, following + len(what))
            index.add(rows, what)
            there.update(zip(rows, what, strict=True))
            following += len(what)
        else:
            index.remove(what)
            there = {row: terms for row, terms in there.items() if row not in what}
    mine = sorted(there.keys() & allowed)
    expected = np.zeros(following, dtype=np.float32)
    expected[mine] = built([there[row] for row in mine]).scores(query)
    mask = seen(*allowed, size=26)
    assert index.scores(query, mask).tolist() == expected.tolist()
    for term in query:
        assert index.having(term, mask).tolist() == [row for row in mine if term in there[row]]
    assert len(index) == len(there)


def test_rows_of_others_change_no_score() -> None:
    index = built(DISKS)
    before = index.scores(["disk", "full"], seen(0, 1))
    index.add([4, 5], [["full"] * 9, ["full", "disk"]])
    assert index.scores(["disk", "full"], seen(0, 1))[:4].tolist() == before.tolist()


def test_a_mask_that_is_too_short_allows_nothing_more() -> None:
    assert built(DISKS).search(["disk"], 9, seen(1, size=2))[0].tolist() == [1]


def test_what_was_removed_is_found_no_more_and_its_postings_go() -> None:
    index = built([["disk", f"host{number}"] for number in range(100)])
    full = index.memory()
    index.remove(range(60))
    assert index.search(["host3"], 5)[0].tolist() == []
    assert index.search(["host77"], 5)[0].tolist() == [77]
    assert index.memory() < full


def test_many_small_additions_end_in_few_blocks() -> None:
    index = BM25()
    for row in range(500):
        index.add([row], [["disk", f"host{row}"]])
    assert index.search(["host499"], 1)[0].tolist() == [499]
    assert len(index._state.blocks) < 12  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("rows", [[0], [-1], [7, 7], [7, 8]])
def test_a_row_is_added_once_with_its_terms(rows: list[int]) -> None:
    index = built(DISKS)
    with pytest.raises(ValueError, match="row"):
        index.add(rows, [["disk"]] * min(len(rows), 3) if rows != [7, 8] else [["disk"]])


def test_a_row_that_was_removed_is_not_used_again() -> None:
    index = built(DISKS)
    index.remove([0])
    with pytest.raises(ValueError, match="never used"):
        index.add([0], [["cpu"]])


NOTHING: list[tuple[list[list[str]], list[str]]] = [
    ([], ["disk"]),
    ([[], []], ["disk"]),
    ([["disk"]], []),
    ([["disk"]], ["cpu"]),
]


@pytest.mark.parametrize(("rows", "query"), NOTHING)
def test_nothing_to_match_scores_zero(rows: list[list[str]], query: list[str]) -> None:
    assert built(rows).scores(query).tolist() == [0.0] * len(rows)
    assert built(rows).search(query, 5)[0].tolist() == []
