"""What is to be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.access import reader_of_user


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A chunk that is held, as far as one can tell by it whether it is meant.

    ``owner`` as chunks have it; ``source`` (None: it was added); ``document`` there, or its own id, as that
    lies here. ``names``: what that document is called, each with its version: by its owner, and by the
    owner's pseudonyms. ``fetched_at``: in seconds since 1970 (None: nobody knows).
    """

    row: int
    owner: str | None
    source: str | None
    document: str
    names: frozenset[tuple[str, str | None]]
    fetched_at: float | None


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Chunks by whose they are and where they come from; what is named must all hold.

    ``tenant``: what it wrote, what its users own, and what nobody outside it may read. ``owner``: a user of
    it. ``document``: of the ``source``; without one, the id of a text that somebody added.
    ``only``: of these chunks those for which it holds.

    Raises:
        InvalidRequest: nothing is named, or an owner without its tenant.
    """

    tenant: str | None = None
    owner: str | None = None
    source: str | None = None
    document: str | None = None
    only: Callable[[Piece], bool] | None = None

    def __post_init__(self) -> None:
        if (self.tenant, self.owner, self.source, self.document) == (None, None, None, None):
            raise InvalidRequest("this selects nothing", hint="name a tenant, owner, source or document")
        if self.owner is not None and self.tenant is None:
            raise InvalidRequest(f"{self.owner!r} is a user of which tenant?", hint="name the tenant too")

    @property
    def subject(self) -> str | None:
        """The owner as chunks have it."""
        if self.owner is None or self.tenant is None:
            return None
        return reader_of_user(self.tenant, self.owner)

    @property
    def whole_owner(self) -> bool:
        """Whether all of an owner is meant, what may come later too."""
        return self.owner is not None and (self.source, self.document, self.only) == (None, None, None)


def mark_of(name: str) -> bytes:
    """What stands for an owner or a document that was forgotten: it tells neither, but knows both again."""
    return bytes.fromhex(digest(name))
