"""What a document that changed still says as it did, so that its chunks keep their vectors. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from pilotman.retrieval.catalogue.entry import Entry, Record

Said: TypeAlias = tuple[Any, ...]


def unchanged(old: Iterable[Record], new: Sequence[Entry], lost: Collection[int] = ()) -> dict[int, int]:
    """The rows that stay, each with the place in ``new`` of the chunk that says the same.

    The same is what words and vectors are made of: text, heading, and the name of the document; and it must
    be the same owner's. ``lost`` are rows whose vectors are damaged.
    """
    rows: dict[Said, list[int]] = {}
    for record in sorted(old, key=lambda each: each.row, reverse=True):
        if record.row not in lost:
            rows.setdefault(_said(record, record.metadata.get("owner")), []).append(record.row)
    found = ((rows.get(_said(entry, entry.owner)), place) for place, entry in enumerate(new))
    return {same.pop(): place for same, place in found if same}


def _said(chunk: Record | Entry, owner: str | None) -> Said:
    metadata: Mapping[str, Any] = chunk.metadata
    named = (metadata.get(name) for name in ("source", "heading"))
    return (chunk.tenant, chunk.source, chunk.document, owner, *named, chunk.text)
