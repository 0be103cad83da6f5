"""Where a value came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Author: TypeAlias = Literal["user", "tool", "third_party", "memory", "system"]
Sensitivity: TypeAlias = Literal["public", "internal", "secret"]

_SENSITIVITIES: tuple[Sensitivity, ...] = ("public", "internal", "secret")
_AUTHORS: tuple[Author, ...] = ("system", "user", "memory", "tool", "third_party")


@dataclass(frozen=True, kw_only=True)
class Label:
    """Author, trust, tenant and sensitivity of a value; a derived value takes the join.

    ``suspicions``: why somebody may be up to something with it, as the cleaner of what comes in found
    (``hidden_text``, ``chat_tokens``, ``instructions``). They tell; nothing is denied because of them alone.
    """

    author: Author
    trusted: bool
    tenant: str
    sensitivity: Sensitivity = "internal"
    sources: frozenset[str] = frozenset()
    suspicions: frozenset[str] = frozenset()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return {**vars(self), "sources": sorted(self.sources), "suspicions": sorted(self.suspicions)}

    @classmethod
    def join(cls, labels: Iterable[Label]) -> Label:
        """Lowest trust, widest sensitivity, all sources and suspicions (the lattice join of information-flow
        control).

        Raises:
            ValueError: no labels, or labels of two tenants.
        """
        known = list(labels)
        if not known:
            raise ValueError("nothing to join: a value has at least one label")
        tenants = {label.tenant for label in known}
        if len(tenants) > 1:
            raise ValueError(f"values of different tenants must not meet: {sorted(tenants)}")
        authors: list[Author] = [label.author for label in known]
        sensitivities: list[Sensitivity] = [label.sensitivity for label in known]
        nothing: frozenset[str] = frozenset()
        return cls(
            author=max(authors, key=_AUTHORS.index),
            trusted=all(label.trusted for label in known),
            tenant=known[0].tenant,
            sensitivity=max(sensitivities, key=_SENSITIVITIES.index),
            sources=nothing.union(*(label.sources for label in known)),
            suspicions=nothing.union(*(label.suspicions for label in known)),
        )
