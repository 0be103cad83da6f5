"""Each question is handed to one teller at a time, until somebody says that people know."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pilotman.guardrails import Approval, Call, Principal
from pilotman.guardrails.approval import AskedCall
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.untold import Untold

pytestmark = pytest.mark.anyio
BOB = Principal(tenant="acme", user="bob")
MINUTE = timedelta(minutes=1)


async def take(journal: Journal, supervisor: str = "desk", limit: int = 10) -> list[Untold]:
    return await journal.take_untold(supervisor=supervisor, lease=MINUTE, limit=limit)


def names(taken: list[Untold]) -> list[str]:
    return [one.question.approval_id for one in taken]


def ask(make: Any, clock: Any, name: str, run_id: str = "run_1", **fields: Any) -> Approval:
    call = Call(tool="restart_service", args={"host": name}, principal=make.alice)
    one = AskedCall(
        approval_id=f"apr_{name}",
        digest=call.digest,
        call=call,
        asked_at=clock.now,
        expires_at=clock.now + timedelta(days=2),
    )
    asked: Approval = make.approval(f"apr_{name}", run_id, **fields)
    return asked.listing([one])


async def test_a_question_is_taken_once_and_again_when_its_teller_is_gone(
    owned: Journal, make: Any, clock: Any
) -> None:
    await owned.request_approvals([ask(make, clock, "a")], owner="me")
    (taken,) = await take(owned)
    assert taken == Untold(question=await owned.approval("apr_a", tenant="acme"), calls=("apr_a",))
    assert await take(owned) == []
    clock.forward(seconds=61)
    assert names(await take(owned)) == ["apr_a"], "nobody said that it was told"
    await owned.told(taken, events=[make.event("told", kind="approval_notified")])
    clock.forward(days=1)
    assert await take(owned) == []
    assert (await owned.events("run_1", tenant="acme"))[-1].kind == "approval_notified"


async def test_many_tellers_never_take_the_same_question(owned: Journal, make: Any, clock: Any) -> None:
    asked = [ask(make, clock, str(n), reasons=(str(n),)) for n in range(8)]
    await owned.request_approvals(asked, owner="me")
    taken = await asyncio.gather(*(take(owned, limit=3) for _ in range(8)))
    told = [name for some in taken for name in names(some)]
    assert len(told) == len(set(told))


async def test_what_joined_a_question_makes_it_untold_again(owned: Journal, make: Any, clock: Any) -> None:
    await owned.request_approvals([ask(make, clock, "a")], owner="me")
    (taken,) = await take(owned)
    await owned.request_approvals([ask(make, clock, "b")], owner="me")
    await owned.told(taken)
    (again,) = await take(owned)
    assert [call.approval_id for call in again.question.calls] == ["apr_a", "apr_b"]
    assert again.calls == ("apr_b",)


async def test_what_could_not_be_told_is_put_off(owned: Journal, make: Any, clock: Any) -> None:
    await owned.request_approvals([ask(make, clock, "a")], owner="me")
    (taken,) = await take(owned)
    await owned.put_off(taken, until=clock.now + timedelta(seconds=30), events=[make.event("failed")])
    clock.forward(seconds=29)
    assert await take(owned) == []
    clock.forward(seconds=1)
    assert names(await take(owned)) == ["apr_a"]


async def test_answered_and_expired_questions_and_those_of_others_are_not_told(
    owned: Journal, make: Any, clock: Any
) -> None:
    asked = [ask(make, clock, name, reasons=(name,)) for name in "ab"]
    await owned.request_approvals(asked, owner="me")
    assert await take(owned, supervisor="other") == []
    await owned.answer("apr_a", tenant="acme", state="rejected", by=BOB)
    assert names(await take(owned)) == ["apr_b"]
    clock.forward(days=2)
    assert await take(owned) == []


async def test_of_a_run_that_has_ended_only_lost_writes_are_told(
    owned: Journal, make: Any, clock: Any
) -> None:
    lost = ask(make, clock, "lost", kind="outcome")
    await owned.request_approvals([ask(make, clock, "a"), lost], owner="me")
    await owned.move("run_1", owner="me", transition=make.move(1, "RECEIVED", "CANCELLED"), events=[])
    assert names(await take(owned)) == ["apr_lost"]


async def test_a_tenant_with_many_questions_keeps_no_other_waiting(
    journal: Journal, make: Any, clock: Any
) -> None:
    for tenant, count in (("many", 12), ("few", 2)):
        run = make.run(f"run_{tenant}", tenant=tenant, owner="me")
        await journal.create_run(run, events=[])
        asked = [ask(make, clock, f"{tenant}{n}", f"run_{tenant}", reasons=(str(n),)) for n in range(count)]
        await journal.request_approvals(asked, owner="me")
        clock.forward(seconds=1)
    first = names(await take(journal, limit=4))
    assert sum("few" in name for name in first) == 2
