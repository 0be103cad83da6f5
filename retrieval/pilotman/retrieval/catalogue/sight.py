"""Who looks, or writes."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from pilotman.guardrails.errors import PermissionDenied
from pilotman.guardrails.principal import Principal
from pilotman.retrieval.access import inside, reader_of_tenant, tags_of
from pilotman.retrieval.catalogue.entry import EVERYBODY, PUBLIC


@dataclass(frozen=True, kw_only=True)
class Sight:
    """``tags`` may be read (see ``access``); ids are meant inside ``tenant``; without a ``user`` it is the
    application itself, which writes for everybody and may write for anybody."""

    tenant: str = PUBLIC
    user: str | None = None
    tags: frozenset[str] = EVERYBODY

    @classmethod
    def of(cls, principal: Principal | None) -> Sight:
        """What the principal may see; None is the public."""
        if principal is None:
            return cls()
        return cls(tenant=principal.tenant, user=principal.user, tags=tags_of(principal))

    @property
    def default_readers(self) -> frozenset[str]:
        """Who may read what is written without saying for whom."""
        return EVERYBODY if self.user is None else frozenset({reader_of_tenant(self.tenant)})

    def may_change(self, readers: Set[str]) -> bool:
        """Whether something of the own tenant with these readers may be overwritten or deleted."""
        return self.user is None or not self.tags.isdisjoint(readers)

    def check_readers(self, readers: frozenset[str]) -> None:
        """May this be written for them?

        Raises:
            PermissionDenied: a principal writes for others than its own tenant.
        """
        if self.user is not None and not inside(self.tenant, readers):
            raise PermissionDenied(
                f"{self.user} of {self.tenant} cannot write for {', '.join(sorted(readers))}",
                hint=f"name readers inside the tenant, such as {reader_of_tenant(self.tenant)}",
            )
