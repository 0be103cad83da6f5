"""Texts and metadata of chunks that a user owns, as they lie in the file."""

from __future__ import annotations

from pilotman.guardrails.seal import Seal, Subject
from pilotman.retrieval.access import subject_of


class Sealing:
    """Closes and opens the two columns of a chunk that hold content. What nobody owns lies as it is; without
    keys so does the rest."""

    def __init__(self, seal: Seal) -> None:
        self.seal = seal
        self._subjects: dict[str, Subject] = {}

    def closed(self, row: int, owner: str | None, metadata: bytes, text: bytes) -> tuple[bytes, bytes]:
        """Metadata and text as they may lie at ``row``."""
        if owner is None or self.seal.keys is None:
            return metadata, text
        subject = self._subject(owner)
        return (
            self.seal.seal(subject, metadata, _place("metadata", row)),
            self.seal.seal(subject, text, _place("text", row)),
        )

    def opened(self, row: int, owner: str | None, metadata: bytes, text: bytes) -> tuple[bytes, bytes]:
        """Metadata and text of what lies at ``row``.

        Raises:
            Forgotten: the owner's key is gone, or was never given to this process.
            Tampered: they are not what was sealed there.
        """
        if owner is None:
            return metadata, text
        subject = self._subject(owner)
        return (
            self.seal.open(subject, metadata, _place("metadata", row)),
            self.seal.open(subject, text, _place("text", row)),
        )

    def _subject(self, owner: str) -> Subject:
        found = self._subjects.get(owner)
        if found is None:
            found = self._subjects[owner] = subject_of(owner)
        return found


def _place(column: str, row: int) -> bytes:
    return f"chunk.{column}/{row}".encode()
