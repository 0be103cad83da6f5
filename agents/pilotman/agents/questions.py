"""What people are asked about one task's calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from pilotman.agents.calls import ProposedCall
from pilotman.agents.scope import TaskScope
from pilotman.agents.target import target_of
from pilotman.agents.tool import Tool
from pilotman.guardrails.approval import Approval, ApprovalKind, AskedCall, question
from pilotman.guardrails.digest import short_id
from pilotman.guardrails.docket import Unasked
from pilotman.guardrails.policy import Call

WHY_UNASKED: Mapping[Unasked, str] = MappingProxyType(
    {
        "rejected_before": "in this run people said no to this target, or did not answer",
        "too_many_questions": "this run has asked people as often as it may",
    }
)
_ANY_CALL = "*"


@dataclass(frozen=True, kw_only=True)
class Doubt:
    """A call that a person is to decide about: why, and what the policies were told of it.

    ``whole_tool``: the question is whether the tool may be called at all, not this call.
    """

    call: ProposedCall
    tool: Tool[..., Any]
    kind: ApprovalKind
    reasons: tuple[str, ...]
    proposal: Call
    whole_tool: bool = False


@dataclass(eq=False)
class Questions:
    """Asks people, durably: one question for all calls of a tool that are doubtful for the same reasons."""

    task: TaskScope

    def id_of(self, call: ProposedCall, kind: ApprovalKind) -> str:
        """What an answer to this call stands under. The same call at the same step has the same, always."""
        return short_id("apr", self.task.run.run_id, call.path, call.digest, kind)

    async def ask(self, doubts: Sequence[Doubt]) -> Mapping[str, ProposedCall | Unasked]:
        """By their paths the calls, waiting for people, or why nobody is asked. It may be done again."""
        if not doubts:
            return {}
        run, now = self.task.run, self.task.run.clock()
        placed = await run.journal.request_approvals(
            [self._question(doubt, now) for doubt in doubts],
            owner=run.owner,
            most=self.task.wallet.budget.max_questions,
        )
        return {doubt.call.path: self._asked(doubt, at) for doubt, at in zip(doubts, placed, strict=True)}

    def _asked(self, doubt: Doubt, at: Approval | Unasked) -> ProposedCall | Unasked:
        call, name = doubt.call, self.id_of(doubt.call, doubt.kind)
        if not isinstance(at, Approval):
            return at
        self.task.run.recorder.emit(
            "approval_requested",
            actor=self.task.agent,
            approval_id=name,
            question=at.approval_id,
            tool=call.tool,
            kind=doubt.kind,
            path=call.path,
            digest=call.digest,
        )
        return replace(call, stage="waiting", approval_id=name)

    def _question(self, doubt: Doubt, now: datetime) -> Approval:
        """The question about this call alone; the journal knows whether it joins another one."""
        run, name, call = self.task.run, self.id_of(doubt.call, doubt.kind), doubt.proposal
        asked = AskedCall(
            approval_id=name,
            digest=doubt.call.digest,
            call=replace(call, args=dict(call.args), labels=dict(call.labels), found=dict(call.found)),
            asked_at=now,
            expires_at=now + timedelta(seconds=self.task.wallet.budget.approval_timeout),
            step=doubt.call.path,
            chain=self.task.chain,
            target=self._target(doubt),
        )
        return Approval(
            approval_id=name,
            run_id=run.run_id,
            tool=call.tool,
            args=asked.args,
            question=question([asked.call], kind=doubt.kind),
            digest=asked.digest,
            reasons=doubt.reasons,
            requested_by=run.principal,
            created_at=asked.asked_at,
            expires_at=asked.expires_at,
            kind=doubt.kind,
            step=asked.step,
            calls=(asked,),
        )

    def _target(self, doubt: Doubt) -> tuple[str, ...]:
        """What a no would hold for: of a repetition the tool, or the very same call."""
        if doubt.kind == "repeat":
            return (_ANY_CALL,) if doubt.whole_tool else (_ANY_CALL, doubt.call.digest)
        return target_of(doubt.tool, doubt.call.args)
