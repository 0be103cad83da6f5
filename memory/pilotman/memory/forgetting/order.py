"""What a store is asked to forget, and the port by which it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pilotman.guardrails.principal import Principal
from pilotman.memory.forgetting.hold import Hold, Thing, selects
from pilotman.memory.forgetting.receipt import Erased
from pilotman.memory.selector import Selector

ARCHIVIST = "pilotman"
"""The user in whose book it stands what was forgotten."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """Forget what ``what`` selects in ``tenant``, but not what a hold covers."""

    tenant: str
    what: Selector
    holds: Sequence[Hold] = ()
    erased: frozenset[str] = frozenset()
    """The items that were erased for it before, as their marks begin: ``run:ID``, ``fact:ID``."""

    @property
    def archivist(self) -> Principal:
        """In whose book it is written down: not in that of somebody who is to be forgotten."""
        return Principal(tenant=self.tenant, user=ARCHIVIST)

    def wants(self, thing: Thing) -> bool:
        """Whether the thing is meant, held or not."""
        return selects(self.what, thing)

    def spares(self, thing: Thing) -> bool:
        """Whether a legal hold keeps the thing."""
        return any(hold.covers(thing) for hold in self.holds)


class Store(Protocol):
    """A place where content is kept."""

    @property
    def name(self) -> str:
        """What a receipt calls it."""
        ...

    async def find(self, order: Order) -> Erased:
        """What ``erase`` would erase, as far as that can be told before: a receipt notes it first, and so
        still has it if the process dies while it is erased.

        Raises:
            Unavailable: as with ``erase``.
        """
        ...

    async def erase(self, order: Order) -> Erased:
        """Erase what is meant and not spared; what is erased already is not counted again.

        When this returns nothing of it is served by any process, and no file of the store holds it.

        Raises:
            Unavailable: the place cannot be reached; asking again goes on.
        """
        ...
