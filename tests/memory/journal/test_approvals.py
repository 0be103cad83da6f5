from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pilotman.guardrails import Approval, Call, Label, Principal
from pilotman.guardrails.approval import AskedCall, question
from pilotman.guardrails.errors import ConfigurationError, Conflict, NotFound, PermitRefused
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import Fenced

pytestmark = pytest.mark.anyio
BOB = Principal(tenant="acme", user="bob", roles=frozenset({"oncall"}))
START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
"""Where the clock stands."""


@pytest.fixture
async def asked(owned: Journal, make: Any) -> Journal:
    """A journal with a question of ``run_1``."""
    await owned.request_approvals([make.approval()], owner="me", events=[make.event("q")])
    return owned


async def test_a_question_comes_back_as_it_was_asked_and_is_asked_once(asked: Journal, make: Any) -> None:
    await asked.request_approvals(
        [replace(make.approval(), question="other"), make.approval("apr_2", kind="outcome", step="task:t1")],
        owner="me",
        events=[make.event("q")],
    )
    assert await asked.approval("apr_1", tenant="acme") == make.approval()
    assert [a.approval_id for a in await asked.approvals(tenant="acme", run_id="run_1")] == ["apr_1", "apr_2"]
    assert len(await asked.events("run_1", tenant="acme")) == 2


async def test_only_the_owner_asks_for_one_run_at_a_time(owned: Journal, make: Any) -> None:
    with pytest.raises(Fenced):
        await owned.request_approvals([make.approval()], owner="you")
    with pytest.raises(ConfigurationError):
        await owned.request_approvals([make.approval(), make.approval("apr_2", "run_2")], owner="me")
    assert await owned.approvals(tenant="acme") == []


async def test_an_answer_is_stored_with_its_events(asked: Journal, make: Any, clock: Any) -> None:
    clock.forward(hours=1)
    answered = await asked.answer(
        "apr_1",
        tenant="acme",
        state="approved",
        by=BOB,
        digest="e" * 64,
        comment="go",
        new_args={"host": "web-2"},
        events=[make.event("a", kind="approval_approved")],
    )
    assert answered == await asked.approval("apr_1", tenant="acme")
    assert (answered.state, answered.decided_by, answered.decided_at) == ("approved", BOB, clock.now)
    assert answered.new_args == {"host": "web-2"}
    assert [e.kind for e in await asked.events("run_1", tenant="acme")][-1] == "approval_approved"


async def test_answering_twice_or_what_was_not_shown_changes_nothing(asked: Journal, make: Any) -> None:
    with pytest.raises(Conflict, match="other arguments"):
        await asked.answer("apr_1", tenant="acme", state="approved", by=BOB, digest="f" * 64)
    await asked.answer("apr_1", tenant="acme", state="rejected", by=BOB)
    with pytest.raises(Conflict, match="rejected already"):
        await asked.answer("apr_1", tenant="acme", state="approved", by=BOB, events=[make.event("a")])
    assert (await asked.approval("apr_1", tenant="acme")).state == "rejected"
    assert len(await asked.events("run_1", tenant="acme")) == 2


async def test_of_many_answers_at_once_one_counts(asked: Journal, make: Any) -> None:
    answers = [
        asked.answer(
            "apr_1",
            tenant="acme",
            state="approved" if i % 2 else "rejected",
            by=Principal(tenant="acme", user=f"user{i}"),
            events=[make.event(f"a{i}")],
        )
        for i in range(20)
    ]
    outcomes = await asyncio.gather(*answers, return_exceptions=True)
    taken = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert taken == [await asked.approval("apr_1", tenant="acme")]
    assert all(isinstance(outcome, Conflict) for outcome in outcomes if outcome not in taken)
    assert len(await asked.events("run_1", tenant="acme")) == 3


