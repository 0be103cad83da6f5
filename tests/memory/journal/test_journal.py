from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from pilotman.guardrails.errors import ConfigurationError, Conflict, NotFound
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import Fenced

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)


def alive(_: str) -> bool:
    return False


def dead(_: str) -> bool:
    return True


async def test_a_run_comes_back_as_it_was_stored(journal: Journal, make: Any, clock: Any) -> None:
    run = make.run(
        idempotency_key="k1",
        severity=3,
        task_type="incident",
        deadline_at=clock.now + MINUTE,
        waited_s=1.5,
        trace_parent="00-abc",
        request={"text": "Ä \x00 \u202e", "facts": {"n": [1, 2.5, None, True]}},
    )
    stored, new = await journal.create_run(run, events=[make.event(text="hello")])
    assert new
    assert stored.active
    assert stored.next_seq == 2
    again = await journal.run("run_1", tenant="acme")
    assert replace(again, idempotency_key="k1") == stored
    assert again.idempotency_key == f"#{sha256(b'k1').hexdigest()}", "what it was made of is not kept"
    assert await journal.run_of("k1", tenant="acme") == stored
    assert (again.request, again.deadline_at, again.waited_s) == (run.request, run.deadline_at, 1.5)
    assert [(e.seq, e.kind, e.data) for e in await journal.events("run_1", tenant="acme")] == [
        (1, "run_started", {"text": "hello"})
    ]


async def test_the_same_request_joins_the_first_run(journal: Journal, make: Any) -> None:
    first, _ = await journal.create_run(make.run(idempotency_key="k"), events=[make.event()])
    second, new = await journal.create_run(make.run("run_2", idempotency_key="k"), events=[make.event()])
    assert not new
    assert second.run_id == first.run_id
    assert len(await journal.events("run_1", tenant="acme")) == 1


async def test_a_key_belongs_to_its_tenant(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run(idempotency_key="k"), events=[])
    _, new = await journal.create_run(make.run("run_2", tenant="other", idempotency_key="k"), events=[])
    assert new


async def test_one_request_sent_many_times_at_once_is_one_run(journal: Journal, make: Any) -> None:
    outcomes = await asyncio.gather(
        *(journal.create_run(make.run(f"run_{i}", idempotency_key="k"), events=[]) for i in range(20))
    )
    assert len({run.run_id for run, _ in outcomes}) == 1
    assert sum(new for _, new in outcomes) == 1


async def test_a_busy_conversation_refuses_and_says_with_whom(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run(thread_id="t"), events=[])
    with pytest.raises(Conflict, match="run_1"):
        await journal.create_run(make.run("run_2", thread_id="t"), events=[])
    with pytest.raises(NotFound):
        await journal.run("run_2", tenant="acme")
    await journal.create_run(make.run("run_3", tenant="other", thread_id="t"), events=[])


async def test_the_end_of_a_run_frees_its_conversation(owned: Journal, make: Any) -> None:
    await owned.move("run_1", owner="me", transition=make.move(1, "RECEIVED", "FAILED"), events=[])
    _, new = await owned.create_run(make.run("run_2", thread_id="thread of run_1"), events=[])
    assert new


async def test_runs_are_listed_newest_first_and_filtered(journal: Journal, make: Any, clock: Any) -> None:
    for i in range(4):
        clock.forward(seconds=1)
        await journal.create_run(
            make.run(f"run_{i}", created_at=clock.now, supervisor="ab"[i % 2], thread_id=f"t{i}"), events=[]
        )
    listed = await journal.runs(tenant="acme")
    assert [run.run_id for run in listed] == ["run_3", "run_2", "run_1", "run_0"]
    assert [run.run_id for run in await journal.runs(tenant="acme", supervisor="a", limit=1)] == ["run_2"]
    assert [run.run_id for run in await journal.runs(tenant="acme", thread_id="t1")] == ["run_1"]
    assert await journal.runs(tenant="acme", state="COMPLETED") == []
    assert await journal.runs(tenant="other") == []


async def test_a_claim_takes_a_free_run_and_nobody_else_can(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run(), events=[])
    mine = await journal.claim("run_1", owner="me", lease=MINUTE, is_dead=alive)
    assert mine is not None
    assert mine.story.run.owner == "me"
    assert await journal.claim("run_1", owner="you", lease=MINUTE, is_dead=alive) is None
    assert await journal.claim("run_1", owner="me", lease=MINUTE, is_dead=alive) is not None


async def test_of_many_claims_at_once_one_wins(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run(), events=[])
    claims = [journal.claim("run_1", owner=f"o{i}", lease=MINUTE, is_dead=alive) for i in range(20)]
    assert sum(run is not None for run in await asyncio.gather(*claims)) == 1


async def test_a_dead_owner_or_a_past_lease_is_taken_over(journal: Journal, make: Any, clock: Any) -> None:
    await journal.create_run(make.run(), events=[])
    await journal.claim("run_1", owner="a", lease=MINUTE, is_dead=alive)
    assert await journal.claim("run_1", owner="b", lease=MINUTE, is_dead=dead) is not None
    assert await journal.claim("run_1", owner="c", lease=MINUTE, is_dead=alive) is None
    clock.forward(seconds=61)
    assert await journal.claim("run_1", owner="c", lease=MINUTE, is_dead=alive) is not None


