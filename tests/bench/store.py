"""What permissions, deletions and the catalogue add to a search by vector, beside the FAISS call beneath.

A store of seeded vectors in ten tenants is made once and kept in the folder for temporary files; three in a
hundred are deleted. Each query is asked of the store, bound to a principal of one tenant, up to rows and
scores; of the index alone under the same bitmap; and of FAISS on the same files with the same selector, the
same clusters and candidates. Reading the documents is reported apart. One thread.

    python -m tests.bench.store [rows] [--queries 300]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.bench.index import ALLOWED, DELETED, DIMENSIONS, K, Raw, made

from pilotman.guardrails.principal import Principal
from pilotman.retrieval.arrays import Vectors
from pilotman.retrieval.catalogue.entry import Entry
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.holdings import Holdings

TENANTS = 10
CHUNKS = 20
"""Of a document."""
TEXT = "What to look at first, and whom to call when that did not help. " * 8
MODEL = Model("bench", DIMENSIONS, bytes(4 * DIMENSIONS))


def folder_of(rows: int) -> Path:
    """Where the store of so many chunks is kept."""
    return Path(tempfile.gettempdir()) / "pilotman-bench-store" / str(rows)


def filled(rows: int, queries: int, console: Console) -> tuple[Holdings, Vectors]:
    """The store of so many chunks, made at the first call, and queries that are not in it."""
    began = time.perf_counter()
    holdings = Holdings(folder_of(rows), config=IndexConfig())
    index = holdings.index()
    console.print(f"opened in {time.perf_counter() - began:.2f} s")
    there = 0 if index is None else index.count
    last: Vectors = np.zeros((0, DIMENSIONS), dtype=np.float32)
    for number, chunk in enumerate(made(rows + queries)):
        last = np.concatenate([last, chunk])[-queries:]
        first = number * 50_000
        if first >= there and first < rows:
            part = chunk[: rows - first]
            holdings.put(_entries(first, len(part)), part, model=MODEL, sight=Sight())
    holdings.rebuilding.wait()
    index = holdings.index()
    assert index is not None
    if not index.epoch:
        index.rebuild()
    if there < rows:
        gone = np.flatnonzero(np.random.default_rng(1).random(rows // CHUNKS) < DELETED)
        holdings.delete_documents("bench", [f"document {n}" for n in gone])
        console.print(f"filled in {time.perf_counter() - began:.0f} s")
    return holdings, last


def _entries(first: int, count: int) -> list[Entry]:
    return [
        Entry(
            id=f"chunk {row}",
            text=TEXT,
            metadata={"heading": "Disk full > First look", "start": 0, "end": len(TEXT)},
            readers=frozenset({f"tenant:t{row // CHUNKS % TENANTS}"}),
            source="bench",
            document=f"document {row // CHUNKS}",
            version="0123456789abcdef0123456789abcdef",
        )
        for row in range(first, first + count)
    ]


def timed(asked: dict[str, Callable[[Vectors], Any]], queries: Vectors) -> dict[str, list[float]]:
    """Milliseconds a query, each asked in turns."""
    took: dict[str, list[float]] = {name: [] for name in asked}
    for turn, query in enumerate(queries):
        names = list(asked)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.perf_counter()
            asked[name](query)
            took[name].append((time.perf_counter() - began) * 1e3)
    return took


def compare(holdings: Holdings, queries: Vectors, console: Console) -> None:
    """The table."""
    sight = Sight.of(Principal(tenant="t3", user="somebody"))
    holdings.search(queries[0], K, sight)
    index, allowed = holdings.index(), holdings.catalogue.allowed(sight)
    assert index is not None
    inner: Any = index
    within = inner._within(inner._view, allowed)
    keep = np.unpackbits(allowed.bits, bitorder="little")[: index.count]
    bare = Raw(index).call(keep, within.plan(index.settings.nprobe) or index.settings.nprobe)
    rows = [int(row) for row in holdings.search(queries[0], K, sight)[0]]
    took = timed(
        {
            "FAISS": lambda query: bare(query[np.newaxis]),
            "index": lambda query: index.search(query[np.newaxis], K, allowed),
            "store, up to rows and scores": lambda query: holdings.search(query, K, sight),
            "store, with documents": lambda query: holdings.hits(query, K, sight),
            "reading ten documents": lambda query: holdings.catalogue.records(rows, sight),
        },
        queries,
    )
    table = Table(title=f"{index.count:,} chunks, {allowed.count:,} of them may be read, ms")
    for name in ("search", "p50", "p95", f"beside FAISS (≤ {ALLOWED})"):
        table.add_column(name)
    base = np.percentile(took["FAISS"], 50)
    for name, each in took.items():
        p50, p95 = np.percentile(each, [50, 95])
        table.add_row(name, f"{p50:.3f}", f"{p95:.3f}", f"{p50 / base:.2f}")
    console.print(table)
    console.print(
        {name: f"{size / index.count:.1f} bytes a chunk" for name, size in holdings.memory().items()}
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="?", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=300)
    options = parser.parse_args()
    console = Console()
    holdings, queries = filled(options.rows, options.queries, console)
    compare(holdings, queries, console)
    holdings.close()


if __name__ == "__main__":
    main()
