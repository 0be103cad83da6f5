"""Documents of sources, kept in a store as chunks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from langchain_core.documents import Document

from pilotman.guardrails.errors import ConfigurationError, InvalidRequest
from pilotman.retrieval.access import readers_of, subject_of
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.catalogue.entry import Entry
from pilotman.retrieval.catalogue.kept import Kept
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.chunk import cut, title_of
from pilotman.retrieval.holdings import Holdings
from pilotman.retrieval.sources.reconciler import FORGOTTEN, Fetched
from pilotman.retrieval.sources.terms import moment

_APPLICATION = Sight()
_CARRIED = ("revision", "commit", "url")
"""Metadata of a document that its chunks keep."""


class StoredDocuments:
    """The port ``sources.reconciler.Stock`` on the holdings of a store, for ``sources`` by their keys, each
    with its terms. What was stored under other terms, or of other sources, is deleted at once.

    Vectors come later, see ``Holdings.waiting``: until then a document is found by its words.
    """

    def __init__(self, holdings: Holdings, sources: Mapping[str, str]) -> None:
        self._holdings = holdings
        self._terms = dict(sources)
        for source in holdings.catalogue.sources():
            others = self._of_other_terms(source)
            if others:
                holdings.delete_documents(source, others)

    async def versions(self, source: str) -> Mapping[str, str]:
        listed = await off_loop(self._holdings.catalogue.listed, source)
        return {document: version.partition(" ")[2] for document, version in listed.items()}

    async def stopped(self, source: str, document_ids: Collection[str]) -> Collection[str]:
        return await off_loop(self._holdings.catalogue.stopped, source, document_ids)

    async def delete(self, source: str, document_ids: Collection[str]) -> None:
        await off_loop(self._holdings.delete_documents, source, document_ids)

    async def put(self, source: str, documents: Sequence[Fetched]) -> Mapping[str, str]:
        return await off_loop(self._put, source, documents)

    async def confirm(self, source: str, document_ids: Collection[str], *, until: datetime) -> None:
        await off_loop(self._holdings.confirm_documents, source, document_ids, until.timestamp())

    def _of_other_terms(self, source: str) -> list[str]:
        """What was stored when the source had other readers, or of what is no source any more."""
        now = self._terms.get(source)
        listed = self._holdings.catalogue.listed(source)
        return [document for document, version in listed.items() if version.partition(" ")[0] != now]

    def _put(self, source: str, documents: Sequence[Fetched]) -> Mapping[str, str]:
        entries: list[Entry] = []
        kept: list[Kept] = []
        refused: dict[str, str] = {}
        for fetched in documents:
            try:
                found = entries_of(source, fetched)
                kept.append(_kept(source, fetched, self._terms.get(source, "")))
            except (ConfigurationError, InvalidRequest) as error:
                refused[fetched.document_id] = str(error)
            else:
                entries += found
        stopped = self._holdings.put(
            entries,
            None,
            model=None,
            sight=_APPLICATION,
            replacing={source: [fetched.document_id for fetched in documents]},
            documents=kept,
        )
        return refused | dict.fromkeys(stopped, FORGOTTEN)


def entries_of(source: str, fetched: Fetched) -> list[Entry]:
    """The chunks of a document of ``source``, the key of a source in its corpus.

    The metadata of each: ``source`` (what a citation names), ``heading``, ``start`` and ``end`` (the text is
    that slice of the document); the first has the document's ``title``, if it tells one.

    Raises:
        ConfigurationError, InvalidRequest: the document cannot be served as it is.
    """
    document, metadata = fetched.document, fetched.document.metadata
    text = document.page_content
    title = title_of(text)
    owner = metadata.get("owner")
    if owner is not None:
        subject_of(owner)
    shared: dict[str, Any] = {
        "readers": readers_of(metadata.get("readers", () if owner is None else (owner,))),
        "owner": owner,
        "source": source,
        "document": fetched.document_id,
        "version": str(metadata.get("version", fetched.listed)),
        "fetched_at": fetched.fetched_at,
        "expires_at": _until(fetched.until, _own_expiry(document)),
        "trusted": metadata.get("trusted") is True,
        "label": metadata.get("label"),
    }
    named = {"source": str(metadata.get("source", fetched.document_id))}
    named |= {name: metadata[name] for name in _CARRIED if name in metadata}
    return [
        Entry(
            id=f"{source}/{fetched.document_id}#{number}",
            text=chunk.text,
            metadata={
                **named,
                "heading": chunk.heading,
                "start": chunk.start,
                "end": chunk.end,
                **({"title": title} if title and not number else {}),
            },
            **shared,
        )
        for number, chunk in enumerate(cut(text))
    ]


def _kept(source: str, fetched: Fetched, terms: str) -> Kept:
    own = _own_expiry(fetched.document)
    return Kept(
        source=source,
        document=fetched.document_id,
        listed=f"{terms} {fetched.listed}",
        expires_at=None if own is None else own.timestamp(),
        owner=fetched.document.metadata.get("owner"),
    )


def _own_expiry(document: Document) -> datetime | None:
    given = document.metadata.get("expires_at")
    return None if given is None else datetime.fromisoformat(moment(given))


def _until(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
