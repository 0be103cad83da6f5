"""How long what is remembered is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeAlias

from pilotman.guardrails.errors import ConfigurationError

Kind: TypeAlias = Literal["session", "item", "fact", "run"]


_LONGEST = timedelta(days=36_525)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How long things of one kind are kept (``ttl`` None: until they are forgotten), in one tenant, for one
    purpose; a run's purpose is its task type, sessions and items have none. None means all."""

    kind: Kind
    ttl: timedelta | None
    tenant: str | None = None
    purpose: str | None = None

    def fits(self, kind: Kind, tenant: str, purpose: str) -> bool:
        return self.kind == kind and self.tenant in (None, tenant) and self.purpose in (None, purpose)


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long sessions, items that last, facts and the records of runs are kept; None: until they are
    forgotten.

    ``rules`` go before the four: of those that fit the one that names most, of equals the first. A fact's
    own ``retention``, an item's ``ttl`` go before all. What is over is not served from that instant on.

    Raises:
        ConfigurationError: a length of time that is not positive, or above 100 years.
    """

    session_ttl: timedelta | None = timedelta(days=7)
    item_ttl: timedelta | None = None
    fact_ttl: timedelta | None = None
    run_ttl: timedelta | None = None
    rules: Sequence[Rule] = ()

    def __post_init__(self) -> None:
        named = {name: value for name, value in vars(self).items() if name.endswith("_ttl")}
        named |= {f"the ttl of {rule}": rule.ttl for rule in self.rules}
        for name, value in named.items():
            if value is not None and not timedelta(0) < value <= _LONGEST:
                raise ConfigurationError(f"{name} is {value}", hint="up to 100 years, or None for ever")

    def ttl(self, kind: Kind, *, tenant: str, purpose: str = "") -> timedelta | None:
        """How long a thing is kept from its last change on; None: until it is forgotten."""
        fitting = [rule for rule in self.rules if rule.fits(kind, tenant, purpose)]
        if fitting:
            return max(fitting, key=lambda rule: (rule.tenant is not None) + (rule.purpose is not None)).ttl
        kept: timedelta | None = vars(self)[f"{kind}_ttl"]
        return kept
