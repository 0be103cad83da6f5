"""The verbs about poisoned memory."""

from __future__ import annotations

from pilotman.guardrails.principal import Principal
from pilotman.memory.defence.ward import Pulled, Ward
from pilotman.memory.facts.fact import Fact
from pilotman.memory.facts.verbs import told


class Defence:
    """A part of ``Memory``: the quarantine, and what came of what is in it."""

    _ward: Ward

    async def quarantined(self, *, principal: Principal) -> list[Fact]:
        """What is kept but told to nobody, the oldest first: the principal's own and the tenant's; for the
        role ``operator`` everybody's. Why stands in ``label.suspicions``; none: a person has put it there."""
        return told(await self._ward.held(principal))

    async def release(self, fact_id: str, *, principal: Principal, reason: str) -> None:
        """Let a fact out of quarantine, as little trusted as it was. To trust it, ``promote`` it.

        Raises:
            NotFound: no such fact in the tenant.
            PermissionDenied: the principal has not the role ``operator``.
            Conflict: it is not in quarantine.
            InvalidRequest: no reason.
        """
        await self._ward.release(fact_id, principal, reason)

    async def pull(self, fact_id: str, *, principal: Principal, reason: str) -> Pulled:
        """Put a poisoned fact into quarantine with all that came of it.

        That is: facts that stand on it, whatever else they stand on; those that runs came to that had been
        told one of them; those that say the same from the same origin, under any owner; and what came of
        these. Without the role ``operator`` only among the principal's own facts and runs. What the runs
        wrote is listed, not undone: ``Supervisor.compensate`` takes back what tools can.

        Raises:
            NotFound: no such fact for this principal.
            InvalidRequest: no reason.
        """
        return await self._ward.pull(fact_id, principal, reason)
