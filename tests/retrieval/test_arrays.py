from __future__ import annotations

import numpy as np
import pytest

from pilotman.retrieval.arrays import unit


def test_each_vector_has_length_one() -> None:
    vectors = unit(np.random.default_rng(7).normal(size=(20, 16)))
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(20), abs=1e-6)


def test_a_vector_of_zeros_stays() -> None:
    assert unit(np.zeros((1, 3))).tolist() == [[0.0, 0.0, 0.0]]
