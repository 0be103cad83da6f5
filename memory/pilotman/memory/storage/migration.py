"""Brings a database to the present schema, with Alembic, inside the caller's transaction."""

from __future__ import annotations

import threading
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from pilotman.guardrails.errors import CorruptJournal
from pilotman.memory.storage.migrations import REVISIONS

# Alembic's context and op are proxies of the whole process: one migration at a time.
_ONE_AT_A_TIME = threading.Lock()


def needed(connection: Connection) -> bool:
    """Whether the schema is older than this package's, or not there at all.

    Raises:
        CorruptJournal: the database belongs to something else or to a newer version.
    """
    tables = set(inspect(connection).get_table_names())
    if "alembic_version" not in tables:
        if tables & {"runs", "events"}:
            raise CorruptJournal(
                "the database has tables of another program; it was left untouched",
                hint="give the journal a database of its own",
            )
        return True
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    check_revision(revision)
    return revision != REVISIONS[-1]


def check_revision(revision: str | None) -> None:
    """See that the schema's revision is one of ours.

    Raises:
        CorruptJournal: a revision that this package does not know, hence a newer one.
    """
    if revision is not None and revision not in REVISIONS:
        raise CorruptJournal(
            f"the journal's schema {revision!r} is not known to this version; it was left untouched",
            hint="upgrade pilotman, or give the journal a database of its own",
        )


def migrate(connection: Connection) -> None:
    """Upgrade to the newest revision, if it is not there yet. The caller holds the database's write lock."""
    if not needed(connection):
        return
    # imported here: it takes about 0.3 s, and a journal that is up to date does not need it
    from alembic import command
    from alembic.config import Config

    config = Config()
    folder = str(Path(__file__).parent / "migrations")
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        command.upgrade(config, "head")
