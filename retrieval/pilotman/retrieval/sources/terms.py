"""What all connectors say of their documents: who reads them, who wrote them, what names a version."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from langchain_core.documents import Document

from pilotman.guardrails.digest import digest
from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.label import Label
from pilotman.retrieval.access import readers_of, subject_of

LARGEST = 1_048_576
"""Bytes of the largest document that is read."""

_NAMED = 5
"""Documents that a caveat names; more are counted."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Readers, label and owner of all documents of one connector. No ``readers``: everybody, or of a document
    with an owner that owner."""

    readers: tuple[str, ...] | None
    label: Label | None
    owner: str | None = None

    @classmethod
    def of(cls, readers: Iterable[str] | None, label: Label | None, owner: str | None = None) -> Terms:
        """Checked.

        Raises:
            ConfigurationError: the readers or the owner cannot be understood.
        """
        if owner is not None:
            subject_of(owner)
        named = None if readers is None else tuple(sorted(readers_of(readers)))
        return cls(readers=named, label=label, owner=owner)

    @property
    def digest(self) -> str:
        """Another text when any of this changes."""
        label = None if self.label is None else self.label.to_dict()
        owned = [] if self.owner is None else [self.owner]
        return digest([list(self._read_by(self.owner)), label, *owned])[:16]

    def document(
        self, text: str, *, source: str, version: str, owner: str | None = None, **more: Any
    ) -> Document:
        """A text with its labels; ``more`` metadata that is None is left out. ``owner``: its own."""
        owner = owner or self.owner
        metadata: dict[str, Any] = {
            "source": source,
            "version": version,
            "readers": list(self._read_by(owner)),
            "trusted": self.label is not None and self.label.trusted,
            **{name: value for name, value in {"owner": owner, **more}.items() if value is not None},
        }
        if self.label is not None:
            metadata["label"] = self.label.to_dict()
        return Document(page_content=text, metadata=metadata)

    def _read_by(self, owner: str | None) -> tuple[str, ...]:
        if self.readers is not None:
            return self.readers
        return ("*",) if owner is None else (owner,)


def version_of(*parts: bytes) -> str:
    """The content hash that names a version: the first 32 hexadecimal digits of SHA-256.

    Several parts are told apart by their lengths.
    """
    if len(parts) == 1:
        return hashlib.sha256(parts[0]).hexdigest()[:32]
    found = hashlib.sha256()
    for part in parts:
        found.update(b"%d:" % len(part) + part)
    return found.hexdigest()[:32]


def named(left_out: Iterable[str]) -> str:
    """The first few of what was left out, and how many more."""
    names = list(left_out)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(visible(name, limit=200) for name in names[:_NAMED]) + more


def moment(value: object) -> str:
    """A point in time as ``expires_at`` has it: ISO 8601, UTC.

    Raises:
        ConfigurationError: not a time, or one that does not say its offset from UTC.
    """
    try:
        at = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ConfigurationError(
            f"{visible(str(value), limit=80)!r} is no moment", hint="such as 2026-01-31T12:00:00Z"
        )
    return at.astimezone(UTC).isoformat()
