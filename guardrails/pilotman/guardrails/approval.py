"""Approvals: durable questions to people about exactly these calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pilotman.guardrails.digest import digest
from pilotman.guardrails.display import quoted, shown, visible
from pilotman.guardrails.errors import Conflict, InvalidRequest, NotFound
from pilotman.guardrails.label import Label
from pilotman.guardrails.policy import Call
from pilotman.guardrails.principal import Principal

ApprovalState: TypeAlias = Literal["pending", "approved", "rejected", "expired"]
ApprovalKind: TypeAlias = Literal["call", "repeat", "answer", "outcome", "plan"]
Answer: TypeAlias = Literal["approved", "rejected"]


@dataclass(frozen=True, kw_only=True)
class AskedCall:
    """One call that a question lists.

    ``approval_id`` is what its permit names, ``digest`` that of the tool and its exact arguments, ``step``
    its step path, ``chain`` the delegation down to the agent that asks. ``call`` is what the policies were
    told, labels and facts with it. ``target`` are the arguments that say whom or what it is about, in one
    spelling. ``new_args`` are what an approver put in place of the arguments.
    """

    approval_id: str
    digest: str
    call: Call
    asked_at: datetime
    expires_at: datetime
    step: str = ""
    chain: tuple[str, ...] = ()
    target: tuple[str, ...] = ()
    state: ApprovalState = "pending"
    decided_by: Principal | None = None
    decided_at: datetime | None = None
    comment: str = ""
    new_args: Mapping[str, Any] | None = None

    @property
    def args(self) -> Mapping[str, Any]:
        return self.call.args

    @property
    def shown(self) -> Mapping[str, str]:
        """The arguments as they may be displayed, by name: quoted, escaped, hosts in punycode."""
        return shown(self.call.args)

    def to_dict(self) -> dict[str, Any]:
        """The call as data, JSON-able. ``labels`` are by argument: who wrote its value, is it trusted."""
        return {
            "digest": self.digest,
            "step": self.step,
            "agent": self.call.agent,
            "effect": self.call.effect,
            "args": dict(self.args),
            "shown": dict(self.shown),
            "labels": {name: _labels(labels) for name, labels in self.call.labels.items()},
            "facts": dict(self.call.facts),
            "state": self.state,
        }

    def at(self, now: datetime) -> AskedCall:
        """The same call as it stands now: without an answer by its expiry, that is a no."""
        if self.state == "pending" and now >= self.expires_at:
            return replace(self, state="expired", decided_at=self.expires_at)
        return self


def _labels(labels: Iterable[Label]) -> list[dict[str, Any]]:
    known = [
        {"author": label.author, "trusted": label.trusted, "sensitivity": label.sensitivity}
        for label in labels
    ]
    return sorted(known, key=str)


@dataclass(frozen=True, kw_only=True)
class Approval:
    """One question, about one call or several of one tool for the same reasons.

    ``kind``: ``call`` asks whether writes may happen, ``repeat`` whether an agent may go on calling a tool,
    ``answer`` whether an answer may leave, ``outcome`` whether a write whose reply was lost has happened,
    ``plan`` what to do when no planner found a valid plan.

    About one call, ``args``, ``digest``, ``step`` and all that was answered are those of that call. About
    several, ``calls`` lists them, each with its own answer; ``args`` holds those of each under ``calls``,
    ``digest`` covers the list and changes with each call that joins it and with each answer, and the question
    is open until every call has its answer: ``approved`` then, if any call is.
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
    calls: tuple[AskedCall, ...] = field(default=())

    def __post_init__(self) -> None:
        if not self.calls:
            object.__setattr__(self, "calls", (self._only_call(),))

    def _only_call(self) -> AskedCall:
        call = Call(tool=self.tool, args=self.args, principal=self.requested_by, labels={}, facts={})
        return AskedCall(
            approval_id=self.approval_id,
            digest=self.digest,
            call=call,
            asked_at=self.created_at,
            expires_at=self.expires_at,
            step=self.step,
            state=self.state,
            decided_by=self.decided_by,
            decided_at=self.decided_at,
            comment=self.comment,
            new_args=self.new_args,
        )

    def listing(self, calls: Sequence[AskedCall]) -> Approval:
        """The same question about these calls; of several all that is said of the whole follows from them."""
        if len(calls) == 1:
            words = self.question if len(self.calls) == 1 else question([calls[0].call], kind=self.kind)
            return replace(self, calls=tuple(calls), question=words, **_of_one(calls[0]))
        return replace(self, calls=tuple(calls), **_of_all(calls, self.kind))

    def named(self, approval_id: str) -> AskedCall | None:
        """The call whose answer stands under this id."""
        return next((call for call in self.calls if call.approval_id == approval_id), None)

    @property
    def each(self) -> tuple[Approval, ...]:
        """The question about each of its calls alone."""
        return (self,) if len(self.calls) == 1 else tuple(self.listing([call]) for call in self.calls)

    def alone(self, approval_id: str) -> Approval:
        """The question about the call whose answer stands under this id.

        Raises:
            NotFound: no call has this id.
        """
        call = self.named(approval_id)
        if call is None:
            raise NotFound(f"approval {self.approval_id} lists no call {approval_id}")
        return self.listing([call])

    @property
    def pending(self) -> tuple[AskedCall, ...]:
        """The calls without an answer."""
        return tuple(call for call in self.calls if call.state == "pending")

    @property
    def has_grown(self) -> bool:
        """Whether calls have joined it since it was first asked."""
        return any(call.asked_at != self.created_at for call in self.calls)

    def to_dict(self) -> dict[str, Any]:
        """The question as data, JSON-able, for whoever shows it: arguments as they are and as they may be
        displayed, with their labels and the facts that were gathered."""
        return {
            "approval_id": self.approval_id,
            "run_id": self.run_id,
            "tenant": self.requested_by.tenant,
            "requested_by": self.requested_by.user,
            "kind": self.kind,
            "tool": self.tool,
            "args": dict(self.args),
            "question": self.question,
            "reasons": list(self.reasons),
            "digest": self.digest,
            "state": self.state,
            "created_at": self.created_at.isoformat(),
            "expires_at": self.expires_at.isoformat(),
            "calls": [call.to_dict() for call in self.calls],
        }

    def at(self, now: datetime) -> Approval:
        """The same question as it stands now: what is unanswered past its expiry counts as no."""
        if self.state != "pending" or now < self.expires_at:
            return self
        return self.listing([call.at(now) for call in self.calls])

    def answered(
        self,
        state: Answer,
        *,
        by: Principal,
        now: datetime,
        digest: str | None = None,
        only: Collection[str] | None = None,
        comment: str = "",
        new_args: Mapping[str, Any] | None = None,
    ) -> Approval:
        """The question with a person's answer about all its open calls, or those with the digests ``only``.

        Raises:
            Conflict: it was answered before, it has expired, or something else was shown: ``digest`` is
                another, a call of ``only`` is not open, or calls have joined and no digest says that they
                were seen.
            InvalidRequest: ``new_args`` for more than one call.
        """
        current = self.at(now)
        chosen = {call.approval_id for call in current.chosen(state, digest=digest, only=only)}
        if new_args is not None and len({c.digest for c in current.calls if c.approval_id in chosen}) > 1:
            raise InvalidRequest("other arguments take the place of one call's: name it with only=[digest]")
        said: dict[str, Any] = {"state": state, "decided_by": by, "decided_at": now, "comment": comment}
        said["new_args"] = new_args
        return current.listing([replace(c, **said) if c.approval_id in chosen else c for c in current.calls])

    def chosen(
        self, state: Answer, *, digest: str | None = None, only: Collection[str] | None = None
    ) -> tuple[AskedCall, ...]:
        """The open calls that an answer is about. Raises ``Conflict`` as ``answered`` does."""
        if self.state != "pending":
            raise Conflict(f"approval {self.approval_id} is {self.state} already", hint="nothing was changed")
        if digest is not None and digest != self.digest:
            raise Conflict(
                f"approval {self.approval_id} is about other arguments than those you were shown",
                hint="look at it again and answer with its present digest",
            )
        if only is not None:
            return self._with_digests(only)
        if state == "approved" and digest is None and self.has_grown:
            raise Conflict(
                f"calls have joined approval {self.approval_id} since it was first asked",
                hint="answer with the digest of what you were shown",
            )
        return self.pending

    def _with_digests(self, only: Collection[str]) -> tuple[AskedCall, ...]:
        strange = sorted(set(only) - {call.digest for call in self.pending})
        if strange or not only:
            what = f"has no open call {strange[0]}" if strange else "is to be answered for no call at all"
            raise Conflict(
                f"approval {self.approval_id} {what}", hint="look at it again; nothing was changed"
            )
        return tuple(call for call in self.pending if call.digest in only)


