"""Approvals: durable questions to a person about exactly these arguments."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

import orjson

from pilotman.guardrails.errors import Conflict
from pilotman.guardrails.principal import Principal

ApprovalState: TypeAlias = Literal["pending", "approved", "rejected", "expired"]
ApprovalKind: TypeAlias = Literal["call", "repeat", "answer", "outcome", "plan"]


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One question. ``digest`` is that of the exact call that was shown.

    ``kind``: ``call`` asks whether a write may happen, ``repeat`` whether an agent may go on calling a tool,
    ``answer`` whether an answer may leave, ``outcome`` whether a write whose reply was lost has happened,
    ``plan`` what to do when no planner found a valid plan. ``new_args`` are what an approver put in place
    of ``args``.
    """

    approval_id: str
    run_id: str
    tool: str
    args: Mapping[str, Any]
    question: str
    digest: str
    reasons: tuple[str, ...]
    requested_by: Principal
    created_at: datetime
    expires_at: datetime
    kind: ApprovalKind = "call"
    step: str = ""
    state: ApprovalState = "pending"
    decided_by: Principal | None = None
    decided_at: datetime | None = None
    comment: str = ""
    new_args: Mapping[str, Any] | None = None

    def at(self, now: datetime) -> Approval:
        """The same question as it stands now: an unanswered one past its expiry counts as no."""
        if self.state == "pending" and now >= self.expires_at:
            return replace(self, state="expired", decided_at=self.expires_at)
        return self

    def answered(
        self,
        state: Literal["approved", "rejected"],
        *,
        by: Principal,
        now: datetime,
        digest: str | None = None,
        comment: str = "",
        new_args: Mapping[str, Any] | None = None,
    ) -> Approval:
        """The question with a person's answer.

        Raises:
            Conflict: it was answered before, it has expired, or ``digest`` is not that of what was shown.
        """
        current = self.at(now)
        if current.state != "pending":
            raise Conflict(
                f"approval {self.approval_id} is {current.state} already", hint="nothing was changed"
            )
        if digest is not None and digest != self.digest:
            raise Conflict(
                f"approval {self.approval_id} is about other arguments than those you were shown",
                hint="look at it again and answer with its present digest",
            )
        return replace(
            current, state=state, decided_by=by, decided_at=now, comment=comment, new_args=new_args
        )


def visible(text: str, *, limit: int = 500) -> str:
    """Text from anywhere, safe to show a person: control, bidirectional and zero-width characters escaped."""
    cut = text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
    hidden = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    return "".join(f"\\u{ord(c):04x}" if unicodedata.category(c) in hidden else c for c in cut)


def question(
    tool: str, args: Mapping[str, Any], *, agent: str, effect: str, kind: ApprovalKind = "call"
) -> str:
    """The question in words, rendered from data and never by a model."""
    shown = ", ".join(f"{name}={visible(orjson.dumps(value).decode())}" for name, value in args.items())
    call = f"{tool}({shown})"
    if kind == "repeat":
        return f"{agent} repeats itself. May it go on with {call}?"
    if kind == "outcome":
        return f"The reply to {call} was lost. Has it happened? Approve: yes, it has. Reject: no."
    return f"May {agent} do {call}? Effect: {effect}."
