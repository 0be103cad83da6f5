from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.retrieval.conftest import Clock, HashEmbeddings

from pilotman.guardrails.errors import CorruptIndex
from pilotman.retrieval import FaissVectorStore, IndexConfig
from pilotman.retrieval.arrays import Vectors
from pilotman.retrieval.catalogue.entry import Entry
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.holdings import Holdings

SMALL = IndexConfig(exact_below=1_500, nlist=16, nprobe=16)
ENTRIES = [Entry(id=id_, text=id_, metadata={}, readers=frozenset({"*"})) for id_ in ("a", "b")]


def model(*probe: float) -> tuple[Model, Vectors]:
    """A model by where it puts its probe, and vectors of its length for the entries."""
    vector = np.array(probe, dtype=np.float32)
    return Model.of("model", vector), np.stack([vector, vector[::-1]])


def test_another_models_vectors_take_the_place_of_the_former_for_every_process(tmp_path: Path) -> None:
    one, other = (Holdings(tmp_path, config=SMALL) for _ in range(2))
    former, vectors = model(1, 0)
    one.put(ENTRIES, vectors, model=former, sight=Sight())
    assert [record.id for record, _ in other.hits(vectors[0], 1, Sight())] == ["a"]
    one.begin_vectors_anew()
    assert not other.has_vectors()
    later, vectors = model(0, 0, 1)
    one.supply(0, vectors, model=later)
    assert [record.id for record, _ in other.hits(vectors[1], 1, Sight())] == ["b"]
    assert other.check(later)
    one.close()
    other.close()
    assert [each.name for each in tmp_path.glob("vectors-*")] == ["vectors-1"]


def test_whoever_has_not_seen_the_new_model_yet_writes_and_deletes_among_its_vectors(tmp_path: Path) -> None:
    one, other = (Holdings(tmp_path, config=SMALL) for _ in range(2))
    former, vectors = model(1, 0)
    one.put(ENTRIES, vectors, model=former, sight=Sight())
    assert other.has_vectors()
    one.begin_vectors_anew()
    later, vectors = model(0, 0, 1)
    one.supply(0, vectors, model=later)
    assert other.delete(Sight(), ["a"]) == 1
    other.put([replace(ENTRIES[0], id="c")], vectors[:1], model=later, sight=Sight())
    assert [record.id for record, _ in one.hits(vectors[0], 3, Sight())] == ["c", "b"]
    assert one.vectors([0, 1, 2]).tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 1]]
    one.close()
    other.close()


def test_what_a_killed_process_left_of_a_former_model_goes_at_the_next_opening(tmp_path: Path) -> None:
    one = Holdings(tmp_path, config=SMALL)
    former, vectors = model(1, 0)
    one.put(ENTRIES, vectors, model=former, sight=Sight())
    shutil.copytree(tmp_path / "vectors-0", tmp_path / "aside")
    one.begin_vectors_anew()
    one.close()
    (tmp_path / "aside").rename(tmp_path / "vectors-0")
    Holdings(tmp_path, config=SMALL).close()
    assert not (tmp_path / "vectors-0").exists()


def test_other_processes_search_the_new_epoch_within_a_second(tmp_path: Path, clock: Clock) -> None:
    one, other = (FaissVectorStore(HashEmbeddings(), tmp_path, config=SMALL, clock=clock) for _ in range(2))
    one.add_texts([f"text {n}" for n in range(1_600)])
    assert len(other.similarity_search("text 5", k=7)) == 7
    one.holdings.rebuilding.wait()
    clock.forward(seconds=1)
    assert len(other.similarity_search("text 5", k=7)) == 7
    assert (one.holdings.epoch, other.holdings.epoch) == (1, 1)
    one.close()
    other.close()


def test_vectors_that_are_missing_are_noticed(tmp_path: Path) -> None:
    FaissVectorStore.from_texts(["disk full"], HashEmbeddings(), path=tmp_path).close()
    shutil.rmtree(tmp_path / "vectors-0")
    with pytest.raises(CorruptIndex, match="nothing was changed"):
        FaissVectorStore(HashEmbeddings(), tmp_path)
