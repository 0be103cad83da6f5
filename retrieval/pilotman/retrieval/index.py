"""One state of the corpus, searchable. Immutable: a search in flight is not disturbed by the next state."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilotman.retrieval.analyzer import Analyzer
from pilotman.retrieval.chunk import Chunk
from pilotman.retrieval.coverage import Rarity, evidence, topics
from pilotman.retrieval.dense import Dense, Rows, Vectors, unit
from pilotman.retrieval.lexical import Lexical, Scores
from pilotman.retrieval.page import Page
from pilotman.retrieval.vectors import Embedded

_NAME = 0.5
"""Weight of a document's name in the vectors of its chunks."""

_VIEWS = 16


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
        self, pages: Sequence[Page], *, epoch: int, analyzer: Analyzer, embedded: Embedded | None = None, hybrid: bool = True
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
        counts = [len(page.chunks) for page in index.pages]
        kept = [page.readers in allowed for page in index.pages]
        self._rows: Rows = np.flatnonzero(np.repeat(kept, counts)).astype(np.int64)
        self._page_of = np.repeat(np.arange(len(self._pages)), [len(page.chunks) for page in self._pages])
        self._first = np.searchsorted(self._page_of, np.arange(len(self._pages)))
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
        scores = self._fused(lexical, cosines)
        pages = np.maximum.reduceat(scores, self._first)
        best = [int(page) for page in np.argsort(-pages, kind="stable")[:k] if pages[page] > 0]
        if not best:
            return Found()
        return Found(hits=self._hits(scores, best, k), coverage=self._coverage(query, best[0], cosines))

    def _fused(self, lexical: Scores, cosines: Vectors | None) -> npt.NDArray[np.float64]:
        """The chunks' scores: the mean of both retrievers' scores, each stretched to [0, 1] (relative score fusion)."""
        if cosines is None:
            return _stretched(lexical) if lexical.any() else np.zeros(len(lexical))
        if not self._index.hybrid:
            return _stretched(cosines)
        return (self._relative(lexical) + self._relative(cosines)) / 2

    def _hits(self, scores: npt.NDArray[np.float64], best: list[int], k: int) -> tuple[Hit, ...]:
        ranked = [self._ranked(scores, page) for page in best]
        rows = [*((page, chunks[0]) for page, chunks in zip(best, ranked, strict=True))]
        rows += [(best[0], row) for row in ranked[0][1 : k + 1]]
        return tuple(self._hit(page, row, float(scores[row])) for page, row in rows)
