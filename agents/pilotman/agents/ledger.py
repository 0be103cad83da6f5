"""Writes: only under a permit, written down before they happen, applied once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal

from pilotman.agents.calls import ProposedCall, failure
from pilotman.agents.guard import Guard
from pilotman.agents.result import ToolResult
from pilotman.agents.runner import ToolRunner
from pilotman.agents.scope import TaskScope
from pilotman.agents.tool import Tool
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.digest import short_id
from pilotman.guardrails.permit import Permit, check, permit_id
from pilotman.memory.event import NewEvent
from pilotman.memory.owner import is_dead
from pilotman.memory.records import EffectRow

PERMIT_SECONDS = 300.0
POLL_SECONDS = 0.1


@dataclass(eq=False)
class Ledger:
    """The write adapter of one task."""

    task: TaskScope
    runner: ToolRunner
    guard: Guard

    async def permit(
        self, call: ProposedCall, approval: Approval | None
    ) -> Permit | ProposedCall:
        """The permit for exactly this call, after the decision was taken again with fresh facts; or the refused call."""
        tool = self.task.tools[call.tool]
        facts = await self.guard.facts(call, tool)
        if isinstance(facts, ToolResult):
            return call.finished(facts)
        decision = self.guard.judge(call, tool, stage="write", facts=facts, approval=approval)
        if decision.verdict == "escalate":
            return replace(call, stage="proposed")
        if decision.verdict == "deny":
            return self.guard.denied(call)
        run = self.task.run
        now = run.clock()
        permit = Permit(
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
        )
        event = run.recorder.event(
            "permit_issued",
            actor="guardrails",
            permit_id=permit.permit_id,
            path=call.path,
            tool=call.tool,
            digest=call.digest,
        )
        await run.journal.issue_permit(permit, owner=run.owner, events=run.recorder.events(event))
        return permit

    async def write(self, call: ProposedCall) -> ProposedCall:
        """Execute the call under the permit that the journal holds for it.

        Raises:
            PermitRefused: the journal holds none, or not for exactly this call; nothing was written.
        """
        run, tool = self.task.run, self.task.tools[call.tool]
        name = permit_id(run.run_id, call.path, call.digest)
        permit = check(
            await run.journal.permit(name),
            run_id=run.run_id,
            step=call.path,
            tenant=run.principal.tenant,
            digest=call.digest,
            policy_version=run.policy_version,
            now=run.clock(),
        )
        key = tool.key(
            dict(call.args), run_id=run.run_id, thread_id=run.thread_id, tenant=run.principal.tenant
        )
        intent = EffectRow(
            effect_id=short_id("eff", run.principal.tenant, key),
            tenant=run.principal.tenant,
            run_id=run.run_id,
            step=call.path,
            tool=tool.name,
            effect=tool.effective,
            key=key,
            digest=call.digest,
            permit_id=permit.permit_id,
            state="intended",
            owner=run.owner,
            intended_at=run.clock(),
        )
        event = self._event("effect_intended", call, intent)
        row, mine = await run.journal.intend(intent, owner=run.owner, events=run.recorder.events(event))
        result = await self._execute(call, tool, row) if mine else await self._join(call, tool, row)
        return call.finished(result)

    async def _execute(self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow) -> ToolResult:
        result = await self.runner.run(call, tool, key=row.key)
        if result.error is None:
            return await self._settle(call, row, "applied", result)
        if result.error.kind not in ("unknown_outcome", "timeout"):
            return await self._settle(call, row, "not_applied", result)
        return await self._find(call, tool, row, lost=result)

    async def _join(self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow) -> ToolResult:
        """Somebody intended this effect before: this run before a crash, or another one with the same key."""
        while row.state == "intended" and row.owner != self.task.run.owner and not is_dead(row.owner):
            if self.task.run.left() <= POLL_SECONDS:
                return failure("unknown_outcome", "another run is doing this at the moment")
            await asyncio.sleep(POLL_SECONDS)
            row = await self.task.run.journal.effect(row.effect_id, tenant=row.tenant)
        if row.state == "applied":
            return await self._applied_before(call, row)
        if row.state == "not_applied":
            return await self._execute(call, tool, row)
        lost = failure("unknown_outcome", f"the reply to {tool.name} was lost")
        return await self._find(call, tool, row, lost=lost)

    async def _applied_before(self, call: ProposedCall, row: EffectRow) -> ToolResult:
        run = self.task.run
        if row.run_id != run.run_id:
            event = self._event("effect_joined", call, row, result={"payload": row.result})
            run.journal.append(run.run_id, run.recorder.events(event))
        if row.result is None:
            return ToolResult(status="ok", value=row.message, caveats=("already applied",))
        raw = await run.journal.payload(row.run_id, row.result, tenant=row.tenant)
        found = ToolResult.from_json(raw)
        return found if row.run_id == run.run_id else replace(found, caveats=(*found.caveats, "already applied"))

    async def _find(
        self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow, *, lost: ToolResult
    ) -> ToolResult:
        """Settle an unknown outcome by the tool's look-up or its own key; else it stays unknown, for a person."""
        found: ToolResult | None = lost
        if tool.has_lookup:
            context = self.runner.context(tool, key=row.key)
            timeout = min(tool.timeout, max(0.05, self.task.run.left()))
            found = await tool.find(dict(call.args), context, timeout=timeout, threads=self.task.run.threads)
        if found is not None and found.error is None:
            return await self._settle(call, row, "applied", found)
        if found is None or tool.idempotent:
            return await self._once_more(call, tool, row, lost)
        return await self._unknown(call, tool, row, lost)

    async def _once_more(
        self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow, lost: ToolResult
    ) -> ToolResult:
        """Nothing was applied, or the target knows our key: one more attempt is safe."""
        result = await self.runner.run(call, tool, key=row.key)
        if result.error is None:
            return await self._settle(call, row, "applied", result)
        if result.error.kind not in ("unknown_outcome", "timeout"):
            state: Literal["not_applied", "unknown"] = "unknown" if tool.idempotent else "not_applied"
            return await self._settle(call, row, state, result)
        return await self._unknown(call, tool, row, lost)

    async def _unknown(
        self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow, lost: ToolResult
    ) -> ToolResult:
        """A person settles it, whenever they can: the run goes on and says so."""
        run = self.task.run
        run.caveat(f"it is not known whether {tool.name} was applied; a person is asked to look")
        asked = self.guard.approval(call, tool, "outcome", (f"the reply to {tool.name} was lost",))
        await self.guard.ask([asked])
        return await self._settle(call, row, "unknown", lost)

    async def _settle(
        self,
        call: ProposedCall,
        row: EffectRow,
        state: Literal["applied", "not_applied", "unknown"],
        result: ToolResult,
    ) -> ToolResult:
        run = self.task.run
        kept = run.recorder.keep(result.to_dict())
        message = "" if result.error is None else result.error.message
        event = self._event(f"effect_{state}", call, row, result={"payload": kept}, message=message)
        await run.journal.settle(
            row.effect_id,
            state=state,
            attempt=row.attempts,
            result=kept,
            message=message,
            events=run.recorder.events(event),
            run_id=run.run_id,
        )
        return result

    def _event(self, kind: str, call: ProposedCall, row: EffectRow, /, **data: Any) -> NewEvent | None:
        return self.task.run.recorder.event(
            kind,
            actor=self.task.agent,
            effect_id=row.effect_id,
            tool=row.tool,
            key=row.key,
            permit_id=row.permit_id,
            path=call.path,
            **data,
        )
