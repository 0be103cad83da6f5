"""Vector stores that answer the same question: the ten nearest among the documents whose group is 0."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pilotman.retrieval.arrays import Vectors
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.vectors import Allowed, VectorIndex

K = 10
GROUPS = 10
_BATCH = 5_000
Answer = Callable[[Vectors], Any]


@dataclass(frozen=True, kw_only=True)
class Store:
    """``build`` indexes vectors under a folder; what it returns gives a query's rows, shape ``(1, k)``."""

    name: str
    install: str
    build: Callable[[Vectors, Path], Answer]


def _ours(vectors: Vectors, folder: Path) -> Answer:
    index = VectorIndex(folder, dimensions=vectors.shape[1], config=IndexConfig())
    index.append(vectors)
    index.rebuild()
    allowed = Allowed.of(np.arange(0, len(vectors), GROUPS))
    return lambda query: index.search(query, K, allowed)[0]


def _unasked(text: str) -> list[float]:
    return [0.0]


def _langchain_faiss(vectors: Vectors, folder: Path) -> Answer:
    stores: Any = importlib.import_module("langchain_community.vectorstores")
    texts = [(str(row), vector) for row, vector in enumerate(vectors)]
    groups = [{"group": row % GROUPS} for row in range(len(vectors))]
    store = stores.FAISS.from_embeddings(texts, _unasked, metadatas=groups)

    def ask(query: Vectors) -> Any:
        found = store.similarity_search_by_vector(query[0].tolist(), k=K, filter={"group": 0})
        return np.array([[int(each.page_content) for each in found]])

    return ask


def _chroma(vectors: Vectors, folder: Path) -> Answer:
    chromadb: Any = importlib.import_module("chromadb")
    settings: Any = importlib.import_module("chromadb.config").Settings(anonymized_telemetry=False)
    client = chromadb.PersistentClient(path=str(folder), settings=settings)
    store = client.create_collection("bench", metadata={"hnsw:space": "cosine"})
    for start in range(0, len(vectors), _BATCH):
        rows = range(start, min(len(vectors), start + _BATCH))
        groups = [{"group": row % GROUPS} for row in rows]
        store.add(
            ids=[str(row) for row in rows], embeddings=vectors[rows.start : rows.stop], metadatas=groups
        )

    def ask(query: Vectors) -> Any:
        found = store.query(query_embeddings=query, n_results=K, where={"group": 0}, include=["distances"])
        return np.array([[int(each) for each in found["ids"][0]]])

    return ask


def _lancedb(vectors: Vectors, folder: Path) -> Answer:
    lancedb: Any = importlib.import_module("lancedb")
    arrow: Any = importlib.import_module("pyarrow")
    shape = arrow.FixedSizeListArray.from_arrays(arrow.array(vectors.ravel()), vectors.shape[1])
    rows = np.arange(len(vectors))
    data = arrow.table({"row": rows, "group": rows % GROUPS, "vector": shape})
    table = lancedb.connect(str(folder)).create_table("bench", data)
    table.create_index(metric="cosine", vector_column_name="vector")
    table.create_scalar_index("group")

    def ask(query: Vectors) -> Any:
        wanted = table.search(query[0]).distance_type("cosine").nprobes(64).refine_factor(4)
        wanted = wanted.where("group = 0", prefilter=True).limit(K).select(["row", "_distance"])
        return wanted.to_arrow()["row"].to_numpy()[np.newaxis]

    return ask


STORES = (
    Store(name="pilotman", install="pilotman", build=_ours),
    Store(
        name="langchain-community FAISS (filters afterwards)",
        install="langchain-community",
        build=_langchain_faiss,
    ),
    Store(name="Chroma", install="chromadb", build=_chroma),
    Store(name="LanceDB (IVF-PQ, 64 probes, refined)", install="lancedb", build=_lancedb),
)
