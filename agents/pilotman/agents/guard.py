"""In front of every call: which may run at once, which need a decision, which need a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pilotman.agents import denials
from pilotman.agents.calls import ProposedCall, failure
from pilotman.agents.caps import Caps
from pilotman.agents.confidence import Assessment
from pilotman.agents.failure import InvalidArguments
from pilotman.agents.questions import WHY_UNASKED, Doubt, Questions
from pilotman.agents.relied import outdated
from pilotman.agents.result import ToolResult
from pilotman.agents.runner import ToolRunner
from pilotman.agents.scope import TaskScope
from pilotman.agents.switches import Switches
from pilotman.agents.tool import Tool
from pilotman.guardrails.approval import Approval, ApprovalKind
from pilotman.guardrails.docket import Unasked
from pilotman.guardrails.level import Held, capped
from pilotman.guardrails.policy import Call, Decision
from pilotman.guardrails.retry import FailureKind

IDENTICAL_CALLS = 2


@dataclass(eq=False)
class Guard:
    """The guardrails of one task. Policies are asked here, and answered into the journal."""

    task: TaskScope
    runner: ToolRunner
    switches: Switches = field(init=False)
    caps: Caps = field(init=False)
    questions: Questions = field(init=False)
    _refusals: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def __post_init__(self) -> None:
        self.switches = Switches(self.task)
        self.caps = Caps(self.task)
        self.questions = Questions(self.task)

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
            given = self.task.run.outbox.restored(name, args, leaves_run=tool.effective != "read")
            call = replace(call, args=tool.validate({} if given is None else given))
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
        if self.task.errand is not None:  # no model has asked for it
            return None
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
        asked, known = self.questions.id_of(call, "repeat"), self.task.run.recorder.knows
        open_still = known("approval_requested", path=call.path, approval_id=asked, digest=call.digest)
        return "a person was asked about it before" if open_still and not self._was_allowed(call) else None

    def _was_allowed(self, call: ProposedCall) -> bool:
        """Whether a person let this very call go on in an earlier life of the run."""
        asked = self.questions.id_of(call, "repeat")
        known = self.task.run.recorder.knows
        return known("approval_approved", approval_id=asked, digest=call.digest)

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

    async def is_free(self, call: ProposedCall) -> bool:
        """Whether the call is a read that policies allow without more ado."""
        tool = self.task.tools[call.tool]
        if call.stage != "proposed" or call.repeat or tool.effective != "read" or tool.has_precondition:
            return False
        await self.switches.look()
        return self.judge(call, tool, stage="read").verdict == "allow"

    def judge(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        *,
        stage: str,
        facts: Mapping[str, Any] | None = None,
        approval: Approval | None = None,
        limits: Sequence[Decision] = (),
    ) -> Decision:
        """What the policies, the level and the limits say about this call now. Pure but for the event."""
        proposal = self._proposal(call, tool, facts, approval)
        level = self.switches.of(tool)
        said = self.task.decide(proposal, self.task.run.outbox.opinion(proposal), *limits)
        decision = capped(said, level, effect=tool.effective, approved=approval is not None)
        if stage != "read" or decision.verdict != "allow":
            self._decided(call, decision, stage=stage, facts=facts)
        return decision

    def _proposal(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        facts: Mapping[str, Any] | None = None,
        approval: Approval | None = None,
    ) -> Call:
        """What the policies are told of this call."""
        run = self.task.run
        plain = Call(
            tool=tool.name,
            args=call.args,
            effect=tool.effective,
            declared=tool.declared,
            principal=run.principal,
            agent=self.task.agent,
            chain=self.task.chain,
            scopes=frozenset(tool.scopes),
            tools_used=tuple(run.tools_used),
            facts=facts or {},
            found={} if tool.effective == "read" else run.outbox.found(call.args),
            approved_by=None if approval is None else approval.decided_by,
            now=run.clock(),
        )
        return run.flow.labelled(plain)

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

    async def guard(
        self, calls: Sequence[ProposedCall], messages: Sequence[Mapping[str, Any]] = ()
    ) -> list[ProposedCall]:
        """Decide about every call that is still proposed. Questions are stored before this returns.

        ``messages`` are the task's so far: what tells how sure a write is.
        """
        doubts: list[Doubt] = []
        sure = Assessment(task=self.task, said=messages, done=[c for c in calls if c.stage == "done"])
        judged = [await self._guard(c, doubts, sure) if c.stage == "proposed" else c for c in calls]
        asked = await self._ask(doubts)
        return [asked.get(call.path, call) for call in judged]

    async def _guard(self, call: ProposedCall, doubts: list[Doubt], sure: Assessment) -> ProposedCall:
        """The call after a decision; one that a person is to decide about stays, and its doubt is added."""
        tool = self.task.tools.get(call.tool)
        if tool is None:  # the state of a graph can be written by whoever holds it
            return self.unleased(call)
        call = call if call.repeat else await self._outgoing(call, tool)
        if call.stage == "done":
            return call
        if (done := self.runner.outcome(call)) is not None:
            return call.finished(done)
        await self.switches.look()
        if call.repeat and not self.switches.stop(tool):
            doubts.append(self._doubt(call, tool, "repeat", (call.repeat,)))
            return call
        facts = await self.facts(call, tool)
        if isinstance(facts, ToolResult):
            return self.blocked(call, facts, stage="guard")
        limits = [await self.caps.opinion(call), sure.opinion(call)]
        decision = self.judge(call, tool, stage="guard", facts=facts, limits=limits)
        if decision.verdict == "escalate":
            doubts.append(self._doubt(call, tool, "call", decision.reasons, facts))
            return call
        if decision.verdict == "deny":
            return self.denied(call, decision)
        return replace(call, stage="allowed")

    async def _outgoing(self, call: ProposedCall, tool: Tool[..., Any]) -> ProposedCall:
        """The call as it may leave: without the values that are redacted in calls of this tool."""
        if tool.effective == "read":
            return call
        outbox = self.task.run.outbox
        await outbox.look_at(call.args)
        try:
            return replace(call, args=tool.validate(outbox.redacted(tool.name, call.args, path=call.path)))
        except InvalidArguments as error:  # a placeholder does not fit there
            return self._refused(call, "validation", str(error))

    def _doubt(
        self,
        call: ProposedCall,
        tool: Tool[..., Any],
        kind: ApprovalKind,
        reasons: Sequence[str],
        facts: Mapping[str, Any] | None = None,
    ) -> Doubt:
        return Doubt(
            call=call,
            tool=tool,
            kind=kind,
            reasons=tuple(reasons),
            proposal=self._proposal(call, tool, facts),
            whole_tool=self.task.run.identical_calls[call.digest] <= IDENTICAL_CALLS,
        )

    async def facts(self, call: ProposedCall, tool: Tool[..., Any]) -> Mapping[str, Any] | ToolResult:
        """Fresh facts for the decision, or the failure that kept us from getting them. What is off is left
        alone."""
        if tool.effective != "read":
            await self.task.run.outbox.look_at(call.args)
        run = self.task.run
        timeout = min(tool.timeout, max(0.05, run.left()))
        if not tool.reads and (wrong := await outdated(run, call.args, timeout=timeout)) is not None:
            return wrong
        if not tool.has_precondition or self.switches.of(tool).level == "off":
            return {}
        context = self.runner.context()
        return await tool.facts(dict(call.args), context, timeout=timeout, threads=run.threads)

    def denied(self, call: ProposedCall, decision: Decision) -> ProposedCall:
        """The agent gets a stable code, never the policy's text. What only the level stops is drafted."""
        if isinstance(decision, Held):
            return self.switches.hold(call, decision)
        return denials.denied(call, "denied_by_policy")

    async def ask_about(
        self,
        call: ProposedCall,
        reasons: Sequence[str],
        *,
        kind: ApprovalKind = "call",
        facts: Mapping[str, Any] | None = None,
    ) -> ProposedCall:
        """The call, waiting for a person, whose question is stored; or refused."""
        doubt = self._doubt(call, self.task.tools[call.tool], kind, reasons, facts)
        return (await self._ask([doubt]))[call.path]

    async def _ask(self, doubts: Sequence[Doubt]) -> dict[str, ProposedCall]:
        """The calls by their paths: waiting for people, or refused where nobody is asked (any more)."""
        asked = await self.questions.ask(doubts)
        calls = {doubt.call.path: doubt.call for doubt in doubts}
        return {
            path: at if isinstance(at, ProposedCall) else self.unasked(calls[path], at, stage="guard")
            for path, at in asked.items()
        }

    def unasked(self, call: ProposedCall, code: Unasked, *, stage: str) -> ProposedCall:
        """The call, refused because people said no before or were asked enough."""
        why = WHY_UNASKED[code]
        self._decided(call, Decision.deny(why), stage=stage)
        if code == "too_many_questions":
            self.task.run.caveat(f"{call.tool} was not called: {why}")
        return denials.denied(call, code)

    def _emit(self, kind: str, call: ProposedCall, /, **data: Any) -> None:
        facts: Mapping[str, Any] = {"path": call.path, "digest": call.digest, "tool": call.tool}
        self.task.run.recorder.emit(kind, actor=self.task.agent, **facts, **data)
