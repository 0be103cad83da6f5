"""Where documents come from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol

from langchain_core.documents import Document


class Source(Protocol):
    """The port: current versions, and deletions by absence. ``testing.source_faults`` tries a connector.

    A source may also have, all of them read after each listing:

    - ``caveats: tuple[str, ...]``: what its last listing left out, in words
    - ``terms: str``: another text whenever what all its documents share changes, such as their readers; what
      was stored under other terms is not served any more
    - ``max_age: timedelta | None``: how long its documents hold after the last listing that named them;
      past it they have expired, as those do whose ``expires_at`` is over
    """

    @property
    def name(self) -> str:
        """What messages call it. No credentials: it is shown."""
        ...

    @property
    def max_staleness(self) -> timedelta:
        """How old a listing may be before a new one is due: the objective."""
        ...

    def list(self) -> AsyncIterator[tuple[str, str]]:
        """Pairs of document id and version; a version changes whenever the document does.

        Whoever does not know raises, whatever the reason: what a listing leaves out is deleted.

        Raises:
            Unavailable: the origin gives no answer for now; what it listed before stays. Its ``retry_after``,
                in seconds, is heeded.
            ConfigurationError: it will not work so.
        """
        ...

    async def fetch(self, document_id: str) -> Document:
        """The document's present text.

        Its metadata holds ``readers`` (see ``access``; without it nobody is served the document, or
        only its owner) and may hold ``owner`` (``user:TENANT/USER``: whose content it is; it is sealed for
        them and goes when they are forgotten), ``source`` (what a citation names; the document id
        otherwise), ``version`` (content hash; the listed version otherwise), ``trusted`` (False
        otherwise), ``label`` (JSON-able), ``expires_at`` (ISO 8601 with its offset from UTC: it is not served
        after this moment) and ``revision`` (what the origin calls the version).

        Raises:
            NotFound: the document has gone since it was listed.
            ConfigurationError: it cannot be served as it is; the others can.
        """
        ...
