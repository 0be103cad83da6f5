"""Every event is sealed: on SQLite with its transaction, on PostgreSQL soon after, by any process."""

from __future__ import annotations

import asyncio
from dataclasses import fields
from datetime import timedelta

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import MetaData, Table, insert, text
from tests.memory.test_processes import KILLED, finish, start
from tests.memory.vault import Vault, event, run, said

from pilotman.memory.audit.block_check import heads_of
from pilotman.memory.journal.chain import EMPTY
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import RunRow
from pilotman.memory.storage import migrations
from pilotman.memory.storage.codec import encode
from pilotman.memory.storage.database import Database, database
from pilotman.memory.storage.schema import metadata

pytestmark = pytest.mark.anyio


async def opened(url: str) -> Journal:
    journal = Journal(url)
    await journal.start()
    return journal


async def test_the_last_block_counts_all_that_was_appended(url: str) -> None:
    journal = await opened(url)
    assert await journal.tip() == EMPTY
    for name in ("a", "b"):
        await journal.create_run(run(f"run_{name}"), events=[event("started")])
        journal.append(f"run_{name}", [event("one"), event("two"), event("one")])
    tip = await journal.tip()
    assert (tip.events, tip.runs) == (6, 2)
    journal.append("run_a", [event("three")])
    later = await journal.tip()
    assert (later.events, later.runs, later.previous) == (7, 2, tip.hash)
    assert [head[:3] for head in heads_of(later)] == [("run_a", 4, 4)]
    await journal.aclose()


async def test_what_adds_no_event_adds_no_block(url: str) -> None:
    journal = await opened(url)
    await journal.create_run(run("run_a"), events=[event("started")])
    tip = await journal.tip()
    journal.append("run_a", [event("started")])
    await journal.claim("run_a", owner="me", lease=timedelta(hours=1), is_dead=lambda _: False)
    journal.put_payload("run_a", b"body")
    assert await journal.tip() == tip
    await journal.aclose()


async def test_what_was_taken_back_is_in_no_block(url: str) -> None:
    journal = await opened(url)
    await journal.create_run(run("run_a"), events=[event("started")])
    journal.append("run_missing", [event("lost")])
    journal.append("run_a", [event("kept")])
    tip = await journal.tip()
    assert (tip.events, tip.runs) == (2, 1)
    with pytest.raises(Exception, match="refuses"):
        await journal.aclose()


async def test_two_processes_make_one_chain(shared_url: str) -> None:
    journal = await opened(shared_url)
    await journal.create_run(run("run_1"), events=[event("started")])
    await journal.aclose()
    body = """
await journal.create_run(run(name), events=[event("started")])
for i in range(60):
    journal.append("run_1", [event(f"{name}-{i}", i=i), event(f"shared-{i}", i=-1)])
    journal.append(name, [event(f"own-{i}")])
    if i % 5 == 0: await journal.flush()
"""
    processes = [start(shared_url, name, body) for name in ("a", "b", "c")]
    vault = Vault(shared_url)
    while any(process.poll() is None for process in processes):
        report = await asyncio.to_thread(vault.report)
        assert report.sound, said(report)  # as of one moment, whatever goes on
    await asyncio.to_thread(finish, processes)
    report = await asyncio.to_thread(vault.report)
    assert report.sound, said(report)
    assert (report.events, report.runs) == (1 + 4 * 60 + 3 * 61, 4)
    journal = await opened(shared_url)
    tip = await journal.tip()
    await journal.aclose()
    assert (tip.events, tip.runs) == (report.events, report.runs)
    assert await asyncio.to_thread(vault.value, "SELECT count(*) FROM unsealed") == 0


async def test_a_process_that_is_killed_leaves_a_sound_journal(shared_url: str) -> None:
    for name in ("first", "second"):
        process = start(shared_url, name, KILLED)
        assert process.stdout is not None
        for _ in range(20):
            assert process.stdout.readline(), process.communicate()[1]
        process.kill()
        process.communicate()
        report = Vault(shared_url).report()
        assert report.sound, said(report)
        assert report.events > 20


async def test_what_lies_unsealed_is_looked_at_and_said_to_be_unprotected(shared_url: str) -> None:
    journal = await opened(shared_url)
    await journal.create_run(run("run_1"), events=[event("started")])
    for n in range(3):
        journal.append("run_1", [event(f"e{n}")])
        await journal.flush()
    await journal.aclose()
    vault = Vault(shared_url)
    report = vault.report()
    assert report.sound
    assert report.unprotected_events == 4
    vault.drop("run_1", 4, 4)
    assert said(vault.report()) == [("truncated", "event", "run_1", 4, 4)]


def as_it_was(store: Database, events: int) -> None:
    """A journal of the first release, with a run of so many events."""
    config = Config()
    config.set_main_option("script_location", str(migrations.__path__[0]))
    store.open()
    with store.transaction("write") as connection:
        metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        then = Table("runs", MetaData(), autoload_with=connection)  # its columns had other types
        old = {f.name: encode(getattr(run("run_old"), f.name)) for f in fields(RunRow) if f.name in then.c}
        connection.execute(insert(then), old)
        for seq in range(1, events + 1):
            connection.execute(text(NOTE), {"run_id": "run_old", "seq": seq})
    store.close()


NOTE = (
    "INSERT INTO events (run_id, seq, key, at, kind, actor, data)"
    " VALUES (:run_id, :seq, 'old-' || :seq, 1, 'noted', 'desk', '{}')"
)


@pytest.mark.parametrize("events", [0, 5])
async def test_events_from_before_are_counted_and_said_to_be_unprotected(
    shared_url: str, events: int
) -> None:
    await asyncio.to_thread(as_it_was, database(shared_url, busy_timeout=5), events)
    journal = await opened(shared_url)
    journal.append("run_old", [event("new")])
    await journal.create_run(run("run_new"), events=[event("started")])
    tip = await journal.tip()
    assert (tip.events, tip.runs) == (events + 2, 2)
    await journal.aclose()
    vault = Vault(shared_url)
    report = vault.report()
    assert report.sound, said(report)
    assert (report.events, report.unhashed) == (events + 2, events)
    if not events:
        return
    vault.execute(NOTE, run_id="run_new", seq=2)
    assert said(vault.report()) == [("inserted", "event", "run_new", 2, 2)]