def _of_one(call: AskedCall) -> dict[str, Any]:
    """What a question about this one call says of the whole."""
    return {
        "args": call.args,
        "digest": call.digest,
        "step": call.step,
        "created_at": call.asked_at,
        "expires_at": call.expires_at,
        "state": call.state,
        "decided_by": call.decided_by,
        "decided_at": call.decided_at,
        "comment": call.comment,
        "new_args": call.new_args,
    }


def _of_all(calls: Sequence[AskedCall], kind: ApprovalKind) -> dict[str, Any]:
    """What a question about these calls says of the whole."""
    states = {call.state for call in calls}
    order: tuple[ApprovalState, ...] = ("pending", "approved", "rejected", "expired")
    told = [call for call in calls if call.decided_by is not None and call.decided_at is not None]
    last = max(told, key=lambda call: call.decided_at or call.asked_at, default=calls[0])
    pending = [call for call in calls if call.state == "pending"]
    return {
        "args": {"calls": [dict(call.args) for call in calls]},
        "digest": digest({"calls": [[call.digest, call.state] for call in calls]}),
        "question": question([call.call for call in pending or calls], kind=kind),
        "step": calls[0].step,
        "created_at": min(call.asked_at for call in calls),
        "expires_at": min(call.expires_at for call in pending or calls),
        "state": next(state for state in order if state in states),
        "decided_by": last.decided_by,
        "decided_at": last.decided_at,
        "comment": last.comment,
        "new_args": None,
    }


