"""From a query to hits: words and vectors find candidates, fused they rank documents and their chunks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from pilotman.retrieval.arrays import Rows, Vectors
from pilotman.retrieval.catalogue.entry import Record
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.holdings import Holdings
from pilotman.retrieval.lexicon import Lexicon
from pilotman.retrieval.meaning import Meaning, embedded_text
from pilotman.retrieval.page import page_of
from pilotman.retrieval.reranker import Reranker, judged
from pilotman.retrieval.vectors.allowed import Allowed, Scores
from pilotman.retrieval.words.coverage import Rarity, Standing, evidence, question
from pilotman.retrieval.words.fusion import DEEP, Fused, Fusion, Ranking, bounds, fused, relative, stretched
from pilotman.retrieval.words.reformulation import reformulated

_DEPTH = 200
"""Chunks that each retriever proposes."""

_NAMED = 0.5
"""Weight of BM25 over the document's name beside that over the chunk."""

_SURE = 0.6
_SURE_ALONE = 0.8
"""Coverage below which a result is weak: where both retrievers agree, and where they do not."""

_TINY = 1e-9

Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A chunk that was found; ``score`` in [0, 1] is comparable within one search."""

    record: Record
    score: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found: see ``Snapshot`` for the order of the hits and for coverage.

    ``agreed``: what each retriever puts first is among the first three of the other.
    """

    hits: tuple[Hit, ...] = ()
    coverage: float = 0.0
    agreed: bool = True

    @property
    def weak(self) -> bool:
        """Whether it is worth while to ask in other words."""
        return self.coverage < (_SURE if self.agreed else _SURE_ALONE)


@dataclass(frozen=True, kw_only=True)
class Near:
    """A query's unit vector, shape ``(dimensions,)``, and what its model makes of cosines."""

    vector: Vectors
    meaning: Meaning


