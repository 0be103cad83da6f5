from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.retrieval.vectors.spread import SIZE, TRAINED, alike, clustered

from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.tune import by_classes, held_out, shares_found, tune

COUNT = 3_000


@pytest.fixture(scope="module")
def index() -> VectorIndex:
    made = VectorIndex(None, dimensions=SIZE, config=TRAINED)
    made.append(clustered(COUNT))
    made.rebuild()
    return made


def tuned(index: VectorIndex, recall: float, **more: Any) -> Any:
    """Each search takes a second longer than the one before: what is measured first is quickest."""
    seconds = count()
    return tune(index, clustered(60, seed=9), recall=recall, clock=lambda: next(seconds) ** 2, **more)


def test_the_quickest_setting_that_reaches_the_recall_is_chosen(index: VectorIndex) -> None:
    found = tuned(index, 0.9)
    good = [point for point in found.points if point.recall >= 0.9]
    assert found.reached
    assert found.chosen in good
    assert found.chosen.p50 == min(point.p50 for point in good)
    assert len(found.points) > len(good) > 1
    assert {point.nprobe for point in found.points} == {1, 2, 4, 8}


def test_where_no_setting_reaches_it_the_best_is_chosen_and_that_is_said(index: VectorIndex) -> None:
    found = tuned(index, 1.0)
    assert not found.reached
    assert found.chosen.recall == max(point.recall for point in found.points)


def test_the_curve_is_measured_against_exact_search(index: VectorIndex) -> None:
    queries = clustered(60, seed=9)
    truth = index.exact(queries, 10)[0]
    for point in tuned(index, 0.9).points:
        found = index.search(queries, 10, nprobe=point.nprobe, k_factor=point.k_factor)[0]
        assert point.recall == pytest.approx(shares_found(found, truth).mean())


def test_queries_that_are_held_out_do_not_find_themselves(index: VectorIndex) -> None:
    queries, allowed = held_out(index, 50)
    assert len(queries) == 50
    assert allowed.count == COUNT - 50
    assert index.exact(queries, 1, allowed)[1].max() < 0.9999
    assert len(held_out(index, 10**6)[0]) == COUNT


def test_a_class_whose_recall_drifts_is_named() -> None:
    index = VectorIndex(None, dimensions=SIZE, config=TRAINED)
    index.append(np.concatenate([clustered(COUNT), alike(500)]))
    index.rebuild()
    queries = np.concatenate([clustered(40, seed=9), alike(20, seed=9)])
    found = tune(index, queries, recall=0.95, classes=["plain"] * 40 + ["alike"] * 20)
    assert found.drifting == ("alike",)
    assert found.classes["alike"] < found.chosen.recall < found.classes["plain"]


def test_a_class_is_named_only_beyond_chance() -> None:
    shares = np.array([1.0, 0.9] * 50 + [0.5, 0.6] * 10 + [0.9, 0.95] * 5 + [0.0])
    labels = ["many"] * 100 + ["poor"] * 20 + ["fair"] * 10 + ["single"]
    means, drifting = by_classes(shares, labels, 0.95)
    assert drifting == ("poor",)
    assert means["poor"] == pytest.approx(0.55)
    assert means.keys() == {"many", "poor", "fair", "single"}


@given(shares=st.lists(st.floats(0, 1), min_size=1, max_size=40), data=st.data())
def test_not_every_class_can_be_below_the_mean(shares: list[float], data: Any) -> None:
    labels = data.draw(st.lists(st.sampled_from("abc"), min_size=len(shares), max_size=len(shares)))
    _, drifting = by_classes(np.array(shares), labels, 1.0)
    assert set(drifting) < set(labels)


def test_what_there_is_not_is_no_miss() -> None:
    assert shares_found(np.array([[1, -1], [-1, -1]]), np.array([[1, -1], [-1, -1]])).tolist() == [1, 1]
    assert shares_found(np.array([[1, -1]]), np.array([[1, 2]])).tolist() == [0.5]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"recall": 0.0}, "recall=0"),
        ({"recall": 1.2}, "recall=1.2"),
        ({"queries": np.zeros((0, SIZE))}, "takes queries"),
        ({"classes": ["a"]}, "1 classes for 60"),
    ],
)
def test_wrong_questions_are_refused(index: VectorIndex, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        tune(index, wrong.pop("queries", clustered(60, seed=9)), **wrong)


def test_there_is_nothing_to_tune_where_every_search_is_exact() -> None:
    small = VectorIndex(None, dimensions=SIZE, config=TRAINED)
    with pytest.raises(InvalidRequest, match="empty"):
        held_out(small)
    small.append(clustered(10))
    with pytest.raises(InvalidRequest, match="every search is exact"):
        tune(small, *held_out(small)[:1])


def test_what_was_chosen_holds_for_all_processes_until_the_clusters_change(tmp_path: Path) -> None:
    def opened() -> VectorIndex:
        return VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED)

    mine, theirs = opened(), opened()
    mine.append(clustered(COUNT))
    mine.rebuild()
    mine.settle(nprobe=3, k_factor=2.5)
    theirs.refresh()
    for index in (mine, theirs, opened()):
        assert (index.settings.nprobe, index.settings.k_factor) == (3, 2.5)
    queries = clustered(20, seed=1)
    assert (theirs.search(queries, 9)[0] == theirs.search(queries, 9, nprobe=3, k_factor=2.5)[0]).all()
    with pytest.raises(InvalidRequest, match="nprobe=0"):
        mine.settle(nprobe=0, k_factor=1)
    other = VectorIndex(
        tmp_path, dimensions=SIZE, config=type(TRAINED)(exact_below=1_000, nlist=32, threads=1)
    )
    other.rebuild(retrain=True)
    assert other.settings.nprobe == 64


def test_settings_that_are_damaged_are_as_none(tmp_path: Path) -> None:
    index = VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED)
    index.settle(nprobe=3, k_factor=2)
    (tmp_path / "settings.json").write_text("{}")
    assert VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED).settings.nprobe == TRAINED.nprobe
