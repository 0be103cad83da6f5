"""What is forgotten is nowhere, nobody is served it, and the chain says that it was done on purpose."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pilotman.guardrails.errors import NotFound
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import KeysInMemory, Seal, Subject
from pilotman.memory.audit.audit import Report, verify
from pilotman.memory.journal.book import book_id
from pilotman.memory.journal.journal import Journal
from pilotman.memory.storage.database import database, parse

pytestmark = pytest.mark.anyio
ALICE = Subject("acme", "alice")
MARK = "xyzzy"


async def fill(journal: Journal, make: Any, run_id: str = "run_1", **fields: Any) -> str:
    """A run of alice's that says ``MARK`` wherever it can; gives the digest of its body."""
    run = make.run(run_id, owner="me", request={"text": MARK}, idempotency_key=f"{MARK} {run_id}", **fields)
    await journal.create_run(run, events=[make.event(text=MARK)])
    digest = journal.put_payload(run_id, MARK.encode() * 200)
    journal.append(run_id, [make.event("called", request={"payload": digest}, said=MARK)])
    move = replace(make.move(1, "RECEIVED", "PLANNED", run_id), reason=MARK)
    await journal.move(run_id, owner="me", transition=move, events=[])
    permit = make.permit(f"pmt_{run_id}", run_id)
    await journal.issue_permit(permit, owner="me")
    effect = make.effect(f"eff_{run_id}", run_id, permit_id=permit.permit_id, key=f"run:{MARK}:{run_id}")
    await journal.intend(effect, owner="me")
    await journal.settle(effect.effect_id, state="applied", message=MARK)
    asked = make.approval(f"apr_{run_id}", run_id, question=MARK, reasons=(MARK,), args={"host": MARK})
    await journal.request_approvals([asked], owner="me")
    await journal.answer(
        asked.approval_id,
        tenant="acme",
        state="approved",
        by=make.alice,
        comment=MARK,
        new_args={"host": f"{MARK}2"},
    )
    return digest


async def forget(journal: Journal, *run_ids: str) -> list[str]:
    """Hide them all, then erase them one by one; which of them were not erased before."""
    await journal.hide_runs(run_ids)
    return [one for one in run_ids if await journal.erase_run(one, tenant="acme")]


def audit(url: str) -> Report:
    return verify(database(url, busy_timeout=5))


def execute(url: str, sql: str) -> None:
    engine = create_engine(parse(url), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text(sql))


async def test_an_erased_run_is_not_found_and_says_nothing(journal: Journal, make: Any) -> None:
    digest = await fill(journal, make)
    assert await journal.erase_run("run_1", tenant="acme", actor="user:alice")
    assert not await journal.erase_run("run_1", tenant="acme"), "it was done before"
    for ask in (
        journal.run("run_1", tenant="acme"),
        journal.story("run_1", tenant="acme"),
        journal.events("run_1", tenant="acme"),
        journal.transitions("run_1", tenant="acme"),
        journal.payload("run_1", digest, tenant="acme"),
        journal.approval("apr_run_1", tenant="acme"),
        journal.run_of(f"{MARK} run_1", tenant="acme"),
    ):
        with pytest.raises(NotFound):
            await ask
    assert await journal.runs(tenant="acme") == []
    assert await journal.approvals(tenant="acme") == []
    assert await journal.payloads("run_1") == {}


async def test_what_was_done_is_still_known_to_have_been_done(journal: Journal, make: Any) -> None:
    await fill(journal, make)
    await journal.erase_run("run_1", tenant="acme")
    known = await journal.effect_by_key("acme", f"run:{MARK}:run_1")
    assert known is not None
    assert (known.state, known.message, known.effect_id) == ("applied", "", "eff_run_1")
    effect = await journal.effect("eff_run_1", tenant="acme")
    assert MARK not in effect.key


async def test_a_forgotten_run_stores_no_content_any_more(url: str, make: Any, clock: Any) -> None:
    keys = KeysInMemory()
    journal = Journal(url, seal=Seal(keys), clock=clock)
    await journal.start()
    await fill(journal, make)
    assert keys.destroy(ALICE)
    assert await forget(journal, "run_1") == ["run_1"]
    digest = journal.put_payload("run_1", b"late")
    journal.append("run_1", [make.event("late", text=MARK, result={"payload": digest})])
    late = replace(make.move(2, "PLANNED", "CANCELLED"), reason=MARK)
    await journal.move("run_1", owner="me", transition=late, events=[])
    await journal.flush()
    assert keys.find(ALICE) is None, "and it makes no new key for that"
    assert await journal.payloads("run_1") == {}
    await journal.aclose()


