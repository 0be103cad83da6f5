from __future__ import annotations

import gc
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.embeddings import Embeddings
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.patience import PATIENCE

from pilotman.guardrails.errors import PermissionDenied
from pilotman.guardrails.principal import Principal
from pilotman.retrieval import Corpus, FaissVectorStore, FolderSource, IndexConfig, Objective
from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.objective import FEWEST
from pilotman.retrieval.quality import Quality, QualityEvent
from pilotman.retrieval.vectors import VectorIndex
from pilotman.retrieval.vectors.allowed import Allowed, Scores

ALICE = Principal(tenant="acme", user="alice")
EACH = Objective(share=1.0, p95_ms=None, window=50)
NARROW = IndexConfig(exact_below=640, nlist=32, nprobe=1, threads=1)


class Gated(VectorIndex):
    """Its exact search waits until it may begin, or fails."""

    def __init__(self, vectors: Any, *, error: Exception | None = None) -> None:
        super().__init__(None, dimensions=np.shape(vectors)[1], config=IndexConfig())
        self.append(vectors)
        self.may, self.asked = threading.Event(), threading.Event()
        self.error = error

    def exact(self, queries: Any, k: int, allowed: Any = None) -> tuple[Rows, Scores]:
        self.asked.set()
        assert self.may.wait(PATIENCE)
        if self.error is not None:
            raise self.error
        return super().exact(queries, k, allowed)


def quality(objective: Objective | None = EACH, **given: Any) -> Quality:
    return Quality(objective, clock=lambda: 0.0, draw=lambda: 0.5, **given)


def everything(index: VectorIndex) -> Allowed:
    return Allowed.of(np.arange(index.count))


def clusters(centres: Vectors, each: int, seed: int) -> Vectors:
    luck = np.random.default_rng(seed)
    noise = luck.normal(size=(len(centres) * each, centres.shape[1]))
    return np.asarray(np.repeat(centres, each, axis=0) + 0.08 * noise, dtype=np.float32)


def drifted() -> tuple[Vectors, Vectors]:
    """Clusters, and others that lie between them."""
    centres = np.eye(16, dtype=np.float32)
    between = np.concatenate([centres + np.roll(centres, shift, axis=0) for shift in (1, 2)]) / 1.4
    return clusters(centres, 90, 1), clusters(between.astype(np.float32), 42, 2)


@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_a_perfect_index_misses_nothing_whatever_is_sampled_deleted_and_added(data: st.DataObject) -> None:
    luck = np.random.default_rng(data.draw(st.integers(0, 999)))
    vectors = luck.integers(-1, 2, size=(data.draw(st.integers(1, 40)), 4))  # many are equal
    index = Gated(vectors)
    share = data.draw(st.sampled_from([1.0, 0.5, 0.1]))
    events: list[QualityEvent] = []
    watched = Quality(
        Objective(recall=1.0, k=data.draw(st.integers(1, 8)), share=share, p95_ms=None),
        on_event=events.append,
        draw=luck.random,
        clock=lambda: 0.0,
    )
    for _ in range(30):
        may_read = Allowed.of(np.flatnonzero(luck.random(index.count) < 0.8))
        k = data.draw(st.integers(1, 12))
        watched.search(index, luck.normal(size=4).astype(np.float32), k, may_read, tenant="a")
        if data.draw(st.booleans()):
            index.erase(luck.integers(0, index.count, size=2))
            index.append(vectors[:1])
        index.may.set()
        watched.wait()
        index.may.clear()
    figures = watched.figures()
    assert events == []
    assert figures.failed == 0
    assert figures.recall in (None, 1.0)