async def test_an_unanswered_question_expires_and_reads_so_everywhere(asked: Journal, clock: Any) -> None:
    assert len(await asked.approvals(tenant="acme", state="pending")) == 1
    clock.forward(days=2)
    assert (await asked.approval("apr_1", tenant="acme")).state == "expired"
    assert await asked.approvals(tenant="acme", state="pending") == []
    assert [a.approval_id for a in await asked.approvals(tenant="acme", state="expired")] == ["apr_1"]
    with pytest.raises(Conflict, match="expired"):
        await asked.answer("apr_1", tenant="acme", state="approved", by=BOB)


async def test_an_answered_question_does_not_expire(asked: Journal, clock: Any) -> None:
    await asked.answer("apr_1", tenant="acme", state="approved", by=BOB)
    clock.forward(days=20)
    assert [a.state for a in await asked.approvals(tenant="acme", state="approved")] == ["approved"]


async def test_a_question_that_was_never_asked(asked: Journal) -> None:
    with pytest.raises(NotFound):
        await asked.approval("apr_9", tenant="acme")
    with pytest.raises(NotFound):
        await asked.answer("apr_9", tenant="acme", state="approved", by=BOB)


# several calls of one question


def ask(make: Any, name: str, *, at: datetime = START, **fields: Any) -> Approval:
    """A question about one call, as the guard asks it."""
    call = Call(
        tool="restart_service",
        args={"host": name},
        agent="operator",
        principal=make.alice,
        labels={"host": frozenset({Label(author="user", trusted=True, tenant="acme")})},
        facts={"load": 0.5},
        tools_used=("look",),
        now=at,
    )
    one = AskedCall(
        approval_id=f"apr_{name}",
        digest=call.digest,
        call=call,
        asked_at=at,
        expires_at=at + timedelta(days=2),
        step=f"task:t/{name}",
        chain=("desk", "operator"),
        target=(f"host={name}",),
    )
    asked: Approval = make.approval(f"apr_{name}", question=question([call]), **fields)
    return asked.listing([one])


async def test_calls_join_the_open_question_and_come_back_as_they_were_asked(
    owned: Journal, make: Any, clock: Any
) -> None:
    first = await owned.request_approvals([ask(make, "a"), ask(make, "b")], owner="me")
    clock.forward(minutes=1)
    later = ask(make, "c", at=clock.now)
    (joined,) = await owned.request_approvals([later], owner="me")
    assert [one.approval_id for one in first if isinstance(one, Approval)] == ["apr_a", "apr_a"]
    assert isinstance(joined, Approval)
    assert (
        joined == await owned.approval("apr_a", tenant="acme") == await owned.approval("apr_c", tenant="acme")
    )
    assert joined.calls == (*ask(make, "a").calls, *ask(make, "b").calls, *later.calls)
    assert joined.has_grown
    assert await owned.approvals(tenant="acme", state="pending") == [joined]
    again = await owned.request_approvals([ask(make, "b"), later], owner="me")
    assert again == [joined, joined], "asking again changes nothing"


async def test_each_call_gets_its_own_answer(owned: Journal, make: Any, clock: Any) -> None:
    await owned.request_approvals([ask(make, name) for name in "abc"], owner="me")
    asked = await owned.approval("apr_a", tenant="acme")
    a, b, _ = (call.digest for call in asked.calls)
    some = await owned.answer(
        "apr_a", tenant="acme", state="approved", by=BOB, only=[b], new_args={"host": "x"}, comment="this"
    )
    assert some == await owned.approval("apr_a", tenant="acme")
    assert [call.state for call in some.calls] == ["pending", "approved", "pending"]
    assert (some.calls[1].new_args, some.calls[1].comment) == ({"host": "x"}, "this")
    assert some.state == "pending"
    with pytest.raises(Conflict, match="other arguments"):
        await owned.answer("apr_a", tenant="acme", state="approved", by=BOB, digest=asked.digest)
    await owned.answer("apr_a", tenant="acme", state="rejected", by=BOB, only=[a])
    clock.forward(days=2)
    ended = await owned.approval("apr_a", tenant="acme")
    assert [call.state for call in ended.calls] == ["rejected", "approved", "expired"]
    assert ended.state == "approved"
    assert await owned.approvals(tenant="acme", state="pending") == []
    assert await owned.approvals(tenant="acme", state="approved") == [ended]