class Ranker:
    """Ranks what a store holds. Term statistics come from what the reader may see alone, so that what others
    own changes neither ranks nor coverage."""

    def __init__(self, holdings: Holdings, lexicon: Lexicon, *, hybrid: bool, fusion: Fusion) -> None:
        self._holdings = holdings
        self._lexicon = lexicon
        self._hybrid = hybrid
        self._fusion: Fusion = fusion
        self._seen: WeakKeyDictionary[Allowed, _Seen] = WeakKeyDictionary()

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The settings of a search; of the index those that are in force."""
        return {"depth": _DEPTH, "fusion": self._fusion, **self._holdings.settings}

    def search(
        self,
        query: str,
        near: Near | None,
        k: int,
        sight: Sight,
        *,
        asked: str | None = None,
        reranker: Reranker | None = None,
    ) -> Found:
        """The best chunks for ``query``; without ``near`` by words alone.

        Where ``query`` is another way to ask ``asked``, coverage is of what was asked.

        Raises:
            RerankingFailed: the ``reranker`` did.
        """
        seen = self._sees(sight)
        if not query.strip() or not seen.documents.any():
            return Found()
        candidates = self._candidates(query, near, seen, sight)
        if candidates is None:
            return Found()
        documents, chunks = self._fused(candidates)
        if reranker is not None and documents.any():
            documents = self._reranked(asked or query, candidates, documents, chunks, reranker, sight)
        return self._found(candidates, documents, chunks, k, sight, asked=asked or query)

    def reformulated(self, query: str, sight: Sight) -> str:
        """The query by its topics, see ``words.reformulation``."""
        analyzer, rarity = self._lexicon.analyzer, self._sees(sight).rarity
        topics = question(query, analyzer, rarity).topics
        return reformulated(list(analyzer.words(query)), topics, rarity)

    def _sees(self, sight: Sight) -> _Seen:
        """What a reader sees now."""
        self._holdings.catalogue.follow()
        self._lexicon.follow()
        allowed = self._holdings.catalogue.allowed(sight)
        seen = self._seen.get(allowed)
        if seen is None:
            seen = self._seen[allowed] = _Seen(allowed, self._lexicon)
        return seen

    def _candidates(self, query: str, near: Near | None, seen: _Seen, sight: Sight) -> _Candidates | None:
        terms = self._lexicon.analyzer.terms(query)
        words = _sized(self._lexicon.texts.scores(terms, seen.rows), len(seen.rows))
        names = _sized(self._lexicon.names.scores(terms, seen.documents), len(seen.documents))
        proposed = [_best(words)] if near is None or self._hybrid else []
        if near is not None:
            proposed.append(self._holdings.search(near.vector, _DEPTH, sight)[0])
        documents = np.unique(self._lexicon.documents_of(np.concatenate(proposed)))
        rows = self._lexicon.rows_of(documents[documents >= 0].tolist())
        rows = rows[rows < len(seen.rows)]
        rows = rows[seen.rows[rows]]
        if not len(rows):
            return None
        of = self._lexicon.documents_of(rows)
        kept = (of >= 0) & (of < len(names))
        rows, of = rows[kept], of[kept]
        order = np.lexsort((rows, of))
        rows, of = rows[order], of[order]
        documents, first = np.unique(of, return_index=True)
        return _Candidates(
            seen=seen,
            rows=rows,
            first=first,
            lexicon=self._lexicon,
            words=np.asarray(words[rows] + _NAMED * names[of], dtype=np.float32),
            near=near,
            cosines=None if near is None else self._holdings.cosines(rows, near.vector),
        )

    def _found(
        self, candidates: _Candidates, documents: Fused, chunks: Fused, k: int, sight: Sight, *, asked: str
    ) -> Found:
        best = _first(documents, k)
        if not best:
            return Found()
        ranked = {one: candidates.ranked(one, chunks) for one in best}
        wanted = [(places[0], documents[one]) for one, places in ranked.items()]
        wanted += [(place, chunks[place]) for place in ranked[best[0]][1 : k + 1]]
        rows = [int(candidates.rows[place]) for place, _ in wanted]
        of_best = [int(candidates.rows[place]) for place in sorted(ranked[best[0]])]
        records = self._holdings.catalogue.records([*rows, *of_best], sight)
        hits = tuple(
            Hit(record=records[row], score=round(float(score), 6))
            for row, (_, score) in zip(rows, wanted, strict=True)
            if row in records
        )
        page = [records[row] for row in of_best if row in records]
        coverage = candidates.coverage(asked, best[0], page) if page else 0.0
        return Found(hits=hits, coverage=coverage, agreed=candidates.agreed())

    def _reranked(
        self,
        query: str,
        candidates: _Candidates,
        documents: Fused,
        chunks: Fused,
        reranker: Reranker,
        sight: Sight,
    ) -> Fused:
        """The best documents by a second look at their best chunks, in the upper half; the others below."""
        best = _first(documents, DEEP)
        rows = [int(candidates.rows[candidates.ranked(one, chunks)[0]]) for one in best]
        records = self._holdings.catalogue.records(rows, sight)
        there = [(one, records[row]) for one, row in zip(best, rows, strict=True) if row in records]
        scores = judged(reranker, query, [embedded_text(record) for _, record in there])
        again = documents / 2
        again[[one for one, _ in there]] = 0.5 + relative(Ranking(scores=scores)) / 2
        return again

    def _fused(self, candidates: _Candidates) -> tuple[Fused, Fused]:
        """The scores of documents and of chunks. A document counts by its best chunk with each retriever."""
        rankings: list[tuple[Scores, float | None]] = []
        if candidates.cosines is None or self._hybrid:
            rankings.append((candidates.words, 0.0))
        if candidates.cosines is not None:
            rankings.append((candidates.cosines, None))
        documents = [Ranking(scores=candidates.of_documents(scores), zero=zero) for scores, zero in rankings]
        chunks = [
            stretched(scores, *bounds(whole)) for (scores, _), whole in zip(rankings, documents, strict=True)
        ]
        return fused(documents, self._fusion), np.mean(chunks, axis=0)


class _Seen:
    """What one reader sees: a truth value for each row and for each document."""

    def __init__(self, allowed: Allowed, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self.rows: Mask = np.unpackbits(allowed.bits, bitorder="little").astype(np.bool_)
        of = lexicon.documents_of(allowed.rows)
        self.documents: Mask = np.zeros(int(of.max(initial=-1)) + 1, dtype=np.bool_)
        self.documents[of[of >= 0]] = True

    @cached_property
    def rarity(self) -> Rarity:
        """How much a term tells among these documents."""
        return Rarity(int(self.documents.sum()), self._having)

    def _having(self, term: str) -> int:
        """How many of the documents have a term."""
        of = self._lexicon.documents_of(self._lexicon.texts.having(term, self.rows))
        return len(np.unique(of[of >= 0]))


@dataclass(frozen=True, kw_only=True)
class _Candidates:
    """Chunks of the documents that were proposed, document by document: those of the n-th begin at
    ``first[n]``."""

    seen: _Seen
    rows: Rows
    first: Rows
    lexicon: Lexicon
    words: Scores
    near: Near | None
    cosines: Scores | None

    def of_documents(self, scores: Scores) -> Scores:
        """The best chunk of each."""
        return np.maximum.reduceat(scores, self.first)

    def ranked(self, document: int, chunks: Fused) -> list[int]:
        """The places of a document's chunks, best first."""
        end = self.first[document + 1] if document + 1 < len(self.first) else len(self.rows)
        places: Rows = np.arange(self.first[document], end, dtype=np.int64)
        return [int(place) for place in places[np.argsort(-chunks[places], kind="stable")]]

    def agreed(self) -> bool:
        """Whether what each retriever puts first is among the first three of the other."""
        if self.cosines is None:
            return True
        one, other = self.of_documents(self.words), self.of_documents(self.cosines)
        return bool(one[np.argmax(other)] >= min(_three(one)) and other[np.argmax(one)] >= min(_three(other)))

    def coverage(self, asked: str, document: int, page: Sequence[Record]) -> float:
        """The probability that a document, whose chunks are ``page``, treats what was asked."""
        analyzer, rarity = self.lexicon.analyzer, self.seen.rarity
        topics = question(asked, analyzer, rarity)
        most = self.lexicon.texts.most(sorted(topics.parts), self.seen.rows)
        vectors = closeness = None
        if self.cosines is not None and self.near is not None:
            near = self.of_documents(self.cosines)
            vectors = Standing(scores=tuple(map(self.near.meaning.closeness, _three(near))))
            closeness = self.near.meaning.closeness(float(near[document]))
        return evidence(
            topics,
            page_of(page, analyzer),
            rarity,
            words=Standing(scores=_three(self.of_documents(self.words) / max(most, _TINY))),
            vectors=vectors,
            closeness=closeness,
        ).coverage()


def _first(documents: Fused, count: int) -> list[int]:
    """The best documents that were found at all."""
    return [int(one) for one in np.argsort(-documents, kind="stable")[:count] if documents[one] > 0]


def _best(scores: Scores) -> Rows:
    """The rows with the best scores, zero excepted."""
    found = np.flatnonzero(scores)
    if len(found) > _DEPTH:
        found = found[np.argpartition(-scores[found], _DEPTH)[:_DEPTH]]
    return found


def _sized(scores: Scores, size: int) -> Scores:
    """Scores for exactly so many rows."""
    sized = np.zeros(size, dtype=np.float32)
    sized[: len(scores)] = scores[:size]
    return sized


def _three(scores: Scores) -> tuple[float, ...]:
    """The best three, best first."""
    return tuple(np.sort(scores[np.isfinite(scores)])[::-1][:3].tolist())
