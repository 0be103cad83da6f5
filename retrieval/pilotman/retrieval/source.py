"""Where documents come from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

from langchain_core.documents import Document


class Source(Protocol):
    """The port: current versions, and deletions by absence.

    A source may also have ``caveats: tuple[str, ...]``: what its last listing left out, in words.
    """

    @property
    def name(self) -> str:
        """What messages call it."""
        ...

    @property
    def max_staleness(self) -> timedelta:
        """How old a listing may be before a search asks for a new one."""
        ...

    def list(self) -> AsyncIterator[tuple[str, str]]:
        """Pairs of document id and version; a version changes whenever the document does."""
        ...

    async def fetch(self, document_id: str) -> Document:
        """The document's present text.

        Its metadata holds ``readers`` (see ``access``; without it nobody is served the document) and may
        hold ``source`` (what a citation names; the document id otherwise), ``version`` (the listed one
        otherwise), ``trusted`` (False otherwise) and ``label`` (JSON-able).

        Raises:
            NotFound: the document has gone since it was listed.
        """
        ...
