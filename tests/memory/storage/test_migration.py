from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from pilotman.memory.storage import migrations
from pilotman.memory.storage.database import database
from pilotman.memory.storage.migration import needed
from pilotman.memory.storage.schema import metadata


def test_the_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(str(migrations.__file__)).parent))
    scripts = ScriptDirectory.from_config(config)
    known = [script.revision for script in scripts.walk_revisions("base", "heads")]
    assert tuple(reversed(known)) == migrations.REVISIONS
    assert scripts.get_heads() == [migrations.REVISIONS[-1]]


def test_the_migrated_schema_is_the_one_in_code(url: str) -> None:
    store = database(url, busy_timeout=1)
    store.open()
    try:
        with store.transaction("read") as connection:
            context = MigrationContext.configure(connection, opts={"compare_server_default": True})
            assert compare_metadata(context, metadata) == []
            assert not needed(connection)
    finally:
        store.close()


def test_indexes_are_the_same_to_the_letter() -> None:
    """Alembic does not compare the conditions of partial indexes: SQLite's own texts do."""

    def schema(build: Any) -> set[str]:
        store = database("sqlite://", busy_timeout=1)
        store.open()
        try:
            with store.transaction("write") as connection:
                build(connection)
                rows = connection.execute(
                    text("SELECT sql FROM sqlite_master WHERE type = 'index'")
                ).scalars()
                return {" ".join(sql.replace('"', "").split()) for sql in rows if sql}
        finally:
            store.close()

    def rebuilt(connection: Any) -> None:
        metadata.drop_all(connection)
        metadata.create_all(connection)

    def migrated(_: Any) -> None: ...

    assert schema(migrated) == schema(rebuilt)


def test_many_threads_migrate_their_databases_at_once(tmp_path: Path) -> None:
    def one(number: int) -> None:
        store = database(f"sqlite:///{tmp_path / f'{number % 4}.db'}", busy_timeout=10)
        store.open()
        store.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(16)))


@pytest.mark.parametrize("kind", ["half-made", "empty version"])
def test_a_migration_that_was_cut_short_is_done_again(tmp_path: Path, kind: str) -> None:
    url = f"sqlite:///{tmp_path / 'j.db'}"
    store = database(url, busy_timeout=1)
    store.open()
    with store.transaction("write") as connection:
        metadata.drop_all(connection)
        connection.execute(text("DELETE FROM alembic_version"))
        if kind == "half-made":
            connection.execute(text("DROP TABLE alembic_version"))
    store.close()
    store = database(url, busy_timeout=1)
    store.open()
    with store.transaction("read") as connection:
        assert not needed(connection)
    store.close()