async def test_renewing_keeps_those_of_an_owners_runs_that_are_named(
    journal: Journal, make: Any, clock: Any
) -> None:
    for name in ("run_1", "run_2", "run_3"):
        await journal.create_run(make.run(name), events=[])
        await journal.claim(name, owner="me", lease=MINUTE, is_dead=alive)
    clock.forward(seconds=50)
    await journal.renew(["run_1", "run_2"], owner="me", lease=MINUTE)
    clock.forward(seconds=50)
    for name in ("run_1", "run_2"):
        assert await journal.claim(name, owner="you", lease=MINUTE, is_dead=alive) is None
    assert await journal.claim("run_3", owner="you", lease=MINUTE, is_dead=alive) is not None


async def test_a_released_run_is_free_and_a_foreign_one_stays(owned: Journal) -> None:
    await owned.claim("run_1", owner="me", lease=MINUTE, is_dead=alive)
    await owned.release("run_1", owner="you")
    assert (await owned.run("run_1", tenant="acme")).owner == "me"
    await owned.release("run_1", owner="me")
    assert (await owned.run("run_1", tenant="acme")).owner is None


async def test_a_claim_waits_for_the_conversation(journal: Journal, make: Any) -> None:
    await journal.create_run(make.run(thread_id="t"), events=[])
    await journal.create_run(make.run("run_2", thread_id="t"), events=[], queued=True)
    assert await journal.claim("run_2", owner="me", lease=MINUTE, is_dead=alive) is None


async def test_claiming_what_is_not_there(journal: Journal) -> None:
    with pytest.raises(NotFound):
        await journal.claim("run_9", owner="me", lease=MINUTE, is_dead=alive)


async def test_a_move_changes_all_or_nothing(owned: Journal, make: Any, clock: Any) -> None:
    later = clock.now + MINUTE
    await owned.move(
        "run_1",
        owner="me",
        transition=make.move(1, "RECEIVED", "PLANNED"),
        events=[make.event("moved", kind="state_changed")],
        changes={"deadline_at": later, "waited_s": 2.0, "active_since": None, "versions": {"a": "2"}},
    )
    run = await owned.run("run_1", tenant="acme")
    assert (run.state, run.deadline_at, run.waited_s, run.versions) == ("PLANNED", later, 2.0, {"a": "2"})
    assert await owned.transitions("run_1", tenant="acme") == [make.move(1, "RECEIVED", "PLANNED")]
    assert [e.seq for e in await owned.events("run_1", tenant="acme")] == [1, 2]


@pytest.mark.parametrize(("owner", "source"), [("you", "RECEIVED"), ("me", "EXECUTING")])
async def test_a_move_by_another_or_from_elsewhere_is_fenced(
    owned: Journal, make: Any, owner: str, source: str
) -> None:
    with pytest.raises(Fenced):
        await owned.move(
            "run_1", owner=owner, transition=make.move(1, source, "PLANNED"), events=[make.event("moved")]
        )
    run = await owned.run("run_1", tenant="acme")
    assert (run.state, run.next_seq) == ("RECEIVED", 2)
    assert await owned.transitions("run_1", tenant="acme") == []


async def test_moves_that_nobody_waits_for_keep_their_place_among_events(owned: Journal, make: Any) -> None:
    owned.append("run_1", [make.event("before")])
    step = make.move(1, "RECEIVED", "PLANNED")
    owned.ride_move("run_1", owner="me", transition=step, events=[make.event("moved")], changes={})
    owned.append("run_1", [make.event("behind")])
    await owned.move("run_1", owner="me", transition=make.move(2, "PLANNED", "EXECUTING"), events=[])
    story = await owned.story("run_1", tenant="acme")
    assert (story.run.state, [t.number for t in story.transitions]) == ("EXECUTING", [1, 2])
    assert [e.seq for e in story.events] == [1, 2, 3, 4]


async def test_a_move_that_nobody_waits_for_and_that_fails_stops_what_comes_behind(
    owned: Journal, make: Any
) -> None:
    step = make.move(1, "EXECUTING", "VALIDATING")
    owned.ride_move("run_1", owner="me", transition=step, events=[make.event("moved")], changes={})
    owned.append("run_1", [make.event("behind")])
    with pytest.raises(Fenced):
        await owned.move("run_1", owner="me", transition=make.move(1, "RECEIVED", "PLANNED"), events=[])
    story = await owned.story("run_1", tenant="acme")
    assert (story.run.state, len(story.events), story.transitions) == ("RECEIVED", 1, [])


async def test_a_run_that_has_ended_is_nobodys(owned: Journal, make: Any) -> None:
    await owned.move("run_1", owner="me", transition=make.move(1, "RECEIVED", "FAILED"), events=[])
    run = await owned.run("run_1", tenant="acme")
    assert (run.owner, run.lease_until, run.active) == (None, None, False)


