from __future__ import annotations

import asyncio
import hashlib
import shutil
import sqlite3
import stat
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pilotman.guardrails.errors import ConfigurationError, CorruptJournal, Unavailable
from pilotman.memory.journal.journal import Journal
from pilotman.memory.storage.database import MODES, PostgresDatabase, SqliteDatabase, database

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "url", ["sqlite://", "sqlite:///:memory:", "sqlite:///a.db", "sqlite+pysqlite:////tmp/a.db"]
)
def test_sqlite_urls(url: str) -> None:
    assert isinstance(database(url, busy_timeout=1), SqliteDatabase)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_postgres_urls(scheme: str) -> None:
    assert isinstance(
        database(f"{scheme}://user:pw@host/name?sslmode=require", busy_timeout=1), PostgresDatabase
    )


@pytest.mark.parametrize(
    "url", ["mysql://host/x", "desk.db", "", "postgresql+asyncpg://host/x", "sqlite+aiosqlite://"]
)
def test_other_urls_are_refused_with_a_hint(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sqlite:///file\.db"):
        Journal(url)


def test_constructing_touches_nothing(tmp_path: Path) -> None:
    Journal(f"sqlite:///{tmp_path / 'deep' / 'j.db'}")
    assert list(tmp_path.iterdir()) == []


async def test_a_new_journal_is_private(tmp_path: Path) -> None:
    path = tmp_path / "home" / "deep" / "j.db"
    journal = Journal(f"sqlite:///{path}")
    await journal.start()
    modes = {
        p: stat.S_IMODE(p.stat().st_mode) for p in (path.parent.parent, path.parent, *path.parent.iterdir())
    }
    await journal.aclose()
    assert modes.pop(path.parent.parent) == modes.pop(path.parent) == 0o700
    assert set(modes.values()) == {0o600}


async def whole(path: Path, make: Any) -> bytes:
    """A journal with a run in it."""
    journal = Journal(f"sqlite:///{path}")
    await journal.start()
    await journal.create_run(make.run(), events=[make.event(text="x" * 20_000)])
    journal.put_payload("run_1", b"a payload")
    await journal.aclose()
    return path.read_bytes()


def zeroed(body: bytes) -> bytes:
    return body[:4096] + bytes(4096 * 3) + body[4096 * 4 :]


def newer(body: bytes, path: Path) -> bytes:
    path.write_bytes(body)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    return path.read_bytes()


def foreign(_: bytes, path: Path) -> bytes:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE runs (x)")
        connection.commit()
    return path.read_bytes()


BROKEN: dict[str, Callable[[bytes, Path], bytes]] = {
    "text": lambda _, __: b"# Shopping\n- milk\n" * 100,
    "short text": lambda _, __: b"x",
    "cut in a page": lambda body, _: body[: len(body) // 2 + 17],
    "cut at a page": lambda body, _: body[: 4096 * 3],
    "header alone": lambda body, _: body[:60],
    "bad header": lambda body, _: b"SQLite format 4\x00" + body[16:],
    "zeroed pages": lambda body, _: zeroed(body),
    "noise": lambda body, _: body[:4096] + hashlib.sha512(body).digest() * (len(body) // 64 - 64),
    "newer schema": newer,
    "another program's": foreign,
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_not_a_whole_journal_is_refused_and_left_alone(
    tmp_path: Path, make: Any, kind: str
) -> None:
    path = tmp_path / "j.db"
    body = BROKEN[kind](await whole(path, make), path)
    path.write_bytes(body)
    before = sorted(p.name for p in tmp_path.iterdir())
    journal = Journal(f"sqlite:///{path}")
    with pytest.raises(CorruptJournal) as refused:
        await journal.start()
    assert refused.value.hint
    assert str(path) in str(refused.value) or "9999" in str(refused.value)
    assert path.read_bytes() == body
    assert sorted(p.name for p in tmp_path.iterdir()) == before
    assert not journal.started


async def test_a_newer_journal_that_was_not_closed_is_left_alone_too(tmp_path: Path, make: Any) -> None:
    path, copy = tmp_path / "j.db", tmp_path / "copy.db"
    newer(await whole(path, make), path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO queue VALUES ('run_1', 't', 's', 1, 1)")
        connection.commit()
        for end in ("", "-wal"):
            shutil.copy(f"{path}{end}", f"{copy}{end}")
    bodies = [Path(f"{copy}{end}").read_bytes() for end in ("", "-wal")]
    with pytest.raises(CorruptJournal, match="9999"):
        await Journal(f"sqlite:///{copy}").start()
    assert [Path(f"{copy}{end}").read_bytes() for end in ("", "-wal")] == bodies


async def test_an_empty_file_is_a_new_journal(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "j.db"
    path.touch()
    await whole(path, make)


async def test_damage_behind_a_good_header_is_told_when_it_is_met(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "j.db"
    body = await whole(path, make)
    journal = Journal(f"sqlite:///{path}")
    await journal.start()
    path.write_bytes(body[:4096] + bytes(len(body) - 4096))
    with pytest.raises(CorruptJournal, match="damaged"):
        await journal.events("run_1", tenant="acme")
    await journal.aclose()


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        (b"RECEIVED", b"R\xffCEIVED"),
        (b'{"max_steps"', b'{"max_steps\x01'),
        (b"trace_parent", b"trace\xe3parent"),
        (b"trace_parent", b"trace_parfnt"),
        (b"cost_nusd", b"cost_nust"),
        (b"a payload", b"a paylaod"),
    ],
)
async def test_a_changed_byte_is_damage_and_no_other_error(
    tmp_path: Path, make: Any, stored: bytes, found: bytes
) -> None:
    path = tmp_path / "j.db"
    await whole(path, make)
    path.write_bytes(path.read_bytes().replace(stored, found))
    journal = Journal(f"sqlite:///{path}")
    with pytest.raises(CorruptJournal, match=r"damaged|not a journal"):
        try:
            await journal.start()
            await journal.run("run_1", tenant="acme")
            await journal.payloads("run_1")
            journal.append("run_1", [make.event("new")])
            await journal.flush()
        finally:
            with suppress(CorruptJournal):
                await journal.aclose()


@pytest.mark.parametrize("where", ["a folder", "under a file"])
async def test_a_place_where_no_file_can_be(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path if where == "a folder" else tmp_path / "file" / "j.db"
    with pytest.raises(Unavailable) as refused:
        await Journal(f"sqlite:///{path}").start()
    assert refused.value.hint


async def test_a_lock_that_is_held_too_long(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "j.db"
    journal = Journal(f"sqlite:///{path}", busy_timeout=0.1)
    await journal.start()
    await journal.create_run(make.run(), events=[])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        journal.append("run_1", [make.event("rides")])
        await asyncio.sleep(0.3)  # riders alone wait for better times
        assert [run.run_id for run in await read_only(path)] == ["run_1"]
        with pytest.raises(Unavailable, match="locked"):
            await journal.create_run(make.run("run_2"), events=[])
        other.execute("ROLLBACK")
    await journal.create_run(make.run("run_2"), events=[])
    assert len(await journal.events("run_1", tenant="acme")) == 1
    await journal.aclose()


async def read_only(path: Path) -> list[Any]:
    journal = Journal(f"sqlite:///{path}", busy_timeout=0.1)
    await journal.start()
    try:
        return await journal.runs(tenant="acme")
    finally:
        await journal.aclose()


async def test_riders_outlast_a_lock_that_goes_away(tmp_path: Path, make: Any) -> None:
    path = tmp_path / "j.db"
    journal = Journal(f"sqlite:///{path}", busy_timeout=0.05)
    await journal.start()
    await journal.create_run(make.run(), events=[])
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for i in range(5):
            journal.append("run_1", [make.event(f"e{i}", i=i)])
            await asyncio.sleep(0.05)
        other.execute("ROLLBACK")
    assert [event.data["i"] for event in await journal.events("run_1", tenant="acme")] == list(range(5))
    await journal.aclose()


def test_an_intent_is_synced_and_other_commits_are_not(tmp_path: Path) -> None:
    store = SqliteDatabase(tmp_path / "j.db", busy_timeout=1)
    store.open()
    try:
        seen = []
        for mode in MODES[:2]:
            with store.transaction(mode) as connection:
                seen.append(connection.execute(text("PRAGMA synchronous")).scalar_one())
        with store.transaction("read") as connection:
            assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
            assert connection.execute(text("PRAGMA foreign_keys")).scalar_one() == 1
        assert seen == [2, 1]
    finally:
        store.close()


async def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    journal = Journal("postgresql://nobody@127.0.0.1:1/nothing?connect_timeout=2")
    with pytest.raises(Unavailable) as refused:
        await journal.start()
    assert "\n" not in str(refused.value)


@pytest.mark.slow
async def test_a_lost_connection_is_made_again(postgres_url: str, make: Any) -> None:
    import psycopg

    journal = Journal(postgres_url)
    await journal.start()
    await journal.create_run(make.run(owner="me"), events=[])
    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'pilotman'"
        )
    journal.append("run_1", [make.event()])
    await journal.move("run_1", owner="me", transition=make.move(1, "RECEIVED", "PLANNED"), events=[])
    assert len(await journal.events("run_1", tenant="acme")) == 1
    await journal.aclose()


@pytest.mark.slow
async def test_another_programs_database_is_left_alone(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as other:
        other.execute("CREATE TABLE runs (x int)")
    with pytest.raises(CorruptJournal, match="another program"):
        await Journal(postgres_url).start()


def test_header_layout_is_what_the_check_assumes(tmp_path: Path) -> None:
    store = SqliteDatabase(tmp_path / "j.db", busy_timeout=1)
    store.open()
    store.close()
    header = (tmp_path / "j.db").read_bytes()[:100]
    page, count, application = struct.unpack_from(">H10xI36xI", header, 16)
    assert page * count == (tmp_path / "j.db").stat().st_size
    assert application == 0x504C544D
