"""The verbs about legal holds, receipts, and what is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from pilotman.guardrails.digest import short_id
from pilotman.guardrails.errors import InvalidRequest, PermissionDenied
from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.memory.forgetting.archive import Archive, checked, written
from pilotman.memory.forgetting.hold import Hold
from pilotman.memory.forgetting.receipt import Receipt
from pilotman.memory.forgetting.sweep import Sweep
from pilotman.memory.selector import Selector


class Holds:
    """A part of ``Memory``: what must be kept, what was forgotten, and what is over."""

    _archive: Archive
    _sweep: Sweep
    _clock: Callable[[], datetime]

    @property
    def archive(self) -> Archive:
        """Where holds and receipts are kept."""
        return self._archive

    async def hold(self, what: Selector, *, principal: Principal, reason: str) -> Hold:
        """Place a legal hold: what it selects in the principal's tenant stays, whoever wants it forgotten and
        whatever time is over, until it is lifted.

        Raises:
            PermissionDenied: the principal has not the role ``operator``.
            InvalidRequest: the selector is empty, or no reason is given.
        """
        _operator(principal, reason)
        now = self._clock()
        hold = Hold(
            hold_id=short_id("hold", principal.tenant, written(checked(what)), reason, now.isoformat()),
            tenant=principal.tenant,
            what=what,
            reason=reason,
            placed_by=principal.user,
            placed_at=now,
        )
        await self._archive.place(hold, principal=principal)
        return hold

    async def lift(self, hold_id: str, *, principal: Principal, reason: str) -> Hold:
        """End a legal hold. What it kept can be forgotten again; what is over goes with the next sweep.

        Raises:
            NotFound: there is no such hold in this tenant.
            Conflict: it was lifted before.
            PermissionDenied: the principal has not the role ``operator``.
            InvalidRequest: no reason is given.
        """
        _operator(principal, reason)
        return await self._archive.release(hold_id, principal=principal, reason=reason)

    async def holds(self, *, principal: Principal, history: bool = False) -> list[Hold]:
        """The tenant's legal holds, oldest first; with ``history`` those that were lifted too."""
        return await self._archive.holds(principal.tenant, history=history)

    async def receipts(self, *, principal: Principal) -> list[Receipt]:
        """What was forgotten in the tenant, newest first; who is no operator sees what they asked for."""
        found = await self._archive.receipts(principal.tenant)
        return [one for one in found if OPERATOR in principal.roles or one.by == principal.user]

    async def sweep(self) -> Mapping[str, int]:
        """Erase the runs, facts and items that are kept no longer, but what is under a legal hold; how many
        went of each. Stopped at any point it goes on the next time. An open supervisor does so by itself.

        Raises:
            Unavailable: a store cannot be reached; what went before is gone.
        """
        return await self._sweep.sweep()


def _operator(principal: Principal, reason: str) -> None:
    if OPERATOR not in principal.roles:
        raise PermissionDenied("legal holds need the role operator", hint="ask an operator")
    if not reason.strip():
        raise InvalidRequest("say why", hint="the reason is kept with the hold")
