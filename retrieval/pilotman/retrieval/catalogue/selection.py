"""What is to be forgotten."""

from __future__ import annotations

from dataclasses import dataclass

from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.access import reader_of_user


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Chunks by whose they are and where they come from; what is named must all hold.

    ``tenant``: what it wrote, what its users own, and what nobody outside it may read. ``owner``: a user of
    it. ``document``: of the ``source``; without one, the id of a text that somebody added.

    Raises:
        InvalidRequest: nothing is named, or an owner without its tenant.
    """

    tenant: str | None = None
    owner: str | None = None
    source: str | None = None
    document: str | None = None

    def __post_init__(self) -> None:
        if all(value is None for value in vars(self).values()):
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
        return self.owner is not None and self.source is None and self.document is None


def mark_of(name: str) -> bytes:
    """What stands for an owner or a document that was forgotten: it tells neither, but knows both again."""
    return bytes.fromhex(digest(name))