def test_data_that_drifted_is_noticed_once_and_the_index_is_repaired() -> None:
    old, new = drifted()
    index = VectorIndex(None, dimensions=16, config=NARROW)
    index.append(old)
    index.rebuild()
    index.append(new)
    index.rebuild()
    assert index.epoch == 2
    assert index.trained_on == len(old)
    events: list[QualityEvent] = []
    watched = quality(on_event=events.append)

    def ask(count: int) -> None:
        for row in range(count):
            vector = new[row * 5 % len(new)]
            watched.search(index, vector, 10, everything(index), tenant="acme")
            watched.wait()

    ask(FEWEST - 1)
    assert events == []
    for _ in range(60):
        if not events:
            ask(1)
    watched.rebuilding.wait()
    missed = [(event.kind, event.measure, event.of, event.remedy) for event in events]
    assert missed == [("missed", "recall", of, "retrain") for of in ("", "tenant:acme")]
    assert events[0].value < 0.9
    assert index.epoch == 3
    assert index.trained_on == len(old) + len(new)
    assert ["trained anew" in caveat for caveat in watched.caveats] == [True]
    for _ in range(60):
        if watched.figures().missed:
            ask(5)
            watched.rebuilding.wait()
    assert watched.figures().missed == ()
    assert watched.caveats == ()
    recall = watched.figures().recall
    assert recall is not None
    assert recall >= 0.95
    assert sum(event.kind == "reached" for event in events) == 2
    assert len(events) <= 6  # each remedy is told once, for all and for the class
    before = len(events)
    ask(60)
    assert len(events) == before


def test_where_nothing_came_since_the_training_more_is_looked_at() -> None:
    luck = np.random.default_rng(5)
    index = VectorIndex(None, dimensions=16, config=NARROW)
    index.append(luck.normal(size=(1_500, 16)))
    index.rebuild()
    events: list[QualityEvent] = []
    watched = quality(Objective(share=1.0, recall=0.6, p95_ms=None), on_event=events.append)
    for _ in range(300):
        watched.search(index, luck.normal(size=16).astype(np.float32), 10, everything(index), tenant="")
        watched.wait()
    assert watched.figures().missed == ()
    assert {event.remedy for event in events if event.kind == "missed"} == {"tune"}
    assert index.epoch == 1
    assert index.settings.nprobe > 1


def test_a_search_waits_for_no_check_and_one_check_runs_at_a_time() -> None:
    index = Gated(np.eye(4))
    watched = quality()
    for _ in range(5):
        rows, _ = watched.search(index, np.eye(4, dtype=np.float32)[2], 1, everything(index), tenant="")
        assert rows.tolist() == [[2]]
    index.may.set()
    watched.wait()
    assert (watched.figures().checks, watched.figures().skipped) == (1, 4)


def test_after_a_check_that_took_long_the_checker_rests() -> None:
    now = [0.0]
    index = Gated(np.eye(4))
    watched = Quality(EACH, draw=lambda: 0.5, clock=lambda: now[0])

    def ask() -> None:
        watched.search(index, np.eye(4, dtype=np.float32)[0], 1, everything(index), tenant="")

    ask()
    assert index.asked.wait(PATIENCE)
    now[0] = 1.0
    index.may.set()
    watched.wait()
    now[0] = 9.9
    ask()
    assert watched.figures().skipped == 1
    now[0] = 10.0
    ask()
    watched.wait()
    assert (watched.figures().checks, watched.figures().skipped) == (2, 1)


def test_a_check_that_fails_harms_no_search_and_not_the_next_check() -> None:
    index = Gated(np.eye(4), error=RuntimeError("the disk is gone"))
    index.may.set()
    watched = quality()
    for _ in range(3):
        rows, _ = watched.search(index, np.eye(4, dtype=np.float32)[1], 2, everything(index), tenant="")
        assert rows[0, 0] == 1
        watched.wait()
    assert (watched.figures().failed, watched.figures().checks) == (3, 0)
    index.error = None
    watched.search(index, np.eye(4, dtype=np.float32)[1], 2, everything(index), tenant="")
    watched.wait()
    assert watched.figures().recall == 1


