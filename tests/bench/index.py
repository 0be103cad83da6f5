"""What a search by vector costs beside the FAISS call that it makes, under permissions and deletions.

Vectors are made here: seeded, in clusters, on a spectrum that falls as those of sentence embeddings do. They
are indexed once and kept in the folder for temporary files. Then each query is asked twice, in turns: of our
index with a bitmap of allowed rows, and of FAISS, on the same index in memory, with the selector of the same
rows, made before, with the fewest clusters that give the recall that ours gave. One thread each. ``--real``
takes sentences of the docstrings of what is installed, embedded by MiniLM (extra ``embeddings``), instead.

    python -m tests.bench.index [rows] [--real] [--queries 200] [--peers 100000]
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.bench.corpora import sentences
from tests.bench.stores import STORES, Store

from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.embedding import DEFAULT, SentenceEmbeddings, model_name
from pilotman.retrieval.vectors import Allowed, VectorIndex

DIMENSIONS = 384
RANK = 96
"""Dimensions that carry the meaning; the rest is noise."""
NOISE = 1.1
"""Spread within a cluster, as a share of that between them: searched about as well as sentences are."""
K = 10
ALLOWED, MEMORY = 1.15, 0.36
"""What is aimed at: times the raw call, and share of a flat index."""
DELETED = 0.03
Answer = Callable[[Vectors], Any]
Source = Callable[[int], Iterator[Vectors]]
"""So many unit vectors, in chunks: the same ones at each call."""


@dataclass(frozen=True, kw_only=True)
class Timed:
    """Seconds a query, and the rows that each found."""

    seconds: list[float]
    found: list[list[int]]

    def at(self, percent: float) -> float:
        """Milliseconds that so many of the queries need at most."""
        return float(np.percentile(self.seconds, percent)) * 1e3

    def recall(self, truth: Rows) -> float:
        """The share of the true nearest that were found."""
        hits = [len(set(one) & set(other)) for one, other in zip(self.found, truth.tolist(), strict=True)]
        return sum(hits) / truth.size


def made(rows: int, chunk: int = 50_000, *, seed: int = 0) -> Iterator[Vectors]:
    """Seeded unit vectors around one centre for each 500."""
    random = np.random.default_rng(seed)
    spectrum = 1 / np.sqrt(1 + np.arange(RANK) / 4)
    basis = np.linalg.qr(random.standard_normal((DIMENSIONS, RANK)))[0].T * spectrum[:, None]
    centres = random.standard_normal((max(64, rows // 500), RANK))
    for start in range(0, rows, chunk):
        count = min(chunk, rows - start)
        meant = centres[random.integers(0, len(centres), count)] + NOISE * random.standard_normal(
            (count, RANK)
        )
        vectors = meant @ basis + 0.02 * random.standard_normal((count, DIMENSIONS))
        yield np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def embedded(rows: int) -> Iterator[Vectors]:
    """Sentences as MiniLM sees them; computed once for each number and kept."""
    file = _folder() / f"sentences-{rows}.npy"
    if not file.exists():
        name, _ = model_name(DEFAULT)
        vectors = SentenceEmbeddings(name).embed_documents(sentences(rows))
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, np.asarray(vectors, dtype=np.float32))
    yield np.load(file)


def _folder() -> Path:
    return Path(tempfile.gettempdir()) / "pilotman-bench-index"


def deleted(rows: int) -> Any:
    """A truth value a row."""
    return np.random.default_rng(1).random(rows) < DELETED


def indexed(source: Source, rows: int, queries: int, console: Console) -> tuple[VectorIndex, Vectors]:
    """The index of so many vectors, made at the first call, and queries that are not in it."""
    folder = _folder() / f"{source.__name__}-{rows}-{DIMENSIONS}-{NOISE}"
    index = VectorIndex(folder, dimensions=DIMENSIONS, config=IndexConfig())
    last: Vectors = np.zeros((0, DIMENSIONS), dtype=np.float32)
    seen = 0
    for chunk in source(rows + queries):
        last = np.concatenate([last, chunk])[-queries:]
        if seen >= index.count and index.count < rows:
            index.append(chunk[: rows - index.count])
        seen += len(chunk)
    if index.epoch == 0:
        began = time.perf_counter()
        index.rebuild()
        console.print(f"trained and filled in {time.perf_counter() - began:.0f} s")
    index.erase(np.flatnonzero(deleted(rows)))
    return index, last


def in_turns(one: Answer, other: Answer, queries: Vectors) -> tuple[Timed, Timed]:
    """Each query asked of both, the order changing."""
    both = [Timed(seconds=[], found=[]), Timed(seconds=[], found=[])]
    for turn in range(len(queries) * 2):
        query = queries[turn // 2 : turn // 2 + 1]
        which = (turn + turn // 2) % 2
        began = time.perf_counter()
        rows = (one, other)[which](query)
        both[which].seconds.append(time.perf_counter() - began)
        both[which].found.append(rows[0].tolist())
    return both[0], both[1]


class Raw:
    """FAISS's own call on the very index that serves: a copy elsewhere in memory is up to a fifth quicker or
    slower, by luck with pages."""

    def __init__(self, index: VectorIndex) -> None:
        trained = vars(index)["_view"].trained
        self._index: Any = vars(trained)["_both"]

    def call(self, keep: Any, nprobe: int) -> Answer:
        """The search for rows that are kept: everything that can be made before is."""
        faiss: Any = importlib.import_module("faiss")
        faiss.omp_set_num_threads(1)
        chosen = faiss.IDSelectorBitmap(np.packbits(keep, bitorder="little"))
        base = faiss.IVFSearchParameters(nprobe=nprobe, sel=chosen)
        how = faiss.IndexRefineSearchParameters(k_factor=IndexConfig().k_factor, base_index_params=base)
        return lambda query: self._index.search(query, K, params=how)[1]


def compared(index: VectorIndex, raw: Raw, queries: Vectors, share: float, table: Table) -> None:
    """One row of the table: so many rows are allowed, at random, and the deleted ones are gone."""
    keep = np.random.default_rng(2).random(index.count) < share
    allowed = Allowed(np.packbits(keep, bitorder="little"))
    truth = index.exact(queries, K, allowed)[0]
    alive = keep & ~deleted(index.count)

    def ours(query: Vectors) -> Any:
        return index.search(query, K, allowed)[0]

    ours(queries[:1])  # what is derived once for a bitmap
    goal = _recall(ours, queries, truth)
    probes = range(1, index.clusters + 1)
    fewest = bisect_left(probes, goal, key=lambda n: _recall(raw.call(alive, n), queries, truth))
    nprobe = min(fewest + 1, len(probes))
    mine, bare = in_turns(ours, raw.call(alive, nprobe), queries)
    ratio = mine.at(50) / bare.at(50)
    table.add_row(
        f"{share:.1%} allowed, {DELETED:.0%} deleted",
        f"{goal:.3f}",
        f"{mine.at(50):.3f} / {mine.at(95):.3f}",
        f"{bare.at(50):.3f} / {bare.at(95):.3f}",
        f"{bare.recall(truth):.3f} at {nprobe}",
        f"[{'green' if ratio <= ALLOWED else 'red'}]{ratio:.2f}",
    )


def _recall(answer: Answer, queries: Vectors, truth: Rows) -> float:
    return Timed(seconds=[], found=answer(queries).tolist()).recall(truth)


def memory(index: VectorIndex, console: Console) -> None:
    """What is held for each vector, the mapped codes among it."""
    table = Table(title="Bytes a vector (codes and cells are mapped, shared by all processes)")
    parts = index.memory()
    for name in (*parts, "all", "share of a flat index"):
        table.add_column(name, justify="right")
    whole = sum(parts.values()) / index.count
    share = whole / (4 * DIMENSIONS)
    colour = "green" if share <= MEMORY else "red"
    cells = [f"{size / index.count:.1f}" for size in parts.values()]
    table.add_row(*cells, f"{whole:.0f}", f"[{colour}]{share:.1%}")
    console.print(table)


def peers(source: Source, rows: int, queries: Vectors, console: Console) -> None:
    """The same question to other stores: a filter on the metadata of one in ten."""
    table = Table(title=f"Stores, {rows:,} vectors, by vector, one in ten allowed by a filter")
    for name in ("store", "recall@10", "ms p50 / p95", "built in s"):
        table.add_column(name)
    vectors = np.concatenate(list(source(rows)))
    keep = np.arange(rows) % 10 == 0
    scores = np.where(keep, queries @ vectors.T, -np.inf)
    truth = np.argsort(-scores, axis=1)[:, :K]
    for store in STORES:
        table.add_row(store.name, *_asked(store, vectors, queries, truth))
    console.print(table)


def _asked(store: Store, vectors: Vectors, queries: Vectors, truth: Rows) -> tuple[str, str, str]:
    began = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder:
            answer = store.build(vectors, Path(folder))
            built = time.perf_counter() - began
            timed = in_turns(answer, answer, queries)[0]
    except ImportError:
        return "-", f"not installed: pip install {store.install}", "-"
    return f"{timed.recall(truth):.3f}", f"{timed.at(50):.2f} / {timed.at(95):.2f}", f"{built:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--real", action="store_true", help="sentences instead of made vectors")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--peers", type=int, default=100_000, help="vectors for other stores; 0: none")
    options = parser.parse_args()
    console = Console()
    source: Source = embedded if options.real else made
    index, queries = indexed(source, options.rows, options.queries, console)
    raw = Raw(index)
    table = Table(title=f"{options.rows:,} vectors in {index.clusters} clusters, ms p50 / p95")
    for name in ("filter", "recall", "ours", "raw FAISS", "its recall, nprobe", f"ratio (≤ {ALLOWED})"):
        table.add_column(name)
    for share in (1.0, 0.5, 0.1, 0.05, 0.01, 0.001):
        compared(index, raw, queries, share, table)
    console.print(table)
    memory(index, console)
    if options.peers:
        peers(source, options.peers, queries[:100], console)


if __name__ == "__main__":
    main()
