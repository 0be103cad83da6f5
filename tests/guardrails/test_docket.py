"""Which question a call joins, and which calls nobody is asked about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Approval, Call, Principal
from pilotman.guardrails.approval import ApprovalKind, AskedCall, question
from pilotman.guardrails.docket import MOST_CALLS, place

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ALICE, BOB = Principal(tenant="acme", user="alice"), Principal(tenant="acme", user="bob")


def new(
    name: str,
    *,
    tool: str = "mail",
    reasons: tuple[str, ...] = ("because",),
    kind: ApprovalKind = "call",
    target: tuple[str, ...] = (),
) -> Approval:
    call = Call(tool=tool, args={"to": name}, agent="writer")
    asked = AskedCall(
        approval_id=f"apr_{name}",
        digest=call.digest,
        call=call,
        asked_at=NOW,
        expires_at=NOW + timedelta(days=2),
        step=f"task:t/{name}",
        target=target,
    )
    return Approval(
        approval_id=asked.approval_id,
        run_id="run_1",
        tool=tool,
        args=call.args,
        question=question([call]),
        digest=call.digest,
        reasons=reasons,
        requested_by=ALICE,
        created_at=NOW,
        expires_at=asked.expires_at,
        kind=kind,
        step=asked.step,
        calls=(asked,),
    )


def docket(*asked: Approval, most: int | None = None) -> list[Approval]:
    """The questions after all of these were asked."""
    known: dict[str, Approval] = {}
    for one in asked:
        found = place(list(known.values()), one, most=most)
        if isinstance(found, Approval) and found.calls is one.calls:
            at = known.get(found.approval_id)
            known[found.approval_id] = one if at is None else at.listing([*at.calls, *one.calls])
    return list(known.values())


def answered(one: Approval, state: str = "rejected") -> Approval:
    return one.answered("approved" if state == "approved" else "rejected", by=BOB, now=NOW)


def test_calls_of_one_tool_for_the_same_reasons_are_one_question() -> None:
    found = docket(new("a"), new("b"), new("c", reasons=("else",)), new("d", tool="post"), new("e"))
    assert [[c.args["to"] for c in q.calls] for q in found] == [["a", "b", "e"], ["c"], ["d"]]
    assert [q.approval_id for q in found] == ["apr_a", "apr_c", "apr_d"]


@given(st.lists(st.sampled_from("abcdefgh"), max_size=20))
def test_asking_again_changes_nothing(names: list[str]) -> None:
    once = docket(*(new(name) for name in dict.fromkeys(names)))
    assert docket(*(new(name) for name in names)) == once
    for one in once:
        assert all(place(once, new(call.args["to"])) is one for call in one.calls)


@pytest.mark.parametrize("state", ["approved", "rejected", "expired"])
def test_nothing_joins_a_question_that_was_answered(state: str) -> None:
    old = new("a").at(NOW + timedelta(days=3)) if state == "expired" else answered(new("a"), state)
    found = place([old], new("b"))
    assert isinstance(found, Approval)
    assert found.approval_id == "apr_b"


def test_a_question_lists_no_more_than_a_person_reads() -> None:
    found = docket(*(new(f"n{number}") for number in range(MOST_CALLS + 1)))
    assert [len(question.calls) for question in found] == [MOST_CALLS, 1]


@pytest.mark.parametrize("kind", ["repeat", "outcome", "plan", "answer"])
def test_only_questions_about_calls_are_put_together(kind: ApprovalKind) -> None:
    assert len(docket(new("a", kind=kind), new("b", kind=kind))) == 2


# what is not asked (again)


@pytest.mark.parametrize("state", ["rejected", "expired"])
def test_a_target_that_people_said_no_to_is_not_asked_again(state: str) -> None:
    old = new("a", target=("to=eve",))
    old = old.at(NOW + timedelta(days=3)) if state == "expired" else answered(old)
    assert place([old], new("b", target=("to=eve",))) == "rejected_before"
    assert place([old], new("b", target=("cc=x", "to=eve"))) == "rejected_before", "it is among others"
    for other in (
        new("b", target=("to=carol",)),
        new("b", target=("to=eve",), tool="call"),
        new("b", target=("to=eve",), kind="repeat"),
        new("b"),
    ):
        assert isinstance(place([old], other), Approval)


def test_a_yes_or_an_open_question_keeps_nothing_from_being_asked() -> None:
    for old in (answered(new("a", target=("to=eve",)), "approved"), new("a", target=("to=eve",))):
        assert isinstance(place([old], new("b", target=("to=eve",))), Approval)


def test_without_a_target_it_is_the_very_same_call_that_is_not_asked_again() -> None:
    old = answered(new("a"))
    again = new("a")
    later = again.listing([replace(again.calls[0], approval_id="apr_later", step="task:t/later")])
    later = replace(later, approval_id="apr_later")
    assert place([old], later) == "rejected_before"
    assert isinstance(place([old], new("b")), Approval)


def test_of_a_rejected_group_of_targets_a_part_may_be_asked() -> None:
    old = answered(new("a", target=("to=bob", "to=eve")))
    assert isinstance(place([old], new("b", target=("to=bob",))), Approval)
    assert place([old], new("b", target=("to=bob", "to=eve", "to=x"))) == "rejected_before"


def test_a_run_asks_so_often_and_no_more() -> None:
    names = "abcdef"
    found = docket(*(new(name, reasons=(name,)) for name in names), most=3)
    assert [q.approval_id for q in found] == ["apr_a", "apr_b", "apr_c"]
    assert place(found, new("z", reasons=("z",)), most=3) == "too_many_questions"
    assert isinstance(place(found, new("z", reasons=("a",)), most=3), Approval), "joining is no new question"
    assert place(found, new("a", reasons=("a",)), most=1) is found[0], "what was asked stays asked"
    for kind in ("outcome", "plan", "answer"):
        assert isinstance(place(found, new("z", kind=kind), most=3), Approval)
    assert place(found, new("z", kind="repeat"), most=3) == "too_many_questions"
