"""Permits: decided with fresh facts, reserved under cumulative limits, and written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pilotman.agents.calls import ProposedCall, failure
from pilotman.agents.guard import Guard
from pilotman.agents.result import ToolResult
from pilotman.agents.scope import TaskScope
from pilotman.agents.target import target_of
from pilotman.agents.tool import Tool
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.cap import Reservation, Unmeasurable
from pilotman.guardrails.errors import PermitRefused
from pilotman.guardrails.permit import Permit, permit_id
from pilotman.guardrails.policy import Decision
from pilotman.memory.journal.policies import StalePolicy
from pilotman.memory.journal.reservations import CapExceeded

PERMIT_SECONDS = 300.0


@dataclass(eq=False)
class Permits:
    """Issues the permits of one task."""

    task: TaskScope
    guard: Guard

    async def issue(self, call: ProposedCall, approval: Approval | None) -> Permit | ProposedCall:
        """The permit for exactly this call, decided with fresh facts; or the call, refused or waiting."""
        run, tool = self.task.run, self.task.tools[call.tool]
        await self.guard.switches.look()
        facts = await self.guard.facts(call, tool)
        if isinstance(facts, ToolResult):
            return self.guard.blocked(call, facts, stage="write")
        if approval is not None and self._has_changed(call, approval, facts):
            return self._changed(call, approval, facts)
        decision = self.guard.judge(call, tool, stage="write", facts=facts, approval=approval)
        if decision.verdict == "escalate":
            return await self.guard.ask_about(call, decision.reasons, facts=facts)
        if decision.verdict == "deny":
            return self.guard.denied(call, decision)
        permit = self._permit(call, etag=_etag(facts))
        event = run.recorder.event(
            "permit_issued",
            actor="guardrails",
            permit_id=permit.permit_id,
            path=call.path,
            tool=call.tool,
            digest=call.digest,
            approval_id=call.approval_id,
        )
        try:
            wanted = [*self.guard.caps.reserve(call, approval), *self._quotas(tool)]
            await run.journal.issue_permit(
                permit, owner=run.owner, events=run.recorder.events(event), reserve=wanted
            )
        except (CapExceeded, Unmeasurable) as error:
            return await self._over(call, approval, error, facts)
        except StalePolicy as error:
            run.caveat(f"{call.tool} was not done: {error}")
            return self.guard.denied(call, self._limited(call, approval, facts, Decision.deny(str(error))))
        except PermitRefused:
            return self.guard.unasked(call, "rejected_before", stage="write")
        return permit

    def _quotas(self, tool: Tool[..., Any]) -> list[Reservation]:
        """What a write takes of the quotas of whoever asks. To take something back needs none: it frees."""
        meter = self.task.run.meter
        if meter is None or tool.reads or self.task.errand is not None:
            return []
        return meter.writes(tool.name)

    def _has_changed(self, call: ProposedCall, approval: Approval, facts: Mapping[str, Any]) -> bool:
        """Whether the target is another version now. One that the approver put in its place was not seen."""
        asked = approval.calls[0]
        if approval.new_args is not None and target_of(self.task.tools[call.tool], call.args) != asked.target:
            return False
        return _etag(facts) != _etag(asked.call.facts)

    def _changed(self, call: ProposedCall, approval: Approval, facts: Mapping[str, Any]) -> ProposedCall:
        """The call whose target is another version than the one that a person said yes to."""
        why = f"{call.tool} is about something that has changed since a person said yes"
        self._limited(call, approval, facts, Decision.deny(why))
        return call.finished(failure("conflict", f"{why}: look at it again"))

    def _limited(
        self, call: ProposedCall, approval: Approval | None, facts: Mapping[str, Any], limit: Decision
    ) -> Decision:
        """The decision about a call for which no permit can be issued, on the record."""
        tool = self.task.tools[call.tool]
        return self.guard.judge(call, tool, stage="write", facts=facts, approval=approval, limits=[limit])

    async def _over(
        self,
        call: ProposedCall,
        approval: Approval | None,
        error: CapExceeded | Unmeasurable,
        facts: Mapping[str, Any],
    ) -> ProposedCall:
        """The call that a cumulative limit stops: a person is asked if the cap says so and nobody was yet."""
        may_ask = approval is None and isinstance(error, CapExceeded) and error.cap.verdict == "escalate"
        why = error.cap.reason if isinstance(error, CapExceeded) else str(error)
        limit = Decision.escalate(why) if may_ask else Decision.deny(why)
        decision = self._limited(call, approval, facts, limit)
        if decision.verdict == "escalate":
            return await self.guard.ask_about(call, decision.reasons, facts=facts)
        return self.guard.denied(call, decision)

    def _permit(self, call: ProposedCall, *, etag: str | None) -> Permit:
        run = self.task.run
        now = run.clock()
        return Permit(
            permit_id=permit_id(run.run_id, call.path, call.digest),
            run_id=run.run_id,
            step=call.path,
            tenant=run.principal.tenant,
            user=run.principal.user,
            chain=self.task.chain,
            tool=call.tool,
            digest=call.digest,
            policy_version=run.policy_version,
            approval_id=call.approval_id,
            issued_at=now,
            expires_at=now + timedelta(seconds=PERMIT_SECONDS),
            etag=etag,
        )


def _etag(facts: Mapping[str, Any]) -> str | None:
    """The target's version, where the tool's precondition tells it."""
    return None if facts.get("etag") is None else str(facts["etag"])