async def test_of_answers_and_calls_that_join_at_once_nothing_unseen_is_approved(
    owned: Journal, make: Any
) -> None:
    await owned.request_approvals([ask(make, "a")], owner="me")
    seen = await owned.approval("apr_a", tenant="acme")
    work: list[Any] = [
        owned.answer("apr_a", tenant="acme", state="approved", by=BOB, digest=seen.digest),
        *(owned.request_approvals([ask(make, name)], owner="me") for name in "bcd"),
    ]
    work[0], work[2] = work[2], work[0]
    await asyncio.gather(*work, return_exceptions=True)
    calls = [call for one in await owned.approvals(tenant="acme") for call in one.calls]
    assert len(calls) == 4
    assert {c.approval_id for c in calls if c.state == "approved"} <= {"apr_a"}


async def test_what_is_not_asked_is_said_and_not_stored(owned: Journal, make: Any) -> None:
    await owned.request_approvals([ask(make, "a")], owner="me", most=1)
    await owned.answer("apr_a", tenant="acme", state="rejected", by=BOB)
    same = ask(make, "a").listing([replace(ask(make, "a").calls[0], approval_id="apr_a2")])
    other = replace(ask(make, "b"), reasons=("else",))
    said = await owned.request_approvals([replace(same, approval_id="apr_a2"), other], owner="me", most=1)
    assert said == ["rejected_before", "too_many_questions"]
    assert len(await owned.approvals(tenant="acme")) == 1


async def test_no_permit_is_issued_for_what_a_person_said_no_to(
    owned: Journal, make: Any, clock: Any
) -> None:
    await owned.request_approvals([ask(make, "a"), ask(make, "b")], owner="me")
    asked = await owned.approval("apr_a", tenant="acme")
    a, b = (call.digest for call in asked.calls)
    await owned.answer("apr_a", tenant="acme", state="rejected", by=BOB, only=[a])
    with pytest.raises(PermitRefused, match="said no"):
        await owned.issue_permit(make.permit("pmt_a", digest=a), owner="me")
    assert await owned.permit("pmt_a") is None
    await owned.issue_permit(make.permit("pmt_b", digest=b), owner="me")
    clock.forward(days=2)
    with pytest.raises(PermitRefused):
        await owned.issue_permit(make.permit("pmt_b2", digest=b), owner="me")


async def test_a_yes_that_the_permit_names_counts_whatever_was_said_about_the_same_elsewhere(
    owned: Journal, make: Any
) -> None:
    await owned.request_approvals([ask(make, "a")], owner="me")
    await owned.answer("apr_a", tenant="acme", state="approved", by=BOB)
    same = make.approval("apr_r", digest=ask(make, "a").digest, kind="repeat", tool="restart_service")
    await owned.request_approvals([same], owner="me")
    await owned.answer("apr_r", tenant="acme", state="rejected", by=BOB)
    permit = make.permit(digest=ask(make, "a").digest, approval_id="apr_a")
    assert await owned.issue_permit(permit, owner="me") == permit


async def test_questions_of_an_older_journal_can_still_be_answered(tmp_path: Path, make: Any) -> None:
    """Rows that the first release wrote know nothing of other calls, labels and turns."""
    url = f"sqlite:///{tmp_path / 'j.db'}"
    journal = Journal(url, clock=lambda: START)
    await journal.start()
    await journal.create_run(make.run(owner="me"), events=[])
    await journal.request_approvals([make.approval()], owner="me")
    await journal.aclose()
    with closing(sqlite3.connect(tmp_path / "j.db")) as raw:
        raw.execute("UPDATE approvals SET question_id = NULL, asked = NULL")
        raw.commit()
    await journal.start()
    assert await journal.approvals(tenant="acme") == [make.approval()]
    answered = await journal.answer("apr_1", tenant="acme", state="approved", by=BOB)
    assert answered.state == "approved"
    await journal.aclose()
