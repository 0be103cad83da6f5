"""What one principal finds in a store, as LangChain's documents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from langchain_core.documents import Document

from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.arrays import Vectors
from pilotman.retrieval.catalogue.catalogue import Filter
from pilotman.retrieval.catalogue.entry import Record
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.encoder import Encoder
from pilotman.retrieval.holdings import Holdings
from pilotman.retrieval.marginal import chosen

MetadataFilter: TypeAlias = Mapping[str, Any] | Callable[[Document], bool]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Searches what is held by the vectors of its encoder, under the permissions of ``sight``.

    A query's vector has shape ``(dimensions,)``; None: there is nothing to compare it with.
    """

    holdings: Holdings
    encoder: Encoder
    sight: Sight

    def vector(self, query: str) -> Vectors | None:
        """The query's vector.

        Raises:
            ConfigurationError: the stored vectors are another model's.
        """
        if self.holdings.index() is None:
            return None
        self.holdings.check(self.encoder.model())
        return self.encoder.query(query)

    async def avector(self, query: str) -> Vectors | None:
        """As ``vector``; the embedding is awaited."""
        if self.holdings.index() is None:
            return None
        self.holdings.check(await self.encoder.amodel())
        return await self.encoder.aquery(query)

    def nearest(
        self, vector: Vectors | None, k: int, filter: MetadataFilter | None
    ) -> list[tuple[Document, float]]:
        """The ``k`` nearest documents with their scores, best first."""
        return [(self._document(record), score) for record, score in self._hits(vector, k, filter)]

    def diverse(
        self, vector: Vectors | None, k: int, fetch_k: int, lambda_mult: float, filter: MetadataFilter | None
    ) -> list[Document]:
        """``k`` of the ``fetch_k`` nearest, see ``marginal``; ``lambda_mult`` is the weight of nearness.

        Raises:
            InvalidRequest: the weight is not between 0 and 1.
        """
        if not 0 <= lambda_mult <= 1:
            raise InvalidRequest(f"lambda_mult={lambda_mult} is not between 0 and 1")
        records = [record for record, _ in self._hits(vector, max(k, fetch_k), filter)]
        if vector is None or not records:
            return []
        vectors = self.holdings.vectors([record.row for record in records])
        return [self._document(records[place]) for place in chosen(vector, vectors, k, lambda_mult)]

    def by_ids(self, ids: Sequence[str]) -> list[Document]:
        """The documents under these ids, in their order; each once, missing ones are left out."""
        found = self.holdings.catalogue.by_ids(ids, self.sight)
        return [self._document(found[id_]) for id_ in dict.fromkeys(ids) if id_ in found]

    def _hits(
        self, vector: Vectors | None, k: int, filter: MetadataFilter | None
    ) -> list[tuple[Record, float]]:
        return [] if vector is None else self.holdings.hits(vector, k, self.sight, self._asked(filter))

    def _asked(self, filter: MetadataFilter | None) -> Filter | None:
        """The filter as the catalogue takes it."""
        return (lambda record: filter(self._document(record))) if callable(filter) else filter

    def _document(self, record: Record) -> Document:
        stale = {"stale": True} if self.holdings.catalogue.stale(record) else {}
        return Document(id=record.id, page_content=record.text, metadata={**record.metadata, **stale})
