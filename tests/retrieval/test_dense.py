from __future__ import annotations

import numpy as np
import pytest

from pilotman.retrieval import dense as module
from pilotman.retrieval.dense import Dense, unit


def vectors(count: int) -> module.Vectors:
    return unit(np.random.default_rng(7).normal(size=(count, 16)))


def test_scores_are_the_exact_inner_products_of_the_rows_in_their_order() -> None:
    all_rows, query = vectors(300), vectors(1)[0]
    rows = np.array([299, 4, 17, 0], dtype=np.int64)
    assert Dense(all_rows).scores(query, rows) == pytest.approx(all_rows[rows] @ query, abs=1e-6)


def test_rows_beyond_the_candidates_are_no_better_than_the_last_of_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_CANDIDATES", 10)
    all_rows, query = vectors(50), vectors(1)[0]
    exact = all_rows @ query
    scores = Dense(all_rows).scores(query, np.arange(50, dtype=np.int64))
    best = np.argsort(-exact)
    assert scores[best[:10]] == pytest.approx(exact[best[:10]], abs=1e-6)
    assert set(scores[best[10:]].tolist()) == set(scores[best[9:10]].tolist())


def test_a_vector_of_zeros_stays() -> None:
    assert unit(np.zeros((1, 3))).tolist() == [[0.0, 0.0, 0.0]]
