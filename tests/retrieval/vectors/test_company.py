"""Threads and processes that share an index."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from tests.patience import PATIENCE, in_time
from tests.retrieval.vectors.spread import SIZE, TRAINED, clustered, unfound

from pilotman.retrieval.vectors import Allowed, VectorIndex

VECTORS = clustered(2_000)


def opened(folder: Path | None) -> VectorIndex:
    return VectorIndex(folder, dimensions=SIZE, config=TRAINED)


def test_what_another_process_did_is_seen_after_a_refresh(tmp_path: Path) -> None:
    mine, theirs = opened(tmp_path), opened(tmp_path)
    mine.append(VECTORS)
    assert theirs.count == 0
    theirs.refresh()
    assert theirs.search(VECTORS[5:6], 1)[0].tolist() == [[5]]
    mine.rebuild()
    mine.erase([5])
    theirs.refresh()
    assert (theirs.epoch, theirs.caveats) == (1, ())
    assert 5 not in theirs.search(VECTORS[5:6], 50)[0]


def test_two_processes_append_to_rows_of_their_own(tmp_path: Path) -> None:
    mine, theirs = opened(tmp_path), opened(tmp_path)
    rows = [(mine if turn % 2 else theirs).append(VECTORS[turn : turn + 1])[0] for turn in range(10)]
    assert rows == list(range(10))
    mine.refresh()
    assert np.allclose(mine.vectors(rows), VECTORS[:10])


def test_an_erasure_by_another_is_not_undone_by_ones_own(tmp_path: Path) -> None:
    mine, theirs = opened(tmp_path), opened(tmp_path)
    mine.append(VECTORS[:10])
    theirs.erase([1])
    mine.erase([1, 2])
    assert {1, 2}.isdisjoint(mine.search(VECTORS[:10], 10)[0].ravel())
    theirs.refresh()
    assert {1, 2}.isdisjoint(theirs.search(VECTORS[:10], 10)[0].ravel())


def test_an_epoch_that_was_removed_goes_on_serving_those_who_have_it(tmp_path: Path) -> None:
    mine, theirs = opened(tmp_path), opened(tmp_path)
    mine.append(VECTORS)
    mine.rebuild()
    theirs.refresh()
    mine.append(clustered(50, seed=1))
    mine.rebuild()
    assert not (tmp_path / "epoch-000001").exists()
    assert theirs.epoch == 1
    assert len(unfound(theirs, VECTORS, np.arange(2_000))) <= 20


@pytest.mark.parametrize("on_disk", [False, True])
def test_changes_during_a_rebuild_are_in_what_serves_after_it(tmp_path: Path, on_disk: bool) -> None:
    new: list[range] = []
    erased: list[int] = []

    def meanwhile(step: str) -> None:
        if step in ("trained", "filled", "written"):
            new.append(index.append(clustered(20, seed=len(new) + 1)))
            erased.extend([len(new), new[-1].start])
            index.erase(erased[-2:])
            assert erased[-2] not in index.search(VECTORS[[erased[-2]]], 10)[0]

    index = VectorIndex(tmp_path if on_disk else None, dimensions=SIZE, config=TRAINED, fault=meanwhile)
    index.append(VECTORS)
    index.rebuild()
    assert index.epoch == 1
    assert len(new) == (3 if on_disk else 2)
    for turn, rows in enumerate(new, start=1):
        assert unfound(index, clustered(20, seed=turn), rows) == {rows.start}
    missing = unfound(index, VECTORS, np.arange(2_000))
    assert {row for row in erased if row < 2_000} <= missing
    assert len(missing) <= 23


def test_who_finds_a_rebuild_going_on_waits_for_its_epoch_and_makes_none(tmp_path: Path) -> None:
    started, go = threading.Event(), threading.Event()

    def slow(step: str) -> None:
        if step == "trained":
            started.set()
            assert go.wait(PATIENCE)

    mine = VectorIndex(tmp_path, dimensions=SIZE, config=TRAINED, fault=slow)
    mine.append(VECTORS)
    theirs = opened(tmp_path)
    building = threading.Thread(target=mine.rebuild)
    building.start()
    assert started.wait(PATIENCE)
    waiting = threading.Thread(target=theirs.rebuild)
    waiting.start()
    assert theirs.search(VECTORS[3:4], 1)[0].tolist() == [[3]]
    go.set()
    with in_time():
        building.join(PATIENCE)
        waiting.join(PATIENCE)
    assert (mine.epoch, theirs.epoch) == (1, 1)


def test_searches_of_many_threads_go_on_through_changes_and_rebuilds(tmp_path: Path) -> None:
    index = opened(tmp_path)
    index.append(VECTORS)
    wrong: list[object] = []
    stop = threading.Event()
    allowed = Allowed.of(np.arange(0, 2_000, 2))

    def look(row: int) -> None:
        while not stop.is_set():
            found = index.search(VECTORS[row : row + 1], 5, allowed, k_factor=50)[0][0]
            if row not in found or (found % 2).any():
                wrong.append(found)

    threads = [threading.Thread(target=look, args=(row,)) for row in (0, 100)]
    for thread in threads:
        thread.start()
    for turn in range(3):
        index.append(clustered(30, seed=turn))
        index.erase([turn * 4 + 2, 2_000 + turn])
        index.rebuild()
    stop.set()
    with in_time():
        for thread in threads:
            thread.join(PATIENCE)
    assert wrong == []
    assert index.epoch == 3
