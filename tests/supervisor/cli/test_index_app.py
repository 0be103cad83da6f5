"""``pilotman index tune``: how much a search looks at."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.retrieval.conftest import HashEmbeddings
from tests.retrieval.vectors.spread import SIZE, TRAINED, alike, clustered
from tests.supervisor.cli.test_app import Terminal

from pilotman.guardrails.principal import Principal
from pilotman.retrieval import FaissVectorStore, IndexConfig
from pilotman.retrieval.catalogue.entry import Entry
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.encoder import Encoder
from pilotman.retrieval.vectors import VectorIndex


@pytest.fixture
def pilotman(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Terminal:
    return Terminal(tmp_path / "home", capsys, monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("store")
    index = VectorIndex(place, dimensions=SIZE, config=TRAINED)
    index.append(clustered(2_000))
    index.rebuild()
    return place


def tuned(pilotman: Terminal, *words: object) -> Any:
    code, out, complaint = pilotman("index", "tune", *map(str, words), home=False)
    assert code == 0, complaint
    return out


def test_the_choice_is_shown_drawn_and_kept(pilotman: Terminal, folder: Path, tmp_path: Path) -> None:
    picture = tmp_path / "curve.svg"
    out = tuned(pilotman, folder, "--recall", "0.8", "--plot", picture)
    settings = VectorIndex.at(folder).settings
    chosen = f"nprobe {settings.nprobe}, k_factor {settings.k_factor:g}"
    assert f"{chosen} is the quickest with recall 0.8: kept" in out
    assert "p95 ms" in out
    drawn = ET.fromstring(picture.read_text())
    assert f"nprobe {settings.nprobe}" in "".join(drawn.itertext())
    assert len(list(drawn.iter("{http://www.w3.org/2000/svg}polyline"))) == 4


def test_a_dry_run_keeps_nothing(pilotman: Terminal, folder: Path) -> None:
    VectorIndex.at(folder).settle(nprobe=5, k_factor=3)
    assert "not kept" in tuned(pilotman, folder, "--recall", "0.9", "--dry-run")
    assert VectorIndex.at(folder).settings.nprobe == 5


def test_queries_of_ones_own_are_asked(pilotman: Terminal, folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "queries.npy", clustered(30, seed=3))
    told = json.loads(tuned(pilotman, folder, "--queries", tmp_path / "queries.npy", "--json"))
    assert told["chosen"] in told["points"]
    assert told["chosen"]["recall"] == round(told["chosen"]["recall"] * 300) / 300


def test_a_class_whose_recall_drifts_is_named(pilotman: Terminal, tmp_path: Path) -> None:
    index = VectorIndex(tmp_path / "store", dimensions=SIZE, config=TRAINED)
    index.append(np.concatenate([clustered(2_000), alike(500)]))
    index.rebuild()
    np.save(tmp_path / "queries.npy", np.concatenate([clustered(40, seed=4), alike(20, seed=4)]))
    (tmp_path / "classes.txt").write_text("plain\n" * 40 + "alike\n" * 20)
    words = (tmp_path / "store", "--queries", tmp_path / "queries.npy", "--classes", tmp_path / "classes.txt")
    assert json.loads(tuned(pilotman, *words, "--json"))["drifting"] == ["alike"]
    assert "alike drifts: recall 0." in tuned(pilotman, *words)


def test_classes_are_read_from_the_catalogue(pilotman: Terminal, tmp_path: Path) -> None:
    config = IndexConfig(exact_below=700, nlist=16, threads=1)
    store = FaissVectorStore(HashEmbeddings(), tmp_path / "store", config=config)
    acme = store.for_principal(Principal(tenant="acme", user="alice"))
    acme.add_texts([f"number {n} of {n % 30}" for n in range(500)])
    store.add_texts([f"for globex {n} of {n % 30}" for n in range(400)], readers=["role:globex/oncall"])
    holdings = store.holdings
    source = [
        Entry(id=f"{n}", text=f"page {n}", source=f"s{n % 2}", document=f"{n}", version="1")
        for n in range(100)
    ]
    model = Encoder(HashEmbeddings()).model()
    vectors = np.array(HashEmbeddings().embed_documents([entry.text for entry in source]), dtype=np.float32)
    holdings.put(source, vectors, model=model, sight=Sight())
    holdings.rebuilding.wait()
    store.close()
    told = json.loads(tuned(pilotman, tmp_path / "store", "--classes", "tenant", "--json"))
    assert set(told["classes"]) == {"tenant:acme", "tenant:globex", "tenant:"}
    told = json.loads(tuned(pilotman, tmp_path / "store", "--classes", "source", "--json"))
    assert set(told["classes"]) == {"source:", "source:s0", "source:s1"}
    assert "source:s1" in tuned(pilotman, tmp_path / "store", "--classes", "source")


def test_what_cannot_be_tuned_is_said(pilotman: Terminal, folder: Path, tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        code, _, complaint = pilotman("index", "tune", *words, home=False)
        assert code == 2
        return str(complaint)

    assert "no index in" in refused(str(tmp_path))
    (tmp_path / "words.npy").write_text("hello")
    assert "cannot be read as queries" in refused(str(folder), "--queries", str(tmp_path / "words.npy"))
    assert "there is no catalogue in" in refused(str(folder), "--classes", "tenant")
    assert "cannot be read as classes" in refused(str(folder), "--classes", "tenants")
    VectorIndex(tmp_path / "new", dimensions=4, config=TRAINED)
    assert "empty" in refused(str(tmp_path / "new"))