def test_a_listener_that_fails_harms_nothing() -> None:
    class Poor(VectorIndex):
        def search(self, queries: Any, k: int, allowed: Any = None, **_: Any) -> tuple[Rows, Scores]:
            return np.full((1, k), -1, dtype=np.int64), np.full((1, k), -np.inf, dtype=np.float32)

    def angry(event: QualityEvent) -> None:
        told.append(event)
        raise RuntimeError("no time")

    told: list[QualityEvent] = []
    index = Poor(None, dimensions=4, config=IndexConfig())
    index.append(np.eye(4))
    watched = quality(on_event=angry)
    for _ in range(100):
        watched.search(index, np.eye(4, dtype=np.float32)[1], 2, everything(index), tenant="acme")
        watched.wait()
    assert [(event.of, event.remedy, event.value) for event in told] == [
        ("", "none", 0.0),
        ("tenant:acme", "none", 0.0),
    ]
    assert watched.figures().failed == 0
    assert "acme" not in " ".join(watched.caveats)
    assert watched.caveats[0].startswith("recall of the vector search is below 0.95: nothing more")


def test_searches_are_drawn_at_random_with_the_share_that_was_set() -> None:
    luck = np.random.default_rng(3)
    index = VectorIndex(None, dimensions=4, config=IndexConfig())
    index.append(np.eye(4))
    watched = Quality(Objective(share=0.05), draw=luck.random, clock=lambda: 0.0)
    gaps: list[int] = []
    last = 0
    for number in range(4_000):
        watched.search(index, np.eye(4, dtype=np.float32)[1], 2, everything(index), tenant="")
        watched.wait()
        figures = watched.figures()
        if figures.checks + figures.skipped > len(gaps) and figures.checks < 200:
            gaps.append(number - last)
            last = number
    assert len(gaps) >= 150
    assert max(gaps) <= 40
    assert len(set(gaps)) > 20
    assert 17 <= np.mean(gaps) <= 23


def test_without_an_objective_nothing_is_checked() -> None:
    index = Gated(np.eye(4))
    watched = quality(None)
    rows, _ = watched.search(index, np.eye(4, dtype=np.float32)[1], 2, everything(index), tenant="")
    watched.wait()
    assert rows[0, 0] == 1
    assert watched.figures().checks == 0


