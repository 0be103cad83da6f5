from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from pilotman.guardrails import Principal
from pilotman.guardrails.errors import ConfigurationError, Conflict, NotFound
from pilotman.memory.journal import Journal
from pilotman.memory.records import Fenced

pytestmark = pytest.mark.anyio
BOB = Principal(tenant="acme", user="bob", roles=frozenset({"oncall"}))


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
