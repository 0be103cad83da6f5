"""Rows of journals from before content was sealed are read, and what is written to them is sealed."""

from __future__ import annotations

from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from pilotman.guardrails.seal import KeysInMemory, Seal
from pilotman.memory.audit.audit import verify
from pilotman.memory.journal import blocks
from pilotman.memory.journal.chain import Tail, chained, genesis
from pilotman.memory.journal.journal import Journal
from pilotman.memory.storage import migrations
from pilotman.memory.storage.database import database, parse
from pilotman.memory.storage.stored import headed, is_text, key_id, referred, without_head

pytestmark = pytest.mark.anyio
_RUN = (
    'INSERT INTO runs (run_id, tenant, "user", principal, supervisor, thread_id, idempotency_key, task_type,'
    " severity, request, budget, versions, state, created_at, updated_at, waited_s, active, owner,"
    " cancel_requested) VALUES ('run_1', 'acme', 'alice', '{}', 'desk', 'talk', 'the key', '', 0,"
    " '{\"text\": \"ä\"}', '{}', '{}', 'RECEIVED', 1, 1, 0, :yes, 'me', 'enough')"
)
_EVENT = (
    "INSERT INTO events (run_id, seq, key, at, kind, actor, data, hash)"
    " VALUES ('run_1', 1, 'k', 1, 'noted', 'desk', :data, :hash)"
)


def older(url: str) -> None:
    """A journal of revision 0004 with one run."""
    config = Config()
    config.set_main_option("script_location", str(migrations.__path__[0]))
    engine = create_engine(parse(url), poolclass=NullPool)
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA application_id=0x504C544D")
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        data = '{"said":"ö"}'
        values = ("run_1", 1, "k", 1, "noted", "desk", *(None,) * 8, data)
        first = chained(genesis("run_1", "acme"), values)
        connection.execute(text(_RUN), {"yes": True})
        connection.execute(text(_EVENT), {"data": data, "hash": first})
        blocks.seal(connection, {"run_1": Tail(1, 1, first)})
        if connection.dialect.name == "postgresql":
            blocks.gather(connection)


async def test_a_journal_from_before_is_read_and_goes_on_sealed(shared_url: str, make: Any) -> None:
    older(shared_url)
    keys = KeysInMemory()
    journal = Journal(shared_url, seal=Seal(keys))
    await journal.start()
    run = await journal.run("run_1", tenant="acme")
    assert (run.request, run.cancel_requested) == ({"text": "ä"}, "enough")
    again = await journal.run_of("the key", tenant="acme")
    assert again is not None
    assert again.run_id == "run_1"
    journal.append("run_1", [make.event("more", text="xyzzy")])
    await journal.flush()
    events = await journal.events("run_1", tenant="acme")
    assert [event.data for event in events] == [{"said": "ö"}, {"text": "xyzzy"}]
    assert verify(database(shared_url, busy_timeout=5)).sound
    assert await journal.erase_run("run_1", tenant="acme")
    await journal.aclose()
    assert verify(database(shared_url, busy_timeout=5)).sound
    engine = create_engine(parse(shared_url), poolclass=NullPool)
    with engine.begin() as connection:
        left = [tuple(row) for row in connection.execute(text("SELECT * FROM runs, events"))]
    assert not [row for row in left if any(word in str(row) for word in ("ä", "ö", "the key", "enough"))]


def test_a_head_tells_what_is_referred_to_without_keys() -> None:
    digests = [bytes(32), bytes(range(32))]
    assert headed([], b"\x80{}") == b"\x80{}"
    stored = headed(digests, b"\x80{}")
    assert referred(stored) == [digest.hex() for digest in digests]
    assert without_head(stored) == b"\x80{}"
    assert not is_text(stored)
    assert key_id(stored) is None