def question(calls: Sequence[Call], *, kind: ApprovalKind = "call") -> str:
    """The question in words, rendered from data and never by a model. About several calls, a line for each
    with the beginning of its digest."""
    first = calls[0]
    agents = " and ".join(dict.fromkeys(visible(call.agent) for call in calls))
    if len(calls) > 1:
        lines = "\n".join(f"- {call.digest[:12]} {_words(call)}" for call in calls)
        what = f"these {len(calls)} calls of {visible(first.tool)}"
        return f"May {agents} do {what}? Effect: {first.effect}.\n{lines}"
    if kind == "repeat":
        return f"{agents} repeats itself. May it go on with {_words(first)}?"
    if kind == "outcome":
        return f"The reply to {_words(first)} was lost. Has it happened? Approve: yes, it has. Reject: no."
    return f"May {agents} do {_words(first)}? Effect: {first.effect}."


_MOST = 40
"""Arguments that are put in words; the others are listed as data."""


def _words(call: Call) -> str:
    some = list(call.args.items())[:_MOST]
    told = [f"{_name(name)}={quoted(value)}" for name, value in some]
    more = len(call.args) - len(some)
    listed = ", ".join([*told, *([f"… {more} more arguments"] if more else [])])
    return f"{visible(call.tool)}({listed})"


def _name(name: str) -> str:
    return name if name.isascii() and name.isidentifier() else quoted(name)
