"""In front of every call: which may run at once, which need a decision, which need a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from pilotman.agents.calls import ProposedCall, failure
from pilotman.agents.failure import InvalidArguments
from pilotman.agents.result import ToolResult
from pilotman.agents.runner import ToolRunner
from pilotman.agents.scope import TaskScope
from pilotman.agents.tool import Tool
from pilotman.guardrails.approval import Approval, ApprovalKind, question
from pilotman.guardrails.digest import short_id
from pilotman.guardrails.policy import Call, Decision
from pilotman.guardrails.retry import FailureKind

IDENTICAL_CALLS = 2
DENIED = "denied_by_policy"


@dataclass(eq=False)
class Guard:
    """The guardrails of one task. Policies are asked here, and answered into the journal."""

    task: TaskScope
    runner: ToolRunner
    _refusals: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def propose(self, wanted: Sequence[Mapping[str, Any]], *, path: str) -> list[ProposedCall]:
        """The calls of one model turn, validated and counted. What cannot be called comes back done.

        A person is asked once a turn whether to go on with a tool, however often it is called.
        """
        calls: list[ProposedCall] = []
        for index, one in enumerate(wanted):
            call = self.propose_one(one, path=f"{path}/call:{index}")
            if call.repeat and any(earlier.repeat and earlier.tool == call.tool for earlier in calls):
                call = call.finished(
                    failure("conflict", f"first a person must let you go on with {call.tool}")
                )
            calls.append(call)
        return calls

    def propose_one(self, wanted: Mapping[str, Any], *, path: str) -> ProposedCall:
        """One call, as above."""
        name, args = str(wanted.get("name", "")), wanted.get("args")
        call = ProposedCall(call_id=str(wanted.get("id") or path), tool=name, args={}, path=path)
        tool = self.task.tools.get(name)
        if tool is None:
            return self.unleased(call)
        try:
            call = replace(call, args=tool.validate({} if args is None else args))
        except InvalidArguments as error:
            return self._refused(call, "validation", str(error))
        return replace(call, repeat=self._repetition(call))

    def unleased(self, call: ProposedCall) -> ProposedCall:
        """Refuse a call of a tool that this task may not use."""
        known = ", ".join(sorted(self.task.tools)) or "none"
        message = f"{call.tool!r} is not leased to this task; leased: {known}"
        return self._refused(call, "authorization", message)

    @property
    def is_hopeless(self) -> bool:
        """Whether turn after turn made the same call that cannot be made at all."""
        return any(len(turns) > IDENTICAL_CALLS for turns in self._refusals.values())

    def _refused(self, call: ProposedCall, kind: FailureKind, message: str) -> ProposedCall:
        turns = self._refusals.setdefault(f"{call.tool}: {message}", set())
        turns.add(call.path.rpartition("/")[0])
        self._emit("tool_call_failed", call, failure=kind, retryable=False, message=message, effect=None)
        return call.finished(failure(kind, message))

    def _repetition(self, call: ProposedCall) -> str | None:
        """Count the call, and say why a person must decide if it is one too many."""
        run, limit = self.task.run, self.task.wallet.budget.max_calls_per_tool
        if call.path in run.counted_calls:  # made again: by a foreign agent, or after a crash or a pause
            return self._asked_before(call)
        run.counted_calls.add(call.path)
        run.identical_calls[call.digest] += 1
        run.conversation_calls[call.tool] += 1
        identical, all_calls = run.identical_calls[call.digest], run.conversation_calls[call.tool]
        if identical <= IDENTICAL_CALLS and all_calls <= limit:
            return None
        if self._was_allowed(call):
            self.forgive(call)
            return None
        if identical > IDENTICAL_CALLS:
            return f"the same call was made {identical - 1} times already"
        return f"{call.tool} was called {all_calls - 1} times in this conversation"

    def _asked_before(self, call: ProposedCall) -> str | None:
        """Why a person decides about a call that was counted before: they were asked, and said no yes."""
        asked, known = self._approval_id(call, "repeat"), self.task.run.recorder.knows
        open_still = known("approval_requested", path=call.path, approval_id=asked, digest=call.digest)
        return "a person was asked about it before" if open_still and not self._was_allowed(call) else None

    def _was_allowed(self, call: ProposedCall) -> bool:
        """Whether a person let this very call go on in an earlier life of the run."""
        asked = self._approval_id(call, "repeat")
        known = self.task.run.recorder.knows
        return known("approval_approved", approval_id=asked, digest=call.digest)

    def _approval_id(self, call: ProposedCall, kind: ApprovalKind) -> str:
        return short_id("apr", self.task.run.run_id, call.path, call.digest, kind)

    def earlier(self, call: ProposedCall) -> ToolResult | None:
        """What the same call returned before in this run, if it went well and nothing was written since."""
        return self.task.run.results.get(call.digest)

    def remember(self, call: ProposedCall, result: ToolResult) -> None:
        """Keep a good result for the same call later in the run."""
        if result.error is None:
            self.task.run.results[call.digest] = result

    def forgive(self, call: ProposedCall) -> None:
        """A person lets the agent go on: the counts start again."""
        self.task.run.identical_calls[call.digest] = 0
        self.task.run.conversation_calls[call.tool] = 0

    def is_free(self, call: ProposedCall) -> bool:
        """Whether the call is a read that policies allow without more ado."""
        tool = self.task.tools[call.tool]
        if call.stage != "proposed" or call.repeat or tool.effective != "read" or tool.has_precondition:
            return False
        return self.judge(call, tool, stage="read").verdict == "allow"

    def judge(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        *,
        stage: str,
        facts: Mapping[str, Any] | None = None,
        approval: Approval | None = None,
    ) -> Decision:
        """What the policies say about this call now. Pure but for the event."""
        run = self.task.run
        proposal = Call(
            tool=tool.name,
            args=call.args,
            effect=tool.effective,
            declared=tool.declared,
            principal=run.principal,
            agent=self.task.agent,
            scopes=frozenset(tool.scopes),
            tools_used=tuple(run.tools_used),
            facts=facts or {},
            approved_by=None if approval is None else approval.decided_by,
            now=run.clock(),
        )
        if run.read_only and tool.effective != "read":
            decision = Decision.deny("this run is read-only: the host did not say who asks")
        else:
            decision = self.task.decide(proposal)
        if stage != "read" or decision.verdict != "allow":
            self._decided(call, decision, stage=stage, facts=facts)
        return decision

    def blocked(self, call: ProposedCall, facts: ToolResult, *, stage: str) -> ProposedCall:
        """Without its facts no decision is taken: the call ends with the precondition's failure."""
        why = "" if facts.error is None else facts.error.message
        self._decided(call, Decision.deny(f"its precondition failed: {why}"), stage=stage)
        return call.finished(facts)

    def _decided(
        self,
        call: ProposedCall,
        decision: Decision,
        *,
        stage: str,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        self._emit(
            "decision",
            call,
            verdict=decision.verdict,
            reasons=list(decision.reasons),
            policy_version=self.task.run.policy_version,
            effect=self.task.tools[call.tool].effective,
            stage=stage,
            facts={"payload": self.task.run.recorder.keep(dict(facts))} if facts else None,
        )

    async def guard(self, calls: Sequence[ProposedCall]) -> list[ProposedCall]:
        """Decide about every call that is still proposed. Questions are stored before this returns."""
        questions: list[Approval] = []
        judged = [await self._guard(call, questions) if call.stage == "proposed" else call for call in calls]
        if questions:
            await self.ask(questions)
        return judged

    async def _guard(self, call: ProposedCall, questions: list[Approval]) -> ProposedCall:
        tool = self.task.tools.get(call.tool)
        if tool is None:  # the state of a graph can be written by whoever holds it
            return self.unleased(call)
        if (done := self.runner.outcome(call)) is not None:
            return call.finished(done)
        if call.repeat:
            return self._waiting(call, tool, "repeat", (call.repeat,), questions)
        facts = await self.facts(call, tool)
        if isinstance(facts, ToolResult):
            return self.blocked(call, facts, stage="guard")
        decision = self.judge(call, tool, stage="guard", facts=facts)
        if decision.verdict == "escalate":
            return self._waiting(call, tool, "call", decision.reasons, questions)
        if decision.verdict == "deny":
            return self.denied(call)
        return replace(call, stage="allowed")

    async def facts(self, call: ProposedCall, tool: Tool[..., Any]) -> Mapping[str, Any] | ToolResult:
        """Fresh facts for the decision, or the failure that kept us from getting them."""
        if not tool.has_precondition:
            return {}
        run = self.task.run
        timeout = min(tool.timeout, max(0.05, run.left()))
        context = self.runner.context()
        return await tool.facts(dict(call.args), context, timeout=timeout, threads=run.threads)

    def denied(self, call: ProposedCall) -> ProposedCall:
        """The agent gets a stable code, never the policy's text."""
        message = f"{DENIED}: {call.tool} may not be called so; do not try it again"
        return call.finished(failure("authorization", message))

    def approval(
        self, call: ProposedCall, tool: Tool[..., Any], kind: ApprovalKind, reasons: Sequence[str]
    ) -> Approval:
        """The question to a person. The same call at the same step is the same one, also after a crash."""
        run = self.task.run
        now = run.clock()
        return Approval(
            approval_id=self._approval_id(call, kind),
            run_id=run.run_id,
            tool=tool.name,
            args=dict(call.args),
            question=question(tool.name, call.args, agent=self.task.agent, effect=tool.effective, kind=kind),
            digest=call.digest,
            reasons=tuple(reasons),
            requested_by=run.principal,
            created_at=now,
            expires_at=now + timedelta(seconds=self.task.wallet.budget.approval_timeout),
            kind=kind,
            step=call.path,
        )

    def _waiting(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        kind: ApprovalKind,
        reasons: Sequence[str],
        questions: list[Approval],
    ) -> ProposedCall:
        asked = self.approval(call, tool, kind, reasons)
        questions.append(asked)
        return replace(call, stage="waiting", approval_id=asked.approval_id)

    async def ask_about(self, call: ProposedCall, reasons: Sequence[str]) -> ProposedCall:
        """The call, waiting for a person, whose question is stored."""
        questions: list[Approval] = []
        waiting = self._waiting(call, self.task.tools[call.tool], "call", reasons, questions)
        await self.ask(questions)
        return waiting

    async def ask(self, questions: Sequence[Approval]) -> None:
        """Store questions to a person, durably; asking again changes nothing."""
        run = self.task.run
        events = [
            run.recorder.event(
                "approval_requested",
                actor=self.task.agent,
                approval_id=asked.approval_id,
                tool=asked.tool,
                kind=asked.kind,
                path=asked.step,
                digest=asked.digest,
            )
            for asked in questions
        ]
        await run.journal.request_approvals(questions, owner=run.owner, events=run.recorder.events(*events))

    def _emit(self, kind: str, call: ProposedCall, /, **data: Any) -> None:
        facts: Mapping[str, Any] = {"path": call.path, "digest": call.digest, "tool": call.tool}
        self.task.run.recorder.emit(kind, actor=self.task.agent, **facts, **data)
