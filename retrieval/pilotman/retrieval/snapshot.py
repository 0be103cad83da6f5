"""What a search found, to be stored with the run and cited."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from langchain_core.documents import Document

from pilotman.guardrails.digest import short_id

Mode: TypeAlias = Literal["hybrid", "dense", "lexical"]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """The passages of one search, with the state of the corpus that they came from.

    ``documents`` come in two stretches, each best first: the best passage of each of the ``k`` best
    documents, so that the first three have three different sources; then further passages of the very best.
    Their metadata: ``source``, ``version`` (content hash of the whole document), ``heading``, ``start`` and
    ``end`` (the text is exactly that slice of the document), ``score`` (in [0, 1], comparable within
    this snapshot only), ``trusted``, ``fetched_at`` (ISO 8601, UTC), ``readers``, ``origin`` and
    ``document_id`` (the source in its corpus, and what it calls the document); where the source says so
    ``expires_at`` (ISO 8601), ``revision`` (what the origin calls the version), ``commit`` and ``url``.

    ``coverage`` is the probability, in [0, 1], that a document treats the query; ``covered`` says that it
    is at least one half. Where the query found little, and asking in other words found more, those words
    are ``reformulated`` (coverage is of the query all the same). ``epoch`` counts the states of the corpus,
    ``index_epoch`` those of its trained index (0: every search is exact), ``permission_epoch`` is that of the
    last change of who may read what; ``parameters`` are the settings of the search. ``snapshot_id`` follows
    from query, mode and passages alone.
    """

    query: str
    epoch: int
    mode: Mode
    coverage: float
    covered: bool
    documents: tuple[Document, ...]
    reformulated: str = ""
    index_epoch: int = 0
    permission_epoch: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    snapshot_id: str = field(init=False)

    def __post_init__(self) -> None:
        places = [[d.metadata[key] for key in ("source", "version", "start", "end")] for d in self.documents]
        object.__setattr__(self, "snapshot_id", short_id("snap", self.query, self.mode, places))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; ``from_dict`` reads it back."""
        return {
            "snapshot_id": self.snapshot_id,
            "query": self.query,
            "reformulated": self.reformulated,
            "epoch": self.epoch,
            "mode": self.mode,
            "coverage": self.coverage,
            "covered": self.covered,
            "index_epoch": self.index_epoch,
            "permission_epoch": self.permission_epoch,
            "parameters": dict(self.parameters),
            "documents": [
                {"id": d.id, "text": d.page_content, "metadata": dict(d.metadata)} for d in self.documents
            ],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        return cls(
            query=data["query"],
            reformulated=data.get("reformulated", ""),  # older records have none
            epoch=data["epoch"],
            mode=data["mode"],
            coverage=data["coverage"],
            covered=data["covered"],
            index_epoch=data.get("index_epoch", 0),
            permission_epoch=data.get("permission_epoch", 0),
            parameters=data.get("parameters", {}),
            documents=tuple(
                Document(id=one.get("id"), page_content=one["text"], metadata=dict(one["metadata"]))
                for one in data["documents"]
            ),
        )