def points(reader: InMemoryMetricReader) -> Iterator[tuple[str, str, dict[str, Any], Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    yield metric.name, metric.unit or "", dict(point.attributes or {}), point


class ByNumber(Embeddings):
    """The text ``12`` is the vector of row 12."""

    def __init__(self, vectors: Vectors) -> None:
        self.vectors = vectors

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return [self.embed_query(text) for text in texts]

    def embed_query(self, text: str) -> list[float]:
        found: list[float] = self.vectors[int(text) if text.isdigit() else 0].tolist()
        return found


def test_a_store_measures_notices_and_repairs_itself_and_tells_no_more_than_shares() -> None:
    vectors = np.concatenate(drifted())
    reader = InMemoryMetricReader()
    events: list[QualityEvent] = []
    store = FaissVectorStore(
        ByNumber(vectors),
        config=NARROW,
        objective=Objective(share=1.0, window=50),
        on_event=events.append,
        meter_provider=MeterProvider([reader]),
    )
    alice = store.for_principal(ALICE)
    numbers = [str(number) for number in range(len(vectors))]
    store.add_texts(numbers[:1_440], ids=[f"id-{number}" for number in numbers[:1_440]])
    store.holdings.rebuilding.wait()
    alice.add_texts(numbers[1_440:], ids=[f"id-{number}" for number in numbers[1_440:]])
    store.holdings.rebuilding.wait()
    assert store.holdings.epoch == 2
    for _ in range(2_000):  # a check rests after each: most of these searches are not checked
        if not events or store.quality().missed:
            for number in np.random.default_rng(len(events)).permutation(numbers[1_440:])[:50]:
                alice.similarity_search(number, k=10)
            store.holdings.quality.wait()
            store.holdings.rebuilding.wait()
    assert events[0].remedy == "retrain"
    assert store.holdings.epoch >= 3
    assert store.holdings.caveats == ()
    store.delete()
    alice.delete()
    assert alice.similarity_search("3") == []
    measured = list(points(reader))
    assert {(name, unit) for name, unit, _, _ in measured} == {
        ("pilotman.retrieval.recall", "1"),
        ("pilotman.retrieval.search.duration", "s"),
        ("pilotman.retrieval.objective.misses", "{search}"),
    }
    for _, _, attributes, _ in measured:
        assert attributes.pop("pilotman.tenant") == "acme"
        assert attributes in ({}, {"pilotman.objective": "recall"}, {"pilotman.objective": "latency"})
    assert not any("id-" in str(event) + repr(event) for event in events)
    figures = store.quality()
    assert json.loads(json.dumps(figures.to_dict()))["classes"] == {"tenant:acme": figures.recall}
    with pytest.raises(PermissionDenied, match="fare"):
        alice.quality()
    store.close()


@pytest.mark.anyio
async def test_a_corpus_has_figures_too(tmp_path: Any, embeddings: Embeddings) -> None:
    (tmp_path / "disk.md").write_text("# Disk\n\nThe disk is full.\n")
    corpus = Corpus([FolderSource(tmp_path)], embedding=embeddings, objective=Objective(share=1.0))
    await corpus.search("disk", principal=ALICE)
    corpus.store.holdings.quality.wait()
    figures = corpus.quality()
    assert figures.recall == 1
    assert figures.classes == {"tenant:acme": 1.0, f"source:{tmp_path.name}": 1.0}


def test_the_thread_of_what_nobody_uses_any_more_ends() -> None:
    before = set(threading.enumerate())
    index = Gated(np.eye(4))
    index.may.set()
    watched = quality()
    watched.search(index, np.eye(4, dtype=np.float32)[1], 2, everything(index), tenant="")
    watched.wait()
    threads = set(threading.enumerate()) - before
    assert [thread.daemon for thread in threads] == [True]
    del watched
    gc.collect()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Blind(VectorIndex):
    """Its search finds nothing of the second half."""

    def search(self, queries: Any, k: int, allowed: Any = None, **given: Any) -> tuple[Rows, Scores]:
        return super().search(queries, k, Allowed.of(np.arange(self.count // 2)), **given)


def test_a_source_whose_recall_falls_is_a_class_of_its_own() -> None:
    vectors = clusters(np.eye(4, dtype=np.float32), 50, 1)
    index = Blind(None, dimensions=4, config=IndexConfig())
    index.append(vectors)
    events: list[QualityEvent] = []
    watched = quality(on_event=events.append)

    def source_of(row: int) -> str:
        return "source:books" if row < 100 else "source:tickets"

    for row in range(0, 200, 2):
        watched.search(index, vectors[row], 10, everything(index), tenant="acme", source_of=source_of)
        watched.wait()
    figures = watched.figures()
    assert {of: figures.classes[of] for of in ("source:books", "source:tickets")} == {
        "source:books": 1.0, "source:tickets": 0.0,
    }  # fmt: skip
    assert {event.of for event in events if event.kind == "missed"} == {"", "tenant:acme", "source:tickets"}


@pytest.mark.anyio
async def test_the_sources_of_a_corpus_are_classes(tmp_path: Path, embeddings: Embeddings) -> None:
    (tmp_path / "books").mkdir()
    (tmp_path / "books" / "Disk.md").write_text("The disk is full.")
    corpus = Corpus([FolderSource(tmp_path / "books")], embedding=embeddings, objective=EACH)
    await corpus.search("disk", principal=ALICE)
    corpus.store.add_texts(["A note."])
    corpus.store.holdings.quality.wait()
    assert set(corpus.quality().classes) == {"tenant:acme", "source:books"}
