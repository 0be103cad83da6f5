from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.retrieval.vectors.spread import SIZE, TRAINED, best, clustered, recall

from pilotman.guardrails.errors import ConfigurationError, Conflict, InvalidRequest
from pilotman.retrieval.arrays import Vectors
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.vectors import Allowed, VectorIndex

COUNT = 3_000


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return clustered(COUNT)


@pytest.fixture(params=["memory", "folder"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[VectorIndex]:
    folder = tmp_path / "index" if request.param == "folder" else None
    opened = VectorIndex(folder, dimensions=SIZE, config=TRAINED)
    yield opened
    opened.close()


@pytest.fixture
def trained(index: VectorIndex, vectors: Vectors) -> VectorIndex:
    index.append(vectors)
    index.rebuild()
    assert index.epoch == 1
    return index


def test_rows_are_counted_from_zero_and_never_again(index: VectorIndex, vectors: Vectors) -> None:
    assert index.append(vectors[:5]) == range(5)
    index.erase([4])
    assert index.append(vectors[5:7]) == range(5, 7)
    assert index.append(vectors[:0]) == range(7, 7)
    assert index.count == 7


def test_an_empty_index_finds_nothing(index: VectorIndex, vectors: Vectors) -> None:
    rows, scores = index.search(vectors[:2], 3)
    assert rows.tolist() == [[-1] * 3] * 2
    assert (scores == -np.inf).all()
    index.rebuild()
    assert (index.epoch, index.needs_rebuild()) == (0, None)


def test_where_there_are_fewer_than_asked_the_rest_is_padded(index: VectorIndex, vectors: Vectors) -> None:
    index.append(vectors[:2])
    rows, scores = index.search(vectors[:1], 4)
    assert rows[0, 0] == 0
    assert rows[0, 2:].tolist() == [-1, -1]
    assert scores[0, 2:].tolist() == [-np.inf, -np.inf]


def test_no_query_has_no_result(index: VectorIndex, vectors: Vectors) -> None:
    index.append(vectors[:5])
    assert index.search(vectors[:0], 3)[0].shape == (0, 3)


def test_cosines_do_not_depend_on_lengths(index: VectorIndex, vectors: Vectors) -> None:
    index.append(vectors[:50] * np.arange(1, 51)[:, None])
    rows, scores = index.search(vectors[:50] * 7, 1)
    assert rows[:, 0].tolist() == list(range(50))
    assert scores[:, 0] == pytest.approx(1, abs=1e-5)


def test_a_number_may_be_large_or_small(index: VectorIndex, vectors: Vectors) -> None:
    index.append(vectors[:3])
    for size in (1e30, 1e-30):
        rows, scores = index.search(vectors[1:2] * size, 1)
        assert (rows[0, 0], scores[0, 0]) == (1, pytest.approx(1, abs=1e-5))


def test_inner_products_do(vectors: Vectors) -> None:
    index = VectorIndex(None, dimensions=SIZE, config=IndexConfig(metric="dot"))
    index.append([vectors[0], vectors[0] * 3])
    rows, scores = index.search(vectors[:1] * 2, 2)
    assert rows[0].tolist() == [1, 0]
    assert scores[0] == pytest.approx([6, 2], abs=1e-4)


def test_a_vector_of_zeros_is_near_nothing(index: VectorIndex, vectors: Vectors) -> None:
    index.append(np.zeros((1, SIZE)))
    assert index.search(vectors[:1], 1)[1].tolist() == [[0]]
    assert index.search(np.zeros((1, SIZE)), 1)[0].tolist() == [[0]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (np.zeros((2, SIZE + 1)), "dimensions"),
        (np.zeros(SIZE), "shape"),
        (np.full((1, SIZE), np.nan), "NaN"),
        (np.full((1, SIZE), np.inf), "NaN or an infinity"),
        (np.full((1, SIZE), 1e300), "NaN or an infinity"),
    ],
)
def test_vectors_that_do_not_fit_are_refused_whole(index: VectorIndex, wrong: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        index.append(wrong)
    with pytest.raises(InvalidRequest, match=said):
        index.search(wrong, 3)
    with pytest.raises(InvalidRequest, match=said):
        index.exact(wrong, 3)
    assert index.count == 0


def test_wrong_questions_are_refused(index: VectorIndex, vectors: Vectors) -> None:
    index.append(vectors[:3])
    for rows in ([3], [-1], [0, 99]):
        with pytest.raises(InvalidRequest, match="no such row"):
            index.erase(rows)
        with pytest.raises(InvalidRequest, match="no such row"):
            index.vectors(rows)
    with pytest.raises(InvalidRequest, match="k=0"):
        index.search(vectors[:1], 0)
    with pytest.raises(InvalidRequest, match="nprobe=0"):
        index.search(vectors[:1], 1, nprobe=0)
    with pytest.raises(InvalidRequest, match=r"k_factor=0\.5"):
        index.search(vectors[:1], 1, k_factor=0.5)
    with pytest.raises(ConfigurationError, match="dimensions=0"):
        VectorIndex(None, dimensions=0, config=TRAINED)


def test_erased_vectors_are_gone(index: VectorIndex, vectors: Vectors) -> None:
    index.append(vectors[:10])
    index.erase([2, 5, 5])
    index.erase([5])
    assert not index.vectors([2, 5]).any()
    assert not set(index.search(vectors[[2, 5]], 10)[0].ravel()) & {2, 5}
    assert not set(index.search(vectors[[2, 5]], 10, Allowed.of([2, 5, 6]))[0].ravel()) & {2, 5}


def test_few_allowed_rows_are_searched_exactly(trained: VectorIndex, vectors: Vectors) -> None:
    some = np.zeros(COUNT, dtype=bool)
    some[::20] = True
    found, scores = trained.search(vectors[:30], 5, Allowed.of(np.flatnonzero(some)))
    assert found.tolist() == [best(vectors, query, 5, some) for query in vectors[:30]]
    assert scores == pytest.approx(trained.exact(vectors[:30], 5, Allowed.of(np.flatnonzero(some)))[1])


@pytest.mark.parametrize("share", [1.0, 0.9, 0.6])
def test_a_trained_index_finds_nearly_all_and_nothing_else(
    trained: VectorIndex, vectors: Vectors, share: float
) -> None:
    allowed = Allowed.of(np.flatnonzero(np.random.default_rng(1).random(COUNT) < share))
    queries = clustered(100, seed=2)
    found, scores = trained.search(queries, 10, allowed)
    assert np.isin(found, allowed.rows).all()
    truth, exact = trained.exact(queries, 10, allowed)
    assert recall(found, truth) > 0.9
    assert scores[:, 0] == pytest.approx(exact[:, 0], abs=0.05)


def test_allowed_rows_far_from_the_query_are_found_all_the_same(
    trained: VectorIndex, vectors: Vectors
) -> None:
    away = np.argsort(vectors @ vectors[0])[: COUNT // 2]
    found, _ = trained.search(vectors[:1], 10, Allowed.of(away), nprobe=1)
    assert found[0].tolist() == trained.exact(vectors[:1], 10, Allowed.of(away))[0][0].tolist()


def test_rows_after_the_epoch_are_found_beside_those_before(trained: VectorIndex, vectors: Vectors) -> None:
    first = trained.append(clustered(50, seed=3)).start
    rows, scores = trained.search(clustered(50, seed=3), 5)
    assert rows[:, 0].tolist() == list(range(first, first + 50))
    assert (np.diff(scores, axis=1) <= 0).all()
    only = Allowed.of([7, first + 3])
    assert sorted(trained.search(vectors[:1], 2, only)[0][0].tolist()) == [7, first + 3]


def test_a_bitmap_does_not_allow_rows_that_came_after_it(trained: VectorIndex, vectors: Vectors) -> None:
    allowed = Allowed(np.full(-(-COUNT // 8), 255, dtype=np.uint8))
    trained.search(vectors[:1], 1, allowed)
    new = trained.append(vectors[:1]).start
    assert new not in trained.search(vectors[:1], 10, allowed)[0]


def test_deletions_hold_for_the_next_search_of_the_same_bitmap(
    trained: VectorIndex, vectors: Vectors
) -> None:
    for allowed in (None, Allowed.of(np.arange(COUNT)), Allowed.of(np.arange(40))):
        row = int(trained.search(vectors[9:10], 1, allowed)[0][0, 0])
        trained.erase([row])
        assert row not in trained.search(vectors[9:10], 50, allowed)[0]


def test_more_clusters_and_more_candidates_find_more(trained: VectorIndex) -> None:
    queries = clustered(200, seed=4)
    truth = trained.exact(queries, 10)[0]
    little = recall(trained.search(queries, 10, nprobe=1, k_factor=1)[0], truth)
    much = recall(trained.search(queries, 10, nprobe=16, k_factor=16)[0], truth)
    assert little < 0.9 < 0.96 < much


def test_a_naked_bitmap_is_allowed(trained: VectorIndex, vectors: Vectors) -> None:
    bits = Allowed.of([1, 2, 3]).bits
    assert sorted(trained.search(vectors[:1], 3, bits)[0][0].tolist()) == [1, 2, 3]


def test_a_rebuild_is_asked_for_when_it_helps(index: VectorIndex, vectors: Vectors) -> None:
    index.append(vectors[:999])
    assert index.needs_rebuild() is None
    index.append(vectors[999:])
    assert "3000 rows are searched exactly" in (index.needs_rebuild() or "")
    index.rebuild()
    assert index.needs_rebuild() is None
    index.erase(np.arange(700))
    assert "700 of the 3000" in (index.needs_rebuild() or "")
    index.append(clustered(1_001, seed=5))
    assert "1001 of 4001" in (index.needs_rebuild() or "")
    index.rebuild()
    assert index.needs_rebuild() is None
    assert index.epoch == 2


def test_other_settings_are_learnt_at_the_next_rebuild(tmp_path: Path, vectors: Vectors) -> None:
    def opened(config: IndexConfig) -> VectorIndex:
        return VectorIndex(tmp_path, dimensions=SIZE, config=config)

    index = opened(TRAINED)
    index.append(vectors)
    index.rebuild()
    assert opened(replace(TRAINED, nlist=32)).clusters == 16
    for config, clusters in ((replace(TRAINED, nlist=32), 32), (replace(TRAINED, nlist=None), 32)):
        index = opened(config)
        index.rebuild()
        assert index.clusters == clusters
    before = index.memory()["lists"]
    index = opened(replace(TRAINED, nlist=None, pq=f"PQ{SIZE}x4fs"))
    index.rebuild()
    assert index.memory()["lists"] > before


def test_memory_is_counted_by_part(trained: VectorIndex, vectors: Vectors) -> None:
    allowed = Allowed.of(np.arange(0, COUNT, 30))
    before = trained.memory()
    trained.search(vectors[:1], 3, allowed)
    after = trained.memory()
    assert before["codes"] == COUNT * SIZE
    assert before["lists"] >= COUNT * (SIZE // 4 + 8)
    assert after["allowed rows"] > before["allowed rows"]
    del allowed
    assert trained.memory() == before


def test_a_closed_index_says_so(index: VectorIndex, tmp_path: Path, vectors: Vectors) -> None:
    index.close()
    if any(tmp_path.iterdir()):
        with pytest.raises(Conflict, match="closed"):
            index.append(vectors[:1])