async def test_the_same_move_twice_is_done_once(owned: Journal, make: Any) -> None:
    step = make.move(1, "RECEIVED", "PLANNED")
    moves = [owned.move("run_1", owner="me", transition=step, events=[]) for _ in range(5)]
    outcomes = await asyncio.gather(*moves, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert all(isinstance(outcome, Fenced) for outcome in outcomes if outcome is not None)


async def test_a_move_cannot_change_what_identifies_a_run(owned: Journal, make: Any) -> None:
    with pytest.raises(ConfigurationError, match="tenant"):
        await owned.move(
            "run_1",
            owner="me",
            transition=make.move(1, "RECEIVED", "PLANNED"),
            events=[],
            changes={"tenant": "other"},
        )


async def test_moving_a_missing_run(owned: Journal, make: Any) -> None:
    with pytest.raises(NotFound):
        await owned.move("run_9", owner="me", transition=make.move(1, "A", "B", "run_9"), events=[])


async def test_of_many_runs_those_that_are_to_stop_are_found_at_once(owned: Journal, make: Any) -> None:
    await owned.create_run(make.run("run_2"), events=[])
    assert await owned.to_cancel(["run_1", "run_2"]) == set()
    await owned.request_cancel("run_1", tenant="acme", reason="no need")
    assert await owned.to_cancel(["run_1", "run_2", "no such run"]) == {"run_1"}
    assert await owned.to_cancel(["run_2"]) == await owned.to_cancel([]) == set()


async def test_a_wish_to_cancel_is_noted_once_and_refused_at_the_end(owned: Journal, make: Any) -> None:
    run = await owned.request_cancel("run_1", tenant="acme", reason="no need", events=[make.event("c")])
    assert run.cancel_requested == "no need"
    assert (await owned.request_cancel("run_1", tenant="acme", reason="later")).cancel_requested == "no need"
    await owned.move("run_1", owner="me", transition=make.move(1, "RECEIVED", "CANCELLED"), events=[])
    with pytest.raises(Conflict, match="CANCELLED"):
        await owned.request_cancel("run_1", tenant="acme", reason="again")


async def test_live_runs_whose_owner_has_died_are_taken_over(journal: Journal, make: Any, clock: Any) -> None:
    until = clock.now + MINUTE
    for name, state, owner in (
        ("nobodys", "EXECUTING", None),  # its caller has gone: it is resumed when somebody says so
        ("driven", "EXECUTING", "alive"),
        ("dead", "EXECUTING", "gone"),
        ("waiting", "ESCALATED", None),
        ("over", "COMPLETED", None),
    ):
        lease = until if owner else None
        await journal.create_run(make.run(name, state=state, owner=owner, lease_until=lease), events=[])
    other = make.run("elsewhere", supervisor="other", owner="gone", lease_until=until)
    await journal.create_run(other, events=[])

    async def taken() -> str | None:
        run = await journal.take_over(
            supervisor="desk", owner="me", lease=MINUTE, is_dead=lambda owner: owner == "gone"
        )
        return None if run is None else run.run_id

    assert [await taken() for _ in range(2)] == ["dead", None]
    clock.forward(seconds=61)
    assert [await taken() for _ in range(2)] == ["dead", "driven"], "also what nobody has renewed"


async def test_all_that_an_owner_has_is_released_at_once(journal: Journal, make: Any, clock: Any) -> None:
    for name in ("run_1", "run_2"):
        await journal.create_run(make.run(name), events=[], queued=True)
        assert await journal.next_queued(supervisor="desk", owner="me", lease=MINUTE) is not None
    await journal.release_all(owner="me")
    for _ in range(2):
        run = await journal.next_queued(supervisor="desk", owner="you", lease=MINUTE)
        assert run is not None
        assert run.failures == 0, "who leaves in an orderly way has not failed"


async def test_a_journal_that_is_not_started_says_so() -> None:
    with pytest.raises(ConfigurationError, match="not started"):
        await Journal().runs(tenant="acme")


async def test_it_starts_again_in_another_loop_with_what_it_held(url: str, make: Any) -> None:
    journal = Journal(url)

    async def first() -> None:
        await journal.start()
        await journal.start()
        await journal.create_run(make.run(), events=[make.event()])
        journal.append("run_1", [make.event("later")])
        await journal.aclose()
        await journal.aclose()

    async def second() -> int:
        await journal.start()
        events = await journal.events("run_1", tenant="acme")
        await journal.aclose()
        return len(events)

    await asyncio.to_thread(asyncio.run, first())
    assert await asyncio.to_thread(asyncio.run, second()) == 2


async def test_several_loops_use_one_journal(journal: Journal, make: Any) -> None:
    async def one(number: int) -> None:
        await journal.create_run(make.run(f"run_{number}"), events=[])

    await asyncio.gather(*(asyncio.to_thread(asyncio.run, one(i)) for i in range(4)))
    assert len(await journal.runs(tenant="acme")) == 4
