"""One state of the corpus, searchable. Immutable: a search in flight is not disturbed by the next state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from pilotman.retrieval.analyzer import Analyzer
from pilotman.retrieval.chunk import Chunk
from pilotman.retrieval.coverage import Rarity, evidence, topics
from pilotman.retrieval.dense import Dense, Rows, Vectors, unit
from pilotman.retrieval.embedded import Embedded
from pilotman.retrieval.lexical import Lexical, Scores
from pilotman.retrieval.page import Page

_NAME = 0.5
"""Weight of a document's name in the vectors of its chunks."""

_VIEWS = 16

Fused: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A chunk that was found; ``score`` in [0, 1] is comparable within one search."""

    page: Page
    chunk: Chunk
    score: float


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a search found: see ``Snapshot`` for the order of the hits and for coverage."""

    hits: tuple[Hit, ...] = ()
    coverage: float = 0.0


class Index:
    """All pages of one epoch; ``view`` is what one principal may see of them."""

    def __init__(
        self,
        pages: Sequence[Page],
        *,
        epoch: int,
        analyzer: Analyzer,
        embedded: Embedded | None = None,
        hybrid: bool = True,
    ) -> None:
        self.pages = tuple(page for page in pages if page.chunks)
        self.epoch = epoch
        self.hybrid = hybrid
        self.analyzer = analyzer
        self.embedded = embedded if self.pages else None
        self.dense = None if self.embedded is None else Dense(_matrix(self.pages, self.embedded))
        self._views: OrderedDict[frozenset[frozenset[str]], View] = OrderedDict()
        self._lock = threading.Lock()

    def view(self, tags: frozenset[str]) -> View:
        """The part that may be read with ``tags``; built at the first use, a few are kept."""
        allowed = frozenset(page.readers for page in self.pages if page.readers & tags)
        with self._lock:
            view = self._views.pop(allowed, None) or View(self, allowed)
            self._views[allowed] = view
            if len(self._views) > _VIEWS:
                self._views.popitem(last=False)
            return view


class View:
    """The pages with certain readers. Even term statistics come from these alone, so that what others
    own changes neither ranks nor coverage."""

    def __init__(self, index: Index, allowed: frozenset[frozenset[str]]) -> None:
        self._index = index
        self._pages = [page for page in index.pages if page.readers in allowed]
        kept = np.repeat(
            [page.readers in allowed for page in index.pages], [len(page.chunks) for page in index.pages]
        )
        self._rows: Rows = np.flatnonzero(kept).astype(np.int64)
        lengths = [len(page.chunks) for page in self._pages]
        self._page_of = np.repeat(np.arange(len(lengths)), lengths)
        self._first = np.cumsum([0, *lengths[:-1]])
        self._chunks = Lexical([terms for page in self._pages for terms in page.terms])
        self._names = Lexical([page.name_terms for page in self._pages])
        self._rarity = Rarity(page.vocabulary for page in self._pages)

    def search(self, query: str, vector: Vectors | None, k: int) -> Found:
        """The best chunks for ``query``; ``vector`` is its embedding, None searches by words only."""
        if not self._pages:
            return Found()
        terms = self._index.analyzer.terms(query)
        lexical = self._chunks.scores(terms) + self._names.scores(terms)[self._page_of]
        cosines = None
        if vector is not None and self._index.dense is not None:
            cosines = self._index.dense.scores(vector, self._rows)
        pages, chunks = self._fused(lexical, cosines)
        best = [int(page) for page in np.argsort(-pages, kind="stable")[:k] if pages[page] > 0]
        if not best:
            return Found()
        closest = None if cosines is None else float(np.maximum.reduceat(cosines, self._first)[best[0]])
        return Found(
            hits=self._hits(best, pages, chunks, k), coverage=self._coverage(query, best[0], closest)
        )

    def _fused(self, lexical: Scores, cosines: Vectors | None) -> tuple[Fused, Fused]:
        """The scores of pages and of chunks by relative score fusion: the mean of both retrievers' scores,
        each stretched to [0, 1] before. A page counts by its best chunk with each retriever."""
        stretched = [self._stretched(lexical, 0.0)] if cosines is None or self._index.hybrid else []
        if cosines is not None:
            stretched.append(self._stretched(cosines, None))
        pages = np.mean([np.maximum.reduceat(one, self._first) for one in stretched], axis=0)
        return pages, np.mean(stretched, axis=0)

    def _stretched(self, scores: Scores, floor: float | None) -> Fused:
        """Scores between the worst page (or ``floor``) and the best, as a share of the way."""
        pages = np.maximum.reduceat(scores, self._first)
        top = float(pages.max())
        low = float(pages.min()) if floor is None else floor
        if top <= low:
            return np.full(len(scores), 1.0 if floor is None else 0.0)
        return np.clip((scores.astype(np.float64) - low) / (top - low), 0.0, 1.0)

    def _hits(self, best: list[int], pages: Fused, chunks: Fused, k: int) -> tuple[Hit, ...]:
        ranked = {page: self._ranked(page, chunks) for page in best}
        first = [self._hit(page, ranked[page][0], pages[page]) for page in best]
        further = [self._hit(best[0], row, chunks[row]) for row in ranked[best[0]][1 : k + 1]]
        return (*first, *further)

    def _ranked(self, page: int, chunks: Fused) -> list[int]:
        """The rows of a page's chunks, best first."""
        rows = np.flatnonzero(self._page_of == page)
        return [int(row) for row in rows[np.argsort(-chunks[rows], kind="stable")]]

    def _hit(self, page: int, row: int, score: float) -> Hit:
        found = self._pages[page]
        return Hit(page=found, chunk=found.chunks[row - int(self._first[page])], score=round(float(score), 6))

    def _coverage(self, query: str, page: int, cosine: float | None) -> float:
        words = topics(self._index.analyzer.words(query), self._rarity)
        embedded = self._index.embedded
        closeness = None if cosine is None or embedded is None else embedded.closeness(cosine)
        return evidence(words, self._pages[page], self._rarity, closeness).coverage()


def _matrix(pages: Sequence[Page], embedded: Embedded) -> Vectors:
    """A unit vector for each chunk, of its text and of the document's name."""
    texts = embedded.of(text for page in pages for text in page.texts())
    names = embedded.of(page.name for page in pages)
    return unit(texts + _NAME * np.repeat(names, [len(page.chunks) for page in pages], axis=0))
