"""The questions of one run: which of them a call joins, and which calls nobody is asked about. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal, TypeAlias

from pilotman.guardrails.approval import Approval, AskedCall

Unasked: TypeAlias = Literal["rejected_before", "too_many_questions"]
"""Why nobody is asked about a call, as a stable code."""

MOST_CALLS: Final = 20
"""Calls that one question lists at most: a person is to read them all."""
_COUNTED: Final = frozenset({"call", "repeat"})


def place(known: Sequence[Approval], new: Approval, *, most: int | None = None) -> Approval | Unasked:
    """Where a question about one call belongs, or why it is not asked.

    ``known`` are all questions of the run as they stand now, ``most`` how many about calls it may have (None:
    any number). A call that is listed already gives the question that lists it. Another one of the same tool
    for the same reasons joins the question that is open: the answer is ``new`` under that question's id.

    What a person said no to, or did not answer in time, is not asked again: the same tool with the same
    target, be it among others, whatever else is changed.
    """
    call = new.calls[0]
    for question in known:
        if question.named(call.approval_id) is not None:
            return question
    if new.kind not in _COUNTED:
        return new
    if any(_refused(old, call) for old in _calls(known, new)):
        return "rejected_before"
    for question in known:
        if new.kind == "call" and _takes(question, new):
            return replace(new, approval_id=question.approval_id)
    asked = sum(question.kind in _COUNTED for question in known)
    return "too_many_questions" if most is not None and asked >= most else new


def _calls(known: Iterable[Approval], new: Approval) -> list[AskedCall]:
    return [call for q in known if (q.tool, q.kind) == (new.tool, new.kind) for call in q.calls]


def _refused(old: AskedCall, new: AskedCall) -> bool:
    """Whether the answer about ``old`` was a no that holds for ``new`` too: it has all of its target."""
    return old.state in ("rejected", "expired") and set(old.target or [old.digest]) <= {
        *new.target,
        new.digest,
    }


def _takes(question: Approval, new: Approval) -> bool:
    """Whether the question is open for one more such call."""
    same = (question.tool, question.kind, question.reasons) == (new.tool, new.kind, new.reasons)
    return same and question.state == "pending" and len(question.calls) < MOST_CALLS
