from __future__ import annotations

import pytest

from pilotman.retrieval.lexical import Lexical


def test_rows_with_rarer_terms_of_the_query_score_higher() -> None:
    scores = Lexical([["disk", "full"], ["disk", "slow"], ["disk", "noisy"]]).scores(["disk", "full"])
    assert scores[0] > scores[1] == scores[2] > 0


def test_a_repeated_term_counts_more_than_once_but_less_than_twice() -> None:
    index = Lexical([["disk", "full"], ["cpu", "busy"]])
    once, twice = index.scores(["disk"])[0], index.scores(["disk", "disk"])[0]
    assert once < twice < 2 * once


NOTHING: list[tuple[list[list[str]], list[str]]] = [
    ([], ["disk"]),
    ([[], []], ["disk"]),
    ([["disk"]], []),
    ([["disk"]], ["cpu"]),
]


@pytest.mark.parametrize(("rows", "query"), NOTHING)
def test_nothing_to_match_scores_zero(rows: list[list[str]], query: list[str]) -> None:
    assert Lexical(rows).scores(query).tolist() == [0.0] * len(rows)
