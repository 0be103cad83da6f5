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
    this snapshot only), ``trusted``, ``fetched_at`` (ISO 8601, UTC) and ``readers``.

    ``coverage`` is the probability, in [0, 1], that a document treats the query; ``covered`` says that it
    is at least one half. ``epoch`` counts the states of the corpus. ``snapshot_id`` follows from query,
    mode and passages alone.
    """

    query: str
    epoch: int
    mode: Mode
    coverage: float
    covered: bool
    documents: tuple[Document, ...]
    snapshot_id: str = field(init=False)

    def __post_init__(self) -> None:
        places = [[d.metadata[key] for key in ("source", "version", "start", "end")] for d in self.documents]
        object.__setattr__(self, "snapshot_id", short_id("snap", self.query, self.mode, places))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; ``from_dict`` reads it back."""
        return {
            "snapshot_id": self.snapshot_id,
            "query": self.query,
            "epoch": self.epoch,
            "mode": self.mode,
            "coverage": self.coverage,
            "covered": self.covered,
            "documents": [{"text": d.page_content, "metadata": dict(d.metadata)} for d in self.documents],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Snapshot:
        return cls(
            query=data["query"],
            epoch=data["epoch"],
            mode=data["mode"],
            coverage=data["coverage"],
            covered=data["covered"],
            documents=tuple(
                Document(page_content=one["text"], metadata=dict(one["metadata"]))
                for one in data["documents"]
            ),
        )
