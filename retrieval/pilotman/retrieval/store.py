"""A LangChain vector store under permissions, on FAISS and SQLite."""

from __future__ import annotations

import copy
import random
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from opentelemetry.metrics import MeterProvider

from pilotman.guardrails.errors import ConfigurationError, PermissionDenied
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Keys
from pilotman.retrieval.access import readers_of
from pilotman.retrieval.arrays import Vectors
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.catalogue.selection import Selection
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.draft import Draft, listed, nothing_left
from pilotman.retrieval.encoder import Encoder, vector_of
from pilotman.retrieval.holdings import Holdings, now
from pilotman.retrieval.objective import Objective
from pilotman.retrieval.quality import Figures, OnEvent, Quality
from pilotman.retrieval.reading import MetadataFilter, Reading
from pilotman.retrieval.relevance import relevance_of
from pilotman.retrieval.retriever import StoreRetriever

_CONFIG = IndexConfig()
_OBJECTIVE = Objective()
_BATCH = 256
"""Texts that the embedding is given at a time."""


def _new_id() -> str:
    return str(uuid.uuid4())


class FaissVectorStore(VectorStore):
    """Documents found by meaning, each only by those who may read it.

    Unbound it is the public tenant: what it adds everybody may read, unless ``readers`` say otherwise (see
    ``access``). ``for_principal`` binds it: it then finds what the principal may read, inside its tenant and
    in public; what it adds is for its tenant; ids are the tenant's own, so that nobody else's can be
    overwritten or deleted.

    In the folder ``path`` it outlives the process, and several processes may use it at the same time; without
    one it is in memory. A deletion holds for the very next query of any of them. What is past its
    ``expires_at`` is not found, or with ``stale="mark"`` found with ``stale: True`` in its metadata.

    ``filter`` of the searches is ``{"topic": "disk"}`` (see ``catalogue.filter``), or a function of a
    ``Document``. It is applied before the ranking: whatever matches is found. A dictionary's answer
    is kept and maintained; a function is asked about every document that may be read, at each search.

    Scores are cosines (inner products with the metric ``dot``): larger is nearer. Metadata is kept as JSON.
    What is read while somebody deletes is decided when the documents are read: what was deleted by then
    is not served.

    What a principal adds is its own, and so is what is added with ``owner="user:acme/alice"``. With ``keys``
    its text, metadata and id are sealed in the file for that owner; where the owner's key is gone, it is not
    found any more. Every process that uses the folder needs the keys. Readers and vectors are not sealed:
    ``forget`` overwrites them.

    A sample of the searches is checked against exact search in the background: see ``Objective``. Falling
    below it is a metric of ``meter_provider`` (by default OpenTelemetry's global one) and an event, handed to
    ``on_event`` on the checking thread, and begins a repair; ``quality()`` has the figures.

    Raises:
        ConfigurationError: the stored vectors are another model's.
        CorruptIndex: a file of the folder is damaged, foreign or of a newer version; it was left untouched.
    """

    def __init__(
        self,
        embedding: Embeddings,
        path: str | Path | None = None,
        *,
        config: IndexConfig = _CONFIG,
        stale: Literal["drop", "mark"] = "drop",
        objective: Objective | None = _OBJECTIVE,
        keys: Keys | None = None,
        on_event: OnEvent | None = None,
        meter_provider: MeterProvider | None = None,
        clock: Callable[[], datetime] = now,
        new_id: Callable[[], str] = _new_id,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if stale not in ("drop", "mark"):
            raise ConfigurationError(f"stale={stale!r} is not known", hint="take 'drop' or 'mark'")
        encoder = Encoder(embedding)
        self._new_id = new_id
        quality = Quality(objective, on_event=on_event, meter_provider=meter_provider, draw=draw)
        drop = stale == "drop"
        holdings = Holdings(path, config=config, drop_stale=drop, quality=quality, keys=keys, clock=clock)
        self._reading = Reading(holdings=holdings, encoder=encoder, sight=Sight())

    @classmethod
    def over(cls, holdings: Holdings, embedding: Embeddings) -> Self:
        """A store on what is held already, by a ``Corpus``."""
        store = cls.__new__(cls)
        store._reading = Reading(holdings=holdings, encoder=Encoder(embedding), sight=Sight())
        store._new_id = _new_id
        return store

    def for_principal(self, principal: Principal) -> Self:
        """The same store, as this principal may use it."""
        given: Any = principal
        if not isinstance(given, Principal):
            raise ConfigurationError(f"{given!r} is no principal", hint="Principal(tenant=…, user=…)")
        bound = copy.copy(self)
        bound._reading = replace(self._reading, sight=Sight.of(principal))
        return bound

    @property
    def embeddings(self) -> Embeddings:
        """The embedding of documents and queries."""
        return self._encoder.embedding

    @property
    def holdings(self) -> Holdings:
        """What is stored, below LangChain's interface: for sources that are reconciled into it."""
        return self._reading.holdings

    @property
    def _encoder(self) -> Encoder:
        return self._reading.encoder

    @property
    def _sight(self) -> Sight:
        return self._reading.sight

    def close(self) -> None:
        """Let the files go; what was added is on the disk already."""
        self.holdings.close()

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Store texts, each in place of what the tenant has under its id; all of them or none.

        ``readers=["user:acme/alice"]`` says for all of them who may read them, ``readers`` in a text's
        metadata for one, and ``expires_at`` in either way until when (a time with a zone, or ISO 8601).
        ``owner="user:acme/alice"`` says whose content all of them are; nobody else reads it by default.
        ``batch_size``: texts that the embedding is given at a time.

        Raises:
            ValueError: ids or metadatas are not as many as the texts.
            InvalidRequest: something cannot be stored; the message names it.
            PermissionDenied: a principal writes for others than its tenant, or over what it may not read.
        """
        size = kwargs.pop("batch_size", _BATCH)
        draft = Draft.of(texts, metadatas, ids, self._sight, self._new_id, **kwargs)
        if draft.entries:
            self._put(draft, self._encoder.documents(draft.texts, batch_size=size))
        return draft.ids

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """As ``add_texts``; the embedding is awaited."""
        size = kwargs.pop("batch_size", _BATCH)
        draft = Draft.of(texts, metadatas, ids, self._sight, self._new_id, **kwargs)
        if draft.entries:
            await off_loop(self._put, draft, await self._encoder.adocuments(draft.texts, batch_size=size))
        return draft.ids

    def delete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        """Delete what is under these ids, or with None all that the tenant has; missing ones are no error."""
        nothing_left(kwargs)
        self.holdings.delete(self._sight, None if ids is None else listed("ids", ids))
        return True

    async def adelete(self, ids: Sequence[str] | None = None, **kwargs: Any) -> bool:
        return await off_loop(partial(self.delete, ids, **kwargs))

    def forget(
        self,
        *,
        tenant: str | None = None,
        owner: str | None = None,
        source: str | None = None,
        document: str | None = None,
    ) -> Mapping[str, int]:
        """Forget for good: see ``Corpus.forget``. A principal forgets what is its own.

        Raises:
            InvalidRequest: nothing is named.
            PermissionDenied: a principal names somebody else.
        """
        if self._sight.user is not None:
            own = (self._sight.tenant, self._sight.user)
            if (tenant or own[0], owner or own[1]) != own:
                raise PermissionDenied("a principal forgets its own only", hint="leave tenant and owner out")
            tenant, owner = own
        chosen = Selection(tenant=tenant, owner=owner, source=source, document=document)
        return self.holdings.forget(chosen)

    async def aforget(self, **selection: str | None) -> Mapping[str, int]:
        """As ``forget``, off the event loop."""
        return await off_loop(partial(self.forget, **selection))

    def set_readers(self, ids: Sequence[str], readers: Iterable[str]) -> int:
        """Other readers for what is under these ids, from the very next query; returns how many there were.

        Raises:
            ConfigurationError: the readers cannot be understood.
            PermissionDenied: a principal names readers outside its tenant.
        """
        return self.holdings.set_readers(self._sight, listed("ids", ids), readers_of(readers))

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """The documents under these ids, in their order; each once, missing ones are left out.

        An id is looked up in the principal's tenant, then in public.
        """
        return self._reading.by_ids(ids)

    async def aget_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        return await off_loop(self.get_by_ids, ids)

    def similarity_search(
        self, query: str, k: int = 4, filter: MetadataFilter | None = None, **kwargs: Any
    ) -> list[Document]:
        """The ``k`` nearest documents to the query, best first."""
        found = self.similarity_search_with_score(query, k, filter, **kwargs)
        return [document for document, _ in found]

    async def asimilarity_search(
        self, query: str, k: int = 4, filter: MetadataFilter | None = None, **kwargs: Any
    ) -> list[Document]:
        found = await self.asimilarity_search_with_score(query, k, filter, **kwargs)
        return [document for document, _ in found]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: MetadataFilter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """With their cosines (inner products with the metric ``dot``)."""
        nothing_left(kwargs)
        return self._reading.nearest(self._reading.vector(query), k, filter)

    async def asimilarity_search_with_score(
        self, query: str, k: int = 4, filter: MetadataFilter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        nothing_left(kwargs)
        return await off_loop(self._reading.nearest, await self._reading.avector(query), k, filter)

    def similarity_search_by_vector(
        self, embedding: Sequence[float], k: int = 4, filter: MetadataFilter | None = None, **kwargs: Any
    ) -> list[Document]:
        """The ``k`` nearest documents to a vector, best first."""
        nothing_left(kwargs)
        return [document for document, _ in self._reading.nearest(vector_of(embedding), k, filter)]

    async def asimilarity_search_by_vector(
        self, embedding: Sequence[float], k: int = 4, filter: MetadataFilter | None = None, **kwargs: Any
    ) -> list[Document]:
        return await off_loop(partial(self.similarity_search_by_vector, embedding, k, filter, **kwargs))

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: MetadataFilter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """``k`` of the ``fetch_k`` nearest that are near the query and unlike each other.

        ``lambda_mult``: 1 looks at nearness alone, 0 at diversity alone.
        """
        nothing_left(kwargs)
        return self._reading.diverse(self._reading.vector(query), k, fetch_k, lambda_mult, filter)

    async def amax_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: MetadataFilter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        nothing_left(kwargs)
        vector = await self._reading.avector(query)
        return await off_loop(self._reading.diverse, vector, k, fetch_k, lambda_mult, filter)

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: MetadataFilter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """As ``max_marginal_relevance_search``, for a vector."""
        nothing_left(kwargs)
        return self._reading.diverse(vector_of(embedding), k, fetch_k, lambda_mult, filter)

    async def amax_marginal_relevance_search_by_vector(
        self,
        embedding: Sequence[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: MetadataFilter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        nothing_left(kwargs)
        vector = vector_of(embedding)
        return await off_loop(self._reading.diverse, vector, k, fetch_k, lambda_mult, filter)

    def as_retriever(self, **kwargs: Any) -> StoreRetriever:
        """LangChain's retriever: ``search_type``, ``search_kwargs``, and ``k``."""
        tags = kwargs.pop("tags", None) or self._get_retriever_tags()
        return StoreRetriever(vectorstore=self, tags=tags, **kwargs)

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """A store with these texts; ``kwargs`` are those of the store (``path`` and on)."""
        store = cls(embedding, **kwargs)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> Self:
        store = await off_loop(partial(cls, embedding, **kwargs))
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    async def tune(self, queries: Sequence[str], *, recall: float = 0.95, k: int = 10) -> IndexConfig:
        """Choose and keep how much a search looks at, for a recall at ``k`` that is wanted.

        ``queries`` are real ones, some hundred. Returns the settings with the choice.

        Raises:
            InvalidRequest: no queries, or too few documents for an index to be trained.
            PermissionDenied: the store is bound to a principal.
        """
        self._check_unbound("tune what all use")
        self.holdings.check(await self._encoder.amodel())
        vectors = [await self._encoder.aquery(query) for query in listed("queries", queries)]
        tuned = partial(self.holdings.tune, recall=recall, k=k)
        return await off_loop(tuned, np.stack(vectors) if vectors else np.zeros((0, 1), dtype=np.float32))

    def quality(self) -> Figures:
        """How the searches by vector fare against ``objective``, in this process.

        Raises:
            PermissionDenied: the store is bound to a principal.
        """
        self._check_unbound("see what the queries of all fare like")
        return self.holdings.quality.figures()

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        return relevance_of(self.holdings.config.metric)

    def _check_unbound(self, what: str) -> None:
        if self._sight.user is not None:
            raise PermissionDenied(f"a principal cannot {what}", hint="use the store that is not bound")

    def _put(self, draft: Draft, vectors: Vectors) -> None:
        self.holdings.put(draft.entries, vectors, model=self._encoder.model(), sight=self._sight)