async def test_from_the_moment_they_are_hidden_nobody_is_served_any_of_them(
    journal: Journal, make: Any
) -> None:
    for run_id in ("run_1", "run_2"):
        await fill(journal, make, run_id)
    await journal.hide_runs(["run_1", "run_2"])
    for run_id in ("run_1", "run_2"):
        with pytest.raises(NotFound):
            await journal.run(run_id, tenant="acme")
        assert await journal.erase_run(run_id, tenant="acme"), "what they say is still to be erased"


async def test_other_runs_and_other_users_are_left_alone(journal: Journal, make: Any) -> None:
    await fill(journal, make)
    await fill(journal, make, "run_2", user="bob")
    assert await forget(journal, "run_1") == ["run_1"]
    assert await forget(journal, "run_1") == []
    assert [run.run_id for run in await journal.runs(tenant="acme")] == ["run_2"]
    assert (await journal.run("run_2", tenant="acme")).request == {"text": MARK}
    again, new = await journal.create_run(make.run("run_4"), events=[make.event()])
    assert new
    assert await journal.run("run_4", tenant="acme") == again, "somebody who was forgotten may come back"


async def test_a_book_says_whose_it_is_under_seal_and_is_forgotten_as_often_as_it_is_opened(
    url: str, make: Any, clock: Any
) -> None:
    journal = Journal(url, seal=Seal(KeysInMemory()), clock=clock)
    await journal.start()
    who = Principal(tenant="acme", user="alice", attributes={"mail": f'"{MARK}"\\n'})
    for number in range(2):
        await journal.record(who, [make.event(text=MARK, key=f"{number}")], lambda _: None)
        whose = await journal.read(lambda c: c.execute(text("SELECT principal FROM runs")).scalar_one())
        assert MARK.encode() not in bytes(whose)
        book = await journal.run(book_id("acme", "alice"), tenant="acme")
        assert Principal.from_dict(book.principal) == who
        assert await forget(journal, book.run_id) == [book.run_id]
        clock.forward(minutes=1)
    await journal.aclose()


async def test_a_foreign_run_is_not_erased(journal: Journal, make: Any) -> None:
    await fill(journal, make)
    with pytest.raises(NotFound):
        await journal.erase_run("run_1", tenant="other")
    assert (await journal.run("run_1", tenant="acme")).request == {"text": MARK}


async def test_a_queued_run_that_is_forgotten_is_never_taken(journal: Journal, make: Any, clock: Any) -> None:
    from datetime import timedelta

    await journal.create_run(make.run(), events=[make.event()], queued=True)
    await journal.create_run(make.run("run_2", user="bob"), events=[make.event()], queued=True)
    await forget(journal, "run_1")
    taken = await journal.next_queued(supervisor="desk", owner="me", lease=timedelta(minutes=1))
    assert taken is not None
    assert taken.run_id == "run_2"


async def test_nothing_of_it_is_left_in_any_file_and_the_chain_verifies(
    tmp_path: Path, make: Any, clock: Any
) -> None:
    url = f"sqlite:///{tmp_path / 'j.db'}"
    journal = Journal(url, clock=clock)  # without keys: what is erased is overwritten
    await journal.start()
    await fill(journal, make)
    assert any(MARK.encode() in path.read_bytes() for path in tmp_path.iterdir())
    await journal.erase_run("run_1", tenant="acme")
    assert not [path for path in tmp_path.iterdir() if MARK.encode() in path.read_bytes()], "log included"
    await journal.aclose()
    assert audit(url).sound


async def test_an_erasure_that_no_event_tells_of_is_found(shared_url: str, make: Any, clock: Any) -> None:
    journal = Journal(shared_url, clock=clock)
    await journal.start()
    digest = await fill(journal, make)
    await fill(journal, make, "run_2")
    await journal.erase_run("run_2", tenant="acme")
    await journal.aclose()
    assert audit(shared_url).sound
    execute(
        shared_url,
        "UPDATE events SET data = (SELECT data FROM events WHERE run_id = 'run_2' AND seq = 1)"
        " WHERE run_id = 'run_1' AND seq = 1",
    )
    execute(shared_url, "UPDATE payloads SET body = NULL, redacted = '' WHERE run_id = 'run_1'")
    found = {(f.kind, f.what, f.first or f.digest) for f in audit(shared_url).findings if f.run_id == "run_1"}
    assert found == {("edited", "event", 1), ("dropped", "payload", digest)}
