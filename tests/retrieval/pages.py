"""A text as the corpus would keep it, without a corpus."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from langchain_core.documents import Document

from pilotman.retrieval.catalogue.entry import Record
from pilotman.retrieval.sources.reconciler import Fetched
from pilotman.retrieval.stock import entries_of


def chunks_of(text: str, *, source: str = "page.md") -> Sequence[Record]:
    """The records of one document's text."""
    fetched = Fetched(
        document_id=source,
        listed="1",
        document=Document(page_content=text, metadata={"readers": ["*"]}),
        fetched_at=datetime(2026, 1, 5, tzinfo=UTC),
        until=None,
    )
    return [
        Record(
            row=row,
            readers=entry.readers,
            expires_at=None,
            tenant=entry.tenant,
            id=entry.id,
            source=entry.source,
            document=entry.document,
            text=entry.text,
            metadata=dict(entry.metadata),
        )
        for row, entry in enumerate(entries_of("books", fetched))
    ]
