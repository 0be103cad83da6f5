"""How well words, vectors and both together find the right document, on every collection that is at hand.

``python -m tests.bench.retrieval`` takes minutes, for the embeddings. Prints a row for each collection and
retriever, and the least that fusion gains over the better of the two.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from rich.console import Console
from rich.table import Table
from tests.bench.corpora import COLLECTIONS, Collection, Missing

from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.embedding import SentenceEmbeddings
from pilotman.retrieval.encoder import Encoder
from pilotman.retrieval.holdings import Holdings
from pilotman.retrieval.lexicon import Lexicon
from pilotman.retrieval.meaning import Meaning
from pilotman.retrieval.ranking import Near, Ranker
from pilotman.retrieval.sources.reconciler import Fetched
from pilotman.retrieval.stock import StoredDocuments
from pilotman.retrieval.words.analyzer import Analyzer
from pilotman.retrieval.words.fusion import Fusion

DEEP = 10


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Shares of the questions whose document came first, or among three; means of the reciprocal rank and
    of nDCG among the first ten; seconds a search, without the query's embedding."""

    first: float
    three: float
    reciprocal_rank: float
    ndcg: float
    seconds: float


def figures(ranks: list[int | None], seconds: float) -> Figures:
    """From the rank (from 0 on) of each question's document, None where it is not among the first ten."""
    told = [rank for rank in ranks if rank is not None]
    return Figures(
        first=sum(rank == 0 for rank in told) / len(ranks),
        three=sum(rank < 3 for rank in told) / len(ranks),
        reciprocal_rank=sum(1 / (1 + rank) for rank in told) / len(ranks),
        ndcg=sum(1 / math.log2(2 + rank) for rank in told) / len(ranks),
        seconds=seconds / len(ranks),
    )


async def measured(collection: Collection, model: Embeddings) -> Mapping[str, Figures]:
    """The figures of each retriever."""
    holdings = Holdings(None, config=IndexConfig())
    await StoredDocuments(holdings, {"bench": ""}).put(
        "bench", [_fetched(*one) for one in collection.documents.items()]
    )
    lexicon = Lexicon(holdings.catalogue, Analyzer())
    meaning = Meaning(Encoder(model), holdings)
    await meaning.catch_up()
    near = [
        Near(vector=await meaning.query(question), meaning=meaning) for question, _ in collection.questions
    ]

    def ranked(with_vectors: bool, *, hybrid: bool = True, fusion: Fusion = "relative") -> Figures:
        ranker = Ranker(holdings, lexicon, hybrid=hybrid, fusion=fusion)
        return _ranked(ranker, collection, near if with_vectors else None)

    return {
        "dense": ranked(True, hybrid=False),
        "BM25": ranked(False),
        "reciprocal": ranked(True, fusion="reciprocal"),
        "relative": ranked(True),
    }


def _fetched(name: str, text: str) -> Fetched:
    document = Document(page_content=text, metadata={"readers": ["*"]})
    return Fetched(document_id=name, listed="1", document=document, fetched_at=datetime.now(UTC), until=None)


def _ranked(ranker: Ranker, collection: Collection, near: Sequence[Near] | None) -> Figures:
    ranks: list[int | None] = []
    started = time.perf_counter()
    for number, (question, expected) in enumerate(collection.questions):
        found = ranker.search(question, None if near is None else near[number], DEEP, Sight())
        sources = list(dict.fromkeys(str(hit.record.metadata["source"]) for hit in found.hits))
        ranks.append(sources.index(expected) if expected in sources else None)
    return figures(ranks, time.perf_counter() - started)


def table(told: Mapping[str, Mapping[str, Figures]]) -> Table:
    """A row for each collection and retriever."""
    shown = Table("collection", "retriever", "first", "among 3", "MRR", "nDCG@10", "ms")
    for name, retrievers in told.items():
        for how, one in retrievers.items():
            shares = (f"{value:.1%}" for value in (one.first, one.three))
            means = (f"{value:.3f}" for value in (one.reciprocal_rank, one.ndcg))
            shown.add_row(name, how, *shares, *means, f"{one.seconds * 1e3:.1f}")
        shown.add_section()
    return shown


def least_gain(told: Mapping[str, Mapping[str, Figures]], fusion: str) -> tuple[float, str]:
    """The smallest gain of nDCG@10 over the better retriever of the same collection, and where."""
    return min(
        (retrievers[fusion].ndcg - max(retrievers["dense"].ndcg, retrievers["BM25"].ndcg), name)
        for name, retrievers in told.items()
    )


async def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--most", type=int, default=600, help="documents of a collection")
    arguments.add_argument("--only", nargs="*", choices=COLLECTIONS, help="collections")
    given = arguments.parse_args()
    console = Console()
    model = SentenceEmbeddings("all-MiniLM-L6-v2")
    told: dict[str, Mapping[str, Figures]] = {}
    for name in given.only or COLLECTIONS:
        try:
            collection = COLLECTIONS[name]().sample(given.most)
        except Missing as missing:
            console.print(f"{name}: left out, {missing}")
            continue
        told[name] = await measured(collection, model)
        console.print(f"{name}: {len(collection.documents)} documents, {len(collection.questions)} questions")
    console.print(table(told))
    for fusion in ("reciprocal", "relative"):
        gain, name = least_gain(told, fusion)
        console.print(f"{fusion}: {gain:+.3f} nDCG@10 at the least, on {name}")


if __name__ == "__main__":
    asyncio.run(main())
