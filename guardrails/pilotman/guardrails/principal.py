"""Who asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.shape import is_storable


@dataclass(frozen=True, kw_only=True)
class Principal:
    """An authenticated user of a tenant. Built by the application, never from model output.

    Raises:
        ConfigurationError: tenant or user is empty, or holds what no database keeps as it is: a NUL, or half
            of a surrogate pair. Two users must never become one.
    """

    tenant: str
    user: str
    roles: frozenset[str] = frozenset()
    attributes: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)

    def __post_init__(self) -> None:
        if not self.tenant or not self.user:
            raise ConfigurationError("a principal needs a tenant and a user", hint="name both")
        if not (is_storable(self.tenant) and is_storable(self.user)):
            raise ConfigurationError(
                "a principal is named in characters that nothing keeps", hint="plain text"
            )

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form; ``from_dict`` reads it back."""
        return {
            "tenant": self.tenant,
            "user": self.user,
            "roles": sorted(self.roles),
            "attributes": dict(self.attributes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Principal:
        return cls(
            tenant=data["tenant"],
            user=data["user"],
            roles=frozenset(data.get("roles", ())),
            attributes=dict(data.get("attributes", {})),
        )
