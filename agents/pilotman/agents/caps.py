"""Cumulative limits of one task: its own supervisor's, and those of all supervisors above it."""

from __future__ import annotations

from dataclasses import dataclass

from pilotman.agents.calls import ProposedCall
from pilotman.agents.scope import TaskScope
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.cap import Reservation, Unmeasurable, reservations
from pilotman.guardrails.policy import Decision


@dataclass(eq=False)
class Caps:
    """Looks at them before a decision; the journal reserves when a permit is issued."""

    task: TaskScope

    async def opinion(self, call: ProposedCall) -> Decision:
        """What they say of a call now. Nothing is reserved: others may be faster."""
        try:
            wanted = self.reserve(call, None)
        except Unmeasurable as error:
            return Decision.deny(str(error))
        over = [one.cap for one in wanted if await self.task.run.journal.is_over(one)]
        reasons = tuple(cap.reason for cap in over)
        if any(cap.verdict == "deny" for cap in over):
            return Decision.deny(*reasons)
        return Decision.escalate(*reasons) if over else Decision.allow()

    def reserve(self, call: ProposedCall, approval: Approval | None) -> list[Reservation]:
        """What the call takes of each.

        Raises:
            Unmeasurable: its amount cannot be told.
        """
        run = self.task.run
        return reservations(
            self.task.caps,
            call.tool,
            call.args,
            run_id=run.run_id,
            principal=run.principal,
            now=run.clock(),
            endorsed=() if approval is None else approval.reasons,
        )
