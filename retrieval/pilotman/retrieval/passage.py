"""What a snapshot holds of a chunk that was found."""

from __future__ import annotations

from langchain_core.documents import Document

from pilotman.guardrails.seal import Seal
from pilotman.retrieval.access import subject_of
from pilotman.retrieval.ranking import Hit
from pilotman.retrieval.sources.terms import version_of

_HIDDEN = frozenset({"title"})
"""Metadata of chunks that is of no use to whoever cites them."""


def passage(hit: Hit, seal: Seal) -> Document:
    """A hit as a snapshot keeps it. Of what is sealed for its owner ``ref`` and ``cited`` are what stands for
    the document, and for what a citation names, where its names must not."""
    record = hit.record
    # A text that somebody added to the store beneath is a document by itself.
    version = version_of(record.text.encode("utf-8", "surrogatepass"))
    added = {"source": record.id, "version": version, "start": 0, "end": len(record.text)}
    own = {name: value for name, value in record.metadata.items() if name not in _HIDDEN}
    metadata = own if record.source is not None else {**added, **own}
    metadata |= {"origin": record.source, "document_id": record.document or record.id, "score": hit.score}
    if record.owner is not None and record.ref is not None:
        whose, version = subject_of(record.owner), record.ref.rpartition("@")[2]
        cited = seal.pseudonym(whose, str(metadata["source"]), seek=True)
        metadata |= {"ref": f"{record.source or ''}/{record.ref}", "cited": f"{cited}@{version}"}
    return Document(id=record.id, page_content=record.text, metadata=metadata)


def emptied(document: Document) -> Document:
    """What is left of a document that may not be served any more: its place, so that numbers still count."""
    return Document(id=document.id, page_content="", metadata={**document.metadata, "heading": ""})


def place_of(document: Document) -> tuple[str | None, str]:
    """Of a passage: its source and what that calls the document; None and its id where somebody added it."""
    metadata = document.metadata
    return metadata.get("origin"), str(metadata.get("document_id", ""))
