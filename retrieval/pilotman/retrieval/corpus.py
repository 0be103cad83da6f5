"""Sources kept reconciled into an index; hybrid search with permissions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings

from pilotman.guardrails.errors import ConfigurationError, PilotmanError, Unavailable
from pilotman.guardrails.principal import Principal
from pilotman.retrieval.access import tags_of
from pilotman.retrieval.analyzer import Analyzer
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.dense import Vectors
from pilotman.retrieval.embedded import Embedded, EmbeddingFailed
from pilotman.retrieval.embedding import DEFAULT, SentenceEmbeddings, installed, model_name
from pilotman.retrieval.index import Found, Hit, Index
from pilotman.retrieval.reconciler import Changes, Reconciler, Shelf
from pilotman.retrieval.snapshot import Mode, Snapshot
from pilotman.retrieval.source import Source
from pilotman.retrieval.turn import Turn

_LONGEST_QUERY = 4_000
"""Characters of a query that are looked at; the snapshot keeps as many."""

_QUERY_TIMEOUT = 10.0
"""Seconds for the embedding of a query; after them the search goes on by words alone."""

_COVERED = 0.5


def _now() -> datetime:
    return datetime.now(UTC)


class Corpus:
    """Documents of several sources under one search.

    ``embedding`` is ``sentence-transformers:NAME``, a LangChain ``Embeddings`` or None. Without the extra
    ``embeddings``, with None, or where the embedding fails, the search goes by words alone (BM25):
    ``mode`` is then ``lexical`` and ``caveats`` says why. With ``hybrid=False`` an embedding ranks alone.
    In the folder ``path`` the embeddings are kept from one process to the next.

    Documents are filtered by their readers before anything is ranked, see ``access``.

    Raises:
        ConfigurationError: no source, or a name of an embedding that cannot be.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        path: str | Path | None = None,
        embedding: str | Embeddings | None = DEFAULT,
        hybrid: bool = True,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        if not sources:
            raise ConfigurationError("a corpus needs a source", hint='such as FolderSource("runbooks")')
        self._sources = tuple(sources)
        self._hybrid = hybrid
        self._clock = clock
        self._analyzer = Analyzer()
        self._reconciler = Reconciler(self._sources, analyzer=self._analyzer, clock=clock)
        self._shelves: Mapping[int, Shelf] = {}
        self._failures: tuple[PilotmanError, ...] = ()
        self._checked_at: datetime | None = None
        self._index = Index((), epoch=0, analyzer=self._analyzer)
        self._turn = Turn()
        self._embedded, self._lexical_because = _embedded(embedding, None if path is None else Path(path))

    @property
    def mode(self) -> Mode:
        """How searches rank at present."""
        if self._embedded is None or self._lexical_because:
            return "lexical"
        return "hybrid" if self._hybrid else "dense"

    @property
    def caveats(self) -> tuple[str, ...]:
        """What an answer that rests on this corpus has to add."""
        caveats = [caveat for _, shelf in sorted(self._shelves.items()) for caveat in shelf.caveats]
        if self._lexical_because:
            caveats.insert(0, f"documents are searched by words alone (BM25): {self._lexical_because}")
        caveats += [f"{error}; the documents are served as they were before" for error in self._failures]
        if self._embedded is not None:
            caveats += self._embedded.caveats
        if self._checked_at is not None and not self._index.pages:
            caveats.append("the corpus holds no documents")
        return tuple(caveats)

    async def reconcile(self) -> Mapping[str, int]:
        """Bring the index up to what the sources list now; returns the documents ``added, updated, deleted``.

        Raises:
            ConfigurationError: a source cannot be used, or the embedding's model cannot be loaded.
            Unavailable: a source is gone for now; the others are up to date.
        """
        async with self._turn:
            changes = await self._pass()
        if changes.failures:
            raise changes.failures[0]
        return {"added": changes.added, "updated": changes.updated, "deleted": changes.deleted}

    async def search(self, query: str, *, principal: Principal, k: int = 4) -> Snapshot:
        """The passages for ``query`` of the ``k`` best documents that the principal may read.

        Reconciles first if that has not been done, or is longer ago than a source's ``max_staleness``. A
        source that fails then is served as it was, with a caveat.

        Raises:
            ConfigurationError: a source cannot be used at all, or the embedding's model cannot be loaded.
            Unavailable: a source has never been reached.
        """
        if k < 1:
            raise ConfigurationError(f"k must be at least one document, not {k}")
        await self._refresh()
        index, text = self._index, query[:_LONGEST_QUERY]
        vector = await self._vector(text) if index.dense is not None and text.strip() else None
        found = await off_loop(_searched, index, tags_of(principal), text, vector, k)
        return Snapshot(
            query=text,
            epoch=index.epoch,
            mode="lexical" if vector is None else ("hybrid" if self._hybrid else "dense"),
            coverage=round(found.coverage, 4),
            covered=found.coverage >= _COVERED,
            documents=tuple(_document(hit) for hit in found.hits),
        )

    async def _refresh(self) -> None:
        if not self._is_stale():
            return
        async with self._turn:
            if not self._is_stale():
                return
            changes = await self._pass()
        if changes.failures and len(self._shelves) < len(self._sources):
            raise changes.failures[0]

    def _is_stale(self) -> bool:
        if self._checked_at is None or len(self._shelves) < len(self._sources):
            return True
        return self._clock() - self._checked_at > min(source.max_staleness for source in self._sources)

    async def _pass(self) -> Changes:
        started = self._clock()
        changes = await self._reconciler.run(self._shelves)
        changed = bool(changes.added or changes.updated or changes.deleted)
        # An embedding that failed before is tried again.
        if changed or (self._embedded is not None and self._index.pages and self._index.dense is None):
            index = await self._indexed(changes)
            self._index = index if changed or index.dense is not None else self._index
        self._shelves, self._failures = changes.shelves, changes.failures
        self._checked_at = started
        return changes

    async def _indexed(self, changes: Changes) -> Index:
        pages = [page for _, shelf in sorted(changes.shelves.items()) for _, page in shelf.pages.values()]
        embedded = self._embedded
        if embedded is not None:
            texts = [text for page in pages for text in (page.name, *page.texts())]
            try:
                await embedded.prepare(texts)
                self._lexical_because = ""
            except (EmbeddingFailed, Unavailable) as error:
                embedded, self._lexical_because = None, str(error)
        build = partial(Index, pages, epoch=self._index.epoch + 1, analyzer=self._analyzer)
        return await off_loop(partial(build, embedded=embedded, hybrid=self._hybrid))

    async def _vector(self, text: str) -> Vectors | None:
        """The query's vector, or None where the embedding fails: the search goes on by words."""
        assert self._embedded is not None
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT):
                vector = await self._embedded.query(text)
        except TimeoutError:
            self._lexical_because = f"the embedding gave no answer within {_QUERY_TIMEOUT:.0f} s"
        except (EmbeddingFailed, Unavailable) as error:
            self._lexical_because = str(error)
        else:
            self._lexical_because = ""
            return vector
        return None


def _embedded(embedding: str | Embeddings | None, folder: Path | None) -> tuple[Embedded | None, str]:
    """The embedding to use, or None and why there is none."""
    if embedding is None:
        return None, "no embedding was given"
    if isinstance(embedding, Embeddings):
        return Embedded(embedding, folder), ""
    model = model_name(embedding)
    if not installed():
        return None, "the extra is not installed (pip install 'pilotman[embeddings]')"
    return Embedded(SentenceEmbeddings(model), folder), ""


def _searched(index: Index, tags: frozenset[str], query: str, vector: Vectors | None, k: int) -> Found:
    return index.view(tags).search(query, vector, k) if query.strip() else Found()


def _document(hit: Hit) -> Document:
    metadata = {
        "source": hit.page.source,
        "version": hit.page.version,
        "heading": hit.chunk.heading,
        "start": hit.chunk.start,
        "end": hit.chunk.end,
        "score": hit.score,
        "readers": sorted(hit.page.readers),
        **hit.page.labels,
    }
    return Document(page_content=hit.chunk.text, metadata=metadata)
