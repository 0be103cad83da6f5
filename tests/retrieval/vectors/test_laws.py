"""Whatever is appended, erased, rebuilt and opened again, in any order: found is what may be found."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.retrieval.vectors.spread import SIZE, TRAINED, best, clustered, recall

from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.vectors import Allowed, VectorIndex

EXACT = IndexConfig(exact_below=1_000_000)


class Life(RuleBasedStateMachine):
    """An index beside a plain array that is searched by brute force."""

    config = EXACT
    begins_with = 0
    how: ClassVar[dict[str, Any]] = {}
    least = 1.0

    @initialize(on_disk=st.booleans())
    def begin(self, on_disk: bool) -> None:
        self.folder = Path(tempfile.mkdtemp()) if on_disk else None
        self.vectors = np.zeros((0, SIZE), dtype=np.float32)
        self.alive = np.zeros(0, dtype=bool)
        self.index = self.opened()
        if self.begins_with:
            self.append(self.begins_with, False)
            self.index.rebuild()

    def opened(self) -> VectorIndex:
        return VectorIndex(self.folder, dimensions=SIZE, config=self.config)

    @rule(count=st.integers(0, 40), by_another=st.booleans())
    def append(self, count: int, by_another: bool) -> None:
        new = clustered(count, seed=len(self.vectors))  # no two are the same
        if by_another and self.folder:
            other = self.opened()
            assert other.append(new).start == len(self.vectors)
            other.close()
            self.index.refresh()
        else:
            assert self.index.append(new) == range(len(self.vectors), len(self.vectors) + count)
        self.vectors = np.concatenate([self.vectors, new])
        self.alive = np.append(self.alive, np.ones(count, dtype=bool))

    @rule(data=st.data())
    @precondition(lambda self: len(self.vectors) > 0)
    def erase(self, data: Any) -> None:
        rows = data.draw(st.lists(st.integers(0, len(self.vectors) - 1), max_size=30))
        self.index.erase(rows)
        self.alive[rows] = False

    @rule()
    @precondition(lambda self: self.folder)
    def reopen(self) -> None:
        self.index.close()
        self.index = self.opened()

    @rule()
    def rebuild(self) -> None:
        self.index.rebuild()

    @rule(seed=st.integers(0, 100), share=st.floats(0, 1), k=st.integers(1, 12))
    def search(self, seed: int, share: float, k: int) -> None:
        count = len(self.vectors)
        allowed = np.random.default_rng(seed).random(count) < share
        queries = clustered(8, seed)
        may = allowed & self.alive
        truth = [best(self.vectors, query, k, may) for query in queries]
        found, scores = self.index.search(queries, k, Allowed.of(np.flatnonzero(allowed)), **self.how)
        for row, good, score in zip(found, truth, scores, strict=True):
            hits = row[row >= 0]
            assert may[hits].all()
            assert len(set(hits)) == len(hits) == len(good)
            assert (score[len(hits) :] == -np.inf).all()
        self.close_enough(found, truth, k)

    def close_enough(self, found: Any, truth: list[list[int]], k: int) -> None:
        padded = np.array([good + [-1] * (k - len(good)) for good in truth])
        assert recall(found, padded) >= self.least

    @invariant()
    def erased_vectors_are_gone(self) -> None:
        if len(getattr(self, "vectors", [])):
            assert self.index.count == len(self.vectors)
            assert not self.index.vectors(np.flatnonzero(~self.alive)).any()

    def teardown(self) -> None:
        if getattr(self, "folder", None):
            self.index.close()
            shutil.rmtree(str(self.folder))


class TrainedLife(Life):
    """The same with a trained index."""

    config = TRAINED
    begins_with = 2_000
    how: ClassVar[dict[str, Any]] = {
        "nprobe": 16,
        "k_factor": 100,
    }  # what is left is the error of the 8-bit codes
    least = 0.6


TestExactLife = Life.TestCase
TestExactLife.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestTrainedLife = TrainedLife.TestCase
TestTrainedLife.settings = settings(max_examples=10, stateful_step_count=12, deadline=None)
