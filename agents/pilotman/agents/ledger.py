"""Writes: only under a permit, written down before they happen, applied once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from pilotman.agents.calls import ProposedCall, failure
from pilotman.agents.failure import ToolError
from pilotman.agents.guard import Guard
from pilotman.agents.result import ToolResult
from pilotman.agents.runner import LOST, ToolRunner, rereads
from pilotman.agents.scope import TaskScope
from pilotman.agents.tool import Tool
from pilotman.agents.undo import undone_by
from pilotman.guardrails.digest import short_id
from pilotman.guardrails.errors import Conflict, NotFound
from pilotman.guardrails.permit import Permit, check, permit_id
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.owner import is_dead
from pilotman.memory.journal.records import EffectRow

POLL_SECONDS = 0.1
Outcome: TypeAlias = Literal["applied", "not_applied", "unknown"]


@dataclass(eq=False)
class Ledger:
    """The write adapter of one task."""

    task: TaskScope
    runner: ToolRunner
    guard: Guard

    async def write(self, call: ProposedCall) -> ProposedCall:
        """Execute the call under the permit that the journal holds for it.

        Raises:
            PermitRefused: the journal holds none, or not for exactly this call; nothing was written.
            Switched: the level does not let it start any more; nothing was written.
        """
        run, tool = self.task.run, self.task.tools[call.tool]
        permit = check(
            await run.journal.permit(permit_id(run.run_id, call.path, call.digest)),
            run_id=run.run_id,
            step=call.path,
            tenant=run.principal.tenant,
            digest=call.digest,
            policy_version=run.policy_version,
            now=run.clock(),
        )
        return call.finished(await self._apply(call, tool, permit))

    async def is_stale(self, call: ProposedCall, versions: Sequence[str | None]) -> bool:
        """Whether the target refused the write because it is another version by now than the last of these.

        Then it may be decided about with fresh facts and tried again, as often as the tool's retries allow.
        """
        result, tool = ToolResult.from_dict(call.result or {}), self.task.tools[call.tool]
        error = result.error
        if error is None or not rereads(tool, error):
            return False
        again = len(versions) < tool.retry.max_attempts and self.task.run.left() > 0
        facts = await self.guard.facts(call, tool) if again else None
        etag = None if facts is None or isinstance(facts, ToolResult) else facts.get("etag")
        if etag is not None and str(etag) != versions[-1]:
            told = {"what": tool.name, "attempt": len(versions), "failure": error.kind, "delay_ms": 0}
            place = {"path": call.path, "digest": call.digest, "tool": tool.name}
            self.task.run.recorder.emit("retry_scheduled", actor=self.task.agent, **place, **told)
            return True
        self.task.run.caveat(f"{tool.name} failed: {error.message}")
        return False

    def _effect(self, call: ProposedCall, tool: Tool[..., Any], permit: Permit) -> EffectRow:
        run = self.task.run
        tenant = run.principal.tenant
        key = tool.key(dict(call.args), run_id=run.run_id, thread_id=run.thread_id, tenant=tenant)
        return EffectRow(
            effect_id=short_id("eff", tenant, key),
            tenant=tenant,
            run_id=run.run_id,
            step=call.path,
            tool=tool.name,
            effect=tool.effective,
            key=key,
            digest=call.digest,
            permit_id=permit.permit_id,
            owner=run.owner,
            intended_at=run.clock(),
        )

    async def _apply(self, call: ProposedCall, tool: Tool[..., Any], permit: Permit) -> ToolResult:
        """Claim the effect and execute it, or find out what became of it with whoever had claimed it."""
        effect = self._effect(call, tool, permit)
        lost: ToolResult | None = None
        while True:
            with self.task.run.writes.hold(effect.effect_id):
                row, mine = await self._intend(call, effect)
                if mine:
                    look = self.guard.switches.before(row)
                    result = await self.runner.run(call, tool, key=row.key, etag=permit.etag, look=look)
                    ended = await self._ended(call, tool, row, result, again=lost is None)
                    if ended is not None:
                        return ended
                    lost = result
            if not mine:
                settled = await self._wait(row, tool)
                if settled is None:
                    return failure("unknown_outcome", "another run is doing this at the moment")
                found = await self._taken_over(call, tool, settled)
                if found is not None:
                    return found

    async def _intend(self, call: ProposedCall, effect: EffectRow) -> tuple[EffectRow, bool]:
        """The effect as the journal has it, and whether it is ours to execute. Only one ever is told so."""
        run = self.task.run
        attempt = run.recorder.attempts("effect", call.path, call.digest) + 1
        event = self._event("effect_intended", call, effect, attempt=attempt)
        return await run.journal.intend(effect, owner=run.owner, events=run.recorder.events(event))

    async def _ended(
        self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow, result: ToolResult, *, again: bool
    ) -> ToolResult | None:
        """Write down what our attempt came to. None: its reply was lost and it was not applied: once more."""
        if result.error is None:
            return await self._settle(call, row, "applied", result)
        if result.error.kind not in LOST:
            return await self._settle(call, row, "not_applied", result)
        found = await self._found(call, tool, row)
        if found is not None and found.error is not None:
            return await self._repeat_or_ask(call, tool, row, result)
        if found is not None:
            return await self._settle(call, row, "applied", found)
        error = replace(
            result.error, message=f"{result.error.message}; a look-up says that it was not applied"
        )
        settled = await self._settle(call, row, "not_applied", ToolResult.failed(error), known=not again)
        if again:
            return None
        self.task.run.caveat(f"{tool.name} failed: {error.message}")
        return settled

    async def _taken_over(
        self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow
    ) -> ToolResult | None:
        """What came of a write that somebody else began. None: it did not happen, it may be claimed."""
        if row.state == "applied":
            return await self._applied_before(call, row)
        if row.state == "not_applied":
            return None
        lost = _lost(tool)
        found = await self._found_at_rest(call, tool, row)
        if found is not None and found.error is not None:
            return await self._repeat_or_ask(call, tool, row, lost)
        if found is not None:
            return await self._settle(call, row, "applied", found)
        await self._settle(call, row, "not_applied", lost, known=False)
        return None

    async def _repeat_or_ask(
        self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow, lost: ToolResult
    ) -> ToolResult:
        """No look-up can tell. A target that knows our key may be asked again; else it is for a person."""
        look = self.guard.switches.before(row)
        result = await self.runner.run(call, tool, key=row.key, look=look) if tool.idempotent else lost
        if result.error is None:
            return await self._settle(call, row, "applied", result)
        return await self._ask(call, tool, row, lost)

    async def _ask(
        self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow, lost: ToolResult
    ) -> ToolResult:
        """A person is to look, whenever they can: the run goes on and says so."""
        self.task.run.caveat(f"it is not known whether {tool.name} was applied; a person is asked to look")
        await self.guard.ask_about(call, (f"the reply to {tool.name} was lost",), kind="outcome")
        return await self._settle(call, row, "unknown", lost)

    async def left_behind(self, call: ProposedCall) -> ProposedCall:
        """A call that ended without being executed. If it was begun before a crash, what became of that."""
        run, tool = self.task.run, self.task.tools.get(call.tool)
        if tool is None or not run.recorder.attempts("effect", call.path, call.digest):
            return call
        if self.runner.outcome(call) is not None:
            return call
        tenant = run.principal.tenant
        key = tool.key(dict(call.args), run_id=run.run_id, thread_id=run.thread_id, tenant=tenant)
        row = await run.journal.effect_by_key(tenant, key)
        if row is None or row.step != call.path or row.run_id != run.run_id or row.state != "intended":
            return call
        await self._wait(row, tool)
        found = await self._found_at_rest(call, tool, row)
        lost = _lost(tool)
        if found is None:
            await self._settle(call, row, "not_applied", ToolResult.from_dict(call.result or lost.to_dict()))
            return call
        if found.error is not None:
            return call.finished(await self._ask(call, tool, row, lost))
        return call.finished(await self._settle(call, row, "applied", found))

    async def _found(self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow) -> ToolResult | None:
        """What the look-up says: a result, None (not applied), or an error (none, or it cannot tell)."""
        if not tool.has_lookup:
            return failure("permanent", f"{tool.name} has no look-up")
        run = self.task.run
        timeout = min(tool.timeout, max(0.05, run.left()))
        context = self.runner.context(key=row.key)
        began = time.perf_counter()
        found = await tool.find(dict(call.args), context, timeout=timeout, threads=run.threads)
        facts = {
            "attempt": row.attempts,
            "status": "not_applied" if found is None else found.status,
            "result": None if found is None else {"payload": run.recorder.keep(found.to_dict())},
            "latency_ms": round((time.perf_counter() - began) * 1000, 3),
        }
        event = self._event("effect_looked_up", call, row, **facts)
        run.journal.append(run.run_id, run.recorder.events(event))
        return found

    async def _found_at_rest(
        self, call: ProposedCall, tool: Tool[..., Any], row: EffectRow
    ) -> ToolResult | None:
        """What the look-up says about a write that a process began and did not see the end of.

        The target may still be at it, although the process is dead: a no is believed once the time that the
        call may take is over.
        """
        run = self.task.run
        most = min(tool.timeout, self.task.wallet.budget.tool_timeout)
        while True:
            rest = most - (run.clock() - row.intended_at).total_seconds()
            found = await self._found(call, tool, row)
            if found is not None or rest <= 0:
                return found
            if rest >= run.left():
                return failure("unknown_outcome", f"{tool.name} may still be under way")
            with self.task.at_rest():
                await asyncio.sleep(min(rest, POLL_SECONDS))

    async def _wait(self, row: EffectRow, tool: Tool[..., Any]) -> EffectRow | None:
        """The row once nobody works on it any more; None if the time left does not allow to wait so long."""
        loop = asyncio.get_running_loop()
        began, left = loop.time(), self.task.run.left()
        while row.state == "intended" and await self._under_way(row, tool, loop.time() - began):
            if loop.time() - began + POLL_SECONDS >= left:
                return None
            with self.task.at_rest():
                await asyncio.sleep(POLL_SECONDS)
            row = await self.task.run.journal.effect(row.effect_id, tenant=row.tenant)
        return row

    async def _under_way(self, row: EffectRow, tool: Tool[..., Any], waited: float) -> bool:
        """Whether somebody may still be executing this write. ``waited``: seconds that we have watched it.

        A process that lost its run may be in the middle of the call, and so may a thread that was left
        behind: they get the time that the call may take.
        """
        run = self.task.run
        ours = row.owner == run.owner or row.run_id == run.run_id
        if row.owner == run.owner and row.effect_id in run.writes:
            return True
        if is_dead(row.owner) or (ours and tool.is_async and _same_process(row.owner, run.owner)):
            return False
        if waited < tool.timeout or ours:
            return waited < tool.timeout
        other = await run.journal.run(row.run_id, tenant=row.tenant)
        leased = other.lease_until is None or other.lease_until > run.clock()
        return other.owner == row.owner and leased

    async def _applied_before(self, call: ProposedCall, row: EffectRow) -> ToolResult:
        """The result of the write that has happened, from the journal."""
        run = self.task.run
        result = await self._result(row)
        if row.run_id == run.run_id:
            return result
        joined = replace(result, caveats=(*result.caveats, "already applied by another run"))
        kept = run.recorder.keep(joined.to_dict())
        event = self._event("effect_joined", call, row, result={"payload": kept})
        run.journal.append(run.run_id, run.recorder.events(event))
        return joined

    async def _result(self, row: EffectRow) -> ToolResult:
        """What was recorded; a person's word, or what is left of a redacted result, is a caveat."""
        if row.result is None:
            return ToolResult.ok(None, f"applied: {row.message}" if row.message else "applied")
        try:
            raw = await self.task.run.journal.payload(row.run_id, row.result, tenant=row.tenant)
            return ToolResult.from_json(raw)
        except (KeyError, ValueError, NotFound):
            return ToolResult.ok(None, "applied; its result is not kept any more")

    async def _settle(
        self, call: ProposedCall, row: EffectRow, state: Outcome, result: ToolResult, *, known: bool = True
    ) -> ToolResult:
        """Write the outcome down. ``known``: it is also this step's outcome, not only this attempt's."""
        run = self.task.run
        kept = its = run.recorder.keep(result.to_dict())
        if row.run_id != run.run_id:  # the effect's own run must find it too
            blind = await run.journal.blinder(row.run_id)
            its = run.journal.put_payload(row.run_id, result.to_json(), blind=blind)
        message = "" if result.error is None else result.error.message
        reference = {"payload": kept} if known else None
        facts = {"attempt": row.attempts, "result": reference, "message": message}
        event = self._event(f"effect_{state}", call, row, **facts)
        try:
            await run.journal.settle(
                row.effect_id,
                state=state,
                attempt=row.attempts,
                result=its,
                message=message,
                events=run.recorder.events(event),
                run_id=run.run_id,
                undoes=undone_by(row.key),
            )
        except Conflict:  # another run has found out more in the meantime
            known_now = await run.journal.effect(row.effect_id, tenant=row.tenant)
            return await self._applied_before(call, known_now) if known_now.state == "applied" else result
        if state == "applied":
            run.results.clear()  # what was read before may be another now
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
            digest=call.digest,
            **data,
        )


def _same_process(one: str, other: str) -> bool:
    """Whether two owner names are of one process: they differ in their last part only."""
    return one.rpartition(":")[0] == other.rpartition(":")[0]


def _lost(tool: Tool[..., Any]) -> ToolResult:
    return ToolResult.failed(ToolError.of("unknown_outcome", f"the reply to {tool.name} was lost"))
