from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.retrieval.words.fusion import DEEP, Fusion, Ranking, fused

HOWS: tuple[Fusion, ...] = ("relative", "reciprocal")
SCORES = st.lists(st.floats(0, 20, width=16), min_size=2, max_size=60)


def ranking(*scores: float, zero: float | None = None) -> Ranking:
    return Ranking(scores=np.array(scores, dtype=np.float32), zero=zero)


def order(scores: np.ndarray[tuple[int], np.dtype[np.float64]]) -> list[int]:
    return [int(one) for one in np.argsort(-scores, kind="stable")]


@pytest.mark.parametrize("how", HOWS)
@given(SCORES)
def test_retrievers_that_agree_are_believed(how: Fusion, scores: list[float]) -> None:
    both = fused([ranking(*scores, zero=0.0), ranking(*scores)], how)
    assert ((both >= 0) & (both <= 1)).all()
    for one in range(len(scores)):
        for other in range(len(scores)):
            assert scores[one] <= scores[other] or both[one] >= both[other]


@pytest.mark.parametrize("how", HOWS)
def test_what_both_find_beats_what_one_finds(how: Fusion) -> None:
    words, vectors = ranking(9.0, 8.5, 0, 0, 0, 0, zero=0.0), ranking(0.1, 0.69, 0.7, 0.2, 0.3, 0.4)
    assert order(fused([words, vectors], how))[0] == 1


@pytest.mark.parametrize("how", HOWS)
def test_a_query_without_a_known_word_is_ranked_by_vectors_alone(how: Fusion) -> None:
    assert order(fused([ranking(0, 0, 0, zero=0.0), ranking(0.2, 0.9, 0.5)], how)) == [1, 2, 0]


@pytest.mark.parametrize("how", HOWS)
def test_what_no_retriever_looked_at_scores_zero(how: Fusion) -> None:
    scores = fused([ranking(3.0, 0.0, 0.0, zero=0.0), ranking(0.5, 0.4, -np.inf)], how)
    assert scores[2] == 0.0 < scores[0]


@pytest.mark.parametrize("how", HOWS)
def test_nothing_found_scores_zero(how: Fusion) -> None:
    assert fused([ranking(0.0, 0.0, zero=0.0), ranking(-np.inf, -np.inf)], how).tolist() == [0.0, 0.0]


def test_a_single_document_is_the_best_of_its_embedding() -> None:
    assert fused([ranking(0.3)]).tolist() == [1.0]


def test_how_far_one_is_ahead_counts_in_relative_fusion_only() -> None:
    words, vectors = ranking(9.0, 8.9, 1.0, zero=0.0), ranking(0.1, 0.15, 0.9)
    assert order(fused([words, vectors])) == [2, 1, 0]
    by_ranks = fused([words, vectors], "reciprocal")
    assert by_ranks[0] == by_ranks[2]


def test_the_tail_of_a_ranking_does_not_weaken_its_head() -> None:
    """A strange document far below would else make all that matters look alike."""
    near = [0.9, 0.8, *[0.5] * DEEP]
    assert fused([ranking(*near)])[:2] == pytest.approx(fused([ranking(*near, -1.0)])[:2])
