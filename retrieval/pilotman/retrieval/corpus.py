"""Sources kept reconciled into an index; hybrid search with permissions."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from opentelemetry.metrics import MeterProvider

from pilotman.guardrails.errors import ConfigurationError, InvalidRequest, Unavailable
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Keys, Seal
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.catalogue.selection import Piece, Selection
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.embedding import DEFAULT, embedding_of
from pilotman.retrieval.encoder import Encoder
from pilotman.retrieval.forgetting import meant
from pilotman.retrieval.holdings import Holdings, now
from pilotman.retrieval.lexicon import Lexicon
from pilotman.retrieval.meaning import EmbeddingFailed, Meaning, Progress
from pilotman.retrieval.objective import Objective
from pilotman.retrieval.passage import emptied, passage, place_of
from pilotman.retrieval.quality import Figures, OnEvent, Quality
from pilotman.retrieval.ranking import Found, Near, Ranker
from pilotman.retrieval.reranker import Reranker, RerankingFailed, reranker_of
from pilotman.retrieval.retriever import CorpusRetriever
from pilotman.retrieval.snapshot import Mode, Snapshot
from pilotman.retrieval.source import Source
from pilotman.retrieval.sources.freshness import Freshness
from pilotman.retrieval.sources.reconciler import Reconciler
from pilotman.retrieval.sources.status import SourceStatus
from pilotman.retrieval.sources.upkeep import keys_of
from pilotman.retrieval.stock import StoredDocuments
from pilotman.retrieval.store import FaissVectorStore
from pilotman.retrieval.turn import Turn
from pilotman.retrieval.words.analyzer import Analyzer
from pilotman.retrieval.words.fusion import FUSIONS, Fusion
from pilotman.retrieval.words.reformulation import GAIN, Reformulator

_LONGEST_QUERY = 4_000
"""Characters of a query that are looked at; the snapshot keeps as many."""

_QUERY_TIMEOUT = 10.0
"""Seconds for the embedding of a query, after which the search goes on by words alone, and for its
reformulation."""

_COVERED = 0.5
_CONFIG = IndexConfig()
_OBJECTIVE = Objective()


class Corpus:
    """Documents of several sources under one search.

    ``embedding`` is ``sentence-transformers:NAME`` (computed by torch; with ``+onnx`` or ``+openvino`` before
    the colon by these), a LangChain ``Embeddings`` or None. Without the extra ``embeddings``, with None, or
    where the embedding fails, the search goes by words alone (BM25): ``mode`` is then ``lexical`` and
    ``caveats`` says why. With ``hybrid=False`` an embedding ranks alone. ``fusion`` is how both rankings
    become one: ``relative`` (by scores) or ``reciprocal`` (by ranks alone). A search that finds little is
    tried once more in other words: those of the ``reformulator``, or by rules. ``rerank`` is
    ``cross-encoder:NAME`` or a ``Reranker`` that puts the best documents in order; where it fails they stay
    as they were, with a caveat.

    In the folder ``path`` documents and vectors are kept from one process to the next; several processes may
    use it at the same time. Without one they are kept in memory. ``progress(done, of)`` is called after each
    batch of embeddings.

    Documents that have an owner (see ``Source.fetch``) are sealed for that owner in the folder, with ``keys``
    or those that a supervisor hands over; without any they lie in clear. Where an owner's key is gone,
    nothing of theirs is found.

    Documents are filtered by their readers before anything is ranked, see ``access``. What was deleted or has
    expired is not served, from the very next search on. ``store`` is the vector store beneath.

    A sample of the searches by vector is checked against exact search in the background, see ``Objective``.
    Falling below it is a metric of ``meter_provider`` (by default OpenTelemetry's global one), a caveat and
    an event, handed to ``on_event`` on the checking thread, and begins a repair.

    Each source is listed anew when its own ``max_staleness`` is over: in the background inside ``async with
    corpus:`` (or a supervisor that has it), else by the next search.

    Raises:
        ConfigurationError: no source, or a name of an embedding or a fusion that cannot be.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        path: str | Path | None = None,
        embedding: str | Embeddings | None = DEFAULT,
        hybrid: bool = True,
        fusion: Fusion = "relative",
        reformulator: Reformulator | None = None,
        rerank: str | Reranker | None = None,
        progress: Progress | None = None,
        config: IndexConfig = _CONFIG,
        keys: Keys | None = None,
        objective: Objective | None = _OBJECTIVE,
        on_event: OnEvent | None = None,
        meter_provider: MeterProvider | None = None,
        clock: Callable[[], datetime] = now,
        jitter: Callable[[], float] = random.random,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if not sources:
            raise ConfigurationError("a corpus needs a source", hint='such as FolderSource("runbooks")')
        if fusion not in FUSIONS:
            raise ConfigurationError(f"unknown fusion {fusion!r}", hint=f"one of {', '.join(FUSIONS)}")
        self._sources = tuple(sources)
        self._hybrid = hybrid
        self._reformulator = reformulator
        self._reranker, self._not_reranked_because = reranker_of(rerank), ""
        self._embedding, self._lexical_because = embedding_of(embedding)
        quality = Quality(objective, on_event=on_event, meter_provider=meter_provider, draw=draw)
        self.folder = None if path is None else Path(path)
        self._holdings = Holdings(self.folder, config=config, quality=quality, keys=keys, clock=clock)
        self._lexicon = Lexicon(self._holdings.catalogue, Analyzer())
        self._ranker = Ranker(self._holdings, self._lexicon, hybrid=hybrid, fusion=fusion)
        self._meaning: Meaning | None = None
        if self._embedding is not None:
            self._meaning = Meaning(Encoder(self._embedding), self._holdings, progress=progress)
        self._reconciler = Reconciler(self._stock(), clock=clock)
        self._freshness = Freshness(sources, self._reconciler, self._take_in, clock=clock, jitter=jitter)
        self._watches: list[AbstractAsyncContextManager[None]] = []
        self._turn = Turn()

    def _stock(self) -> StoredDocuments:
        """What is kept of the sources; what is stored of others, or under other terms, goes."""
        terms = (str(getattr(source, "terms", "")) for source in self._sources)
        return StoredDocuments(self._holdings, dict(zip(keys_of(self._sources), terms, strict=True)))

    @property
    def store(self) -> FaissVectorStore:
        """The vector store that the sources are reconciled into; bind it before you show what it gives.

        Raises:
            ConfigurationError: the corpus has no embedding.
        """
        if self._embedding is None:
            raise ConfigurationError(
                f"this corpus has no vectors: {self._lexical_because}", hint="give it an embedding"
            )
        return FaissVectorStore.over(self._holdings, self._embedding)

    def seal_with(self, seal: Seal) -> None:
        """Seal what has an owner with these keys, unless the corpus was given keys of its own."""
        if self._holdings.catalogue.seal.keys is None and seal.keys is not None:
            self._holdings.catalogue.seal_with(seal)
            self._lexicon.begin_anew()
            self._reconciler.readmit()  # what could not be told from what was forgotten

    @property
    def mode(self) -> Mode:
        """How searches rank at present."""
        if self._meaning is None or self._lexical_because:
            return "lexical"
        return "hybrid" if self._hybrid else "dense"

    @property
    def caveats(self) -> tuple[str, ...]:
        """What an answer that rests on this corpus has to add."""
        caveats = self._freshness.caveats()
        if self._lexical_because:
            caveats.insert(0, f"documents are searched by words alone (BM25): {self._lexical_because}")
        if self._not_reranked_because:
            caveats.append(
                f"the reranker failed, the documents stay unranked by it: {self._not_reranked_because}"
            )
        caveats += self._holdings.caveats
        if not self._holdings.catalogue.documents_kept() and self._freshness.listed:
            caveats.append("the corpus holds no documents")
        return tuple(caveats)

    def status(self) -> tuple[SourceStatus, ...]:
        """A row for each source: its documents, how old its listing is, its objective, its last error."""
        return self._freshness.status()

    def quality(self) -> Figures:
        """How the searches by vector fare against ``objective``, in this process."""
        return self._holdings.quality.figures()

    async def reconcile(self) -> Mapping[str, int]:
        """Bring the index up to what the sources list now; returns the documents ``added, updated, deleted``.

        The sources are read at the same time, none waits for another.

        Raises:
            ConfigurationError: a source cannot be used, or the embedding's model cannot be loaded.
            Unavailable: a source is gone for now; the others are up to date.
        """
        return await self._freshness.reconcile()

    async def forget(
        self,
        *,
        tenant: str | None = None,
        owner: str | None = None,
        source: str | None = None,
        document: str | None = None,
        only: Callable[[Piece], bool] | None = None,
    ) -> Mapping[str, int]:
        """Forget for good what is named; returns how many ``chunks`` and ``documents`` that were.

        No process finds any of it from the first moment on. When this returns, no file of the folder holds
        its texts, its vectors or codes of them: a trained index is made anew, which takes seconds for 100,000
        chunks. Crashed or failed in between, it is finished when it is called again, or by the next opening.

        ``tenant``: what belongs to it, that is what it wrote, what its users own, and what nobody outside may
        read. ``owner``: a user of the tenant. ``source``: by its name; ``document``: of the source, or
        without one a text that was added, by its id. All that are named must hold. ``only`` judges each
        chunk.

        What was forgotten does not come back by itself: the documents of sources stand on a list as digests,
        and an owner who was forgotten altogether does; what stands there is not taken until ``readmit``.

        Raises:
            InvalidRequest: nothing is named, or an owner without its tenant.
            Unavailable: a file could not be written; nobody finds it any more all the same.
        """
        chosen = Selection(tenant=tenant, owner=owner, source=source, document=document, only=only)
        try:
            return await off_loop(self._holdings.forget, chosen)
        finally:
            await off_loop(self._lexicon.follow)

    async def pieces(self, *, tenant: str, owner: str | None = None) -> list[Piece]:
        """The chunks that belong to a tenant, or to a user of it: what ``forget`` would forget."""
        return await off_loop(meant, self._holdings, Selection(tenant=tenant, owner=owner))

    async def readmit(
        self,
        *,
        tenant: str | None = None,
        owner: str | None = None,
        source: str | None = None,
        document: str | None = None,
    ) -> int:
        """Take again what was forgotten, with the next listing: all of an ``owner``, what was forgotten of a
        ``source``, or one ``document`` of it; returns how many entries of the list went. Other processes
        that have refused a document of the owner take it when it changes, or when they start anew."""
        chosen = Selection(tenant=tenant, owner=owner, source=source, document=document)
        if source is None and owner is None:
            raise InvalidRequest("who or what is taken again?", hint="name an owner, or a source")
        lifted = await off_loop(self._holdings.readmit, chosen)
        self._reconciler.readmit()
        return lifted

    def watch(self) -> AbstractAsyncContextManager[None]:
        """Inside, each source is listed in the background before its ``max_staleness`` is over.

        A source that fails is tried again after a second, then two, and so on, at most its objective or five
        minutes; one that hangs holds up no other.
        """
        return self._freshness.watch()

    async def __aenter__(self) -> Self:
        watch = self.watch()
        await watch.__aenter__()
        self._watches.append(watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._watches.pop().__aexit__(kind, error, trace)

    async def search(self, query: str, *, principal: Principal, k: int = 4) -> Snapshot:
        """The passages for ``query`` of the ``k`` best documents that the principal may read.

        Sources that were not listed yet, or whose ``max_staleness`` is over, are listed first. One that fails
        then, or takes too long, is served as it was, with a caveat.

        Raises:
            ConfigurationError: a source cannot be used at all, or the embedding's model cannot be loaded.
            Unavailable: no source has ever been reached.
        """
        if k < 1:
            raise ConfigurationError(f"k must be at least one document, not {k}")
        await self._freshness.refresh()
        text, sight = query[:_LONGEST_QUERY], Sight.of(principal)
        (found, mode), asked = await self._found(text, k, sight), text
        if found.weak and text.strip():
            other = await self._reformulated(text, sight)
            again, its_mode = await self._found(other, k, sight, asked=text) if other else (Found(), mode)
            if again.coverage >= found.coverage + GAIN:
                found, mode, asked = again, its_mode, other
        seal = self._holdings.catalogue.seal
        return Snapshot(
            query=text,
            reformulated="" if asked == text else asked,
            epoch=self._holdings.catalogue.epoch,
            mode=mode,
            index_epoch=self._holdings.epoch,
            permission_epoch=self._holdings.catalogue.permission_epoch,
            parameters={"k": k, **self._ranker.parameters},
            coverage=round(found.coverage, 4),
            covered=found.coverage >= _COVERED,
            documents=tuple(passage(hit, seal) for hit in found.hits),
        )

    def as_retriever(self, *, principal: Principal, k: int = 4) -> CorpusRetriever:
        """The search of what the principal may read, for LangChain's chains."""

        async def find(query: str) -> Sequence[Document]:
            return (await self.search(query, principal=principal, k=k)).documents

        return CorpusRetriever(find=find)

    async def _found(
        self, query: str, k: int, sight: Sight, *, asked: str | None = None
    ) -> tuple[Found, Mode]:
        """What a query finds, and how it was ranked."""
        near = await self._near(query) if query.strip() else None
        search = partial(self._ranker.search, query, near, k, sight, asked=asked)
        try:
            found = await off_loop(partial(search, reranker=self._reranker))
            self._not_reranked_because = ""
        except RerankingFailed as error:
            found = await off_loop(search)
            self._not_reranked_because = str(error)
        return found, "lexical" if near is None else ("hybrid" if self._hybrid else "dense")

    async def _reformulated(self, query: str, sight: Sight) -> str:
        """The query in other words, or an empty text where there are none."""
        if self._reformulator is not None:
            try:
                async with asyncio.timeout(_QUERY_TIMEOUT):
                    other = await self._reformulator.reformulate(query)
            except Exception:  # whatever a user's model raises, and a late answer: the rules are there
                other = None
            if other and other.strip():
                return other.strip()[:_LONGEST_QUERY]
        other = await off_loop(self._ranker.reformulated, query, sight)
        return "" if other == query else other

    async def again(self, snapshot: Snapshot, *, principal: Principal) -> Snapshot:
        """A snapshot as it may be served now: the text of documents that have been deleted since, or that the
        principal may not read any more, is empty. A newer version of a document changes nothing."""
        await self._freshness.refresh()
        keys = [place_of(document) for document in snapshot.documents]
        standing = await off_loop(self._holdings.catalogue.standing_documents, keys, Sight.of(principal))
        if standing.issuperset(keys):
            return snapshot
        pairs = zip(snapshot.documents, keys, strict=True)
        documents = tuple(document if key in standing else emptied(document) for document, key in pairs)
        return replace(snapshot, documents=documents)

    async def live(self, documents: Collection[str], *, principal: Principal) -> set[str]:
        """Those of the documents ``SOURCE/ID@VERSION`` that are there in this very version and that the
        principal may read; without a source (``/ID@VERSION``), of the texts that somebody added."""
        await self._freshness.refresh()
        places = {one: place for one in documents if (place := self._place(one)) is not None}
        found = await off_loop(
            self._holdings.catalogue.standing_versions, set(places.values()), Sight.of(principal)
        )
        return {one for one, place in places.items() if place in found}

    def _place(self, document: str) -> tuple[str | None, str, str] | None:
        """Source, document and version of a name; None: it is of no source of this corpus."""
        name, _, version = document.rpartition("@")
        for key in sorted(keys_of(self._sources), key=len, reverse=True):
            if name.startswith(f"{key}/"):
                return key, name.removeprefix(f"{key}/"), version
        return (None, name[1:], version) if name.startswith("/") else None

    async def _take_in(self) -> None:
        """After a pass: count the words of what came, which the next search would have to, and embed it."""
        await off_loop(self._lexicon.follow)
        await self._catch_up()

    async def _catch_up(self) -> None:
        """Give what came its vectors; where that fails, it is found by words."""
        if self._meaning is None:
            return
        async with self._turn:
            try:
                await self._meaning.catch_up()
            except (EmbeddingFailed, Unavailable) as error:
                self._lexical_because = str(error)
            else:
                self._lexical_because = ""

    async def _near(self, text: str) -> Near | None:
        """The query's vector, or None where the embedding fails: the search goes on by words."""
        if self._meaning is None or not self._holdings.has_vectors():
            return None
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT):
                vector = await self._meaning.query(text)
        except TimeoutError:
            self._lexical_because = f"the embedding gave no answer within {_QUERY_TIMEOUT:.0f} s"
        except EmbeddingFailed as error:
            self._lexical_because = str(error)
        else:
            self._lexical_because = ""
            return Near(vector=vector, meaning=self._meaning)
        return None
