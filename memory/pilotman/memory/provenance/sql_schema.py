"""The tables of a provenance graph, on SQLite and PostgreSQL.

They have a version of their own, not the journal's migrations: on SQLite they lie in a file of their own, and
either may be on another server than the journal.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    inspect,
    text,
)

from pilotman.guardrails.errors import CorruptJournal
from pilotman.memory.storage.database import Schema, lock

VERSION = 1

metadata = MetaData()

version = Table("provenance_version", metadata, Column("version", Integer, nullable=False))

nodes = Table(  # numbered, so that edges are small
    "provenance_nodes",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("at", BigInteger),
    Column("data", Text, nullable=False),
    Column("erased", Boolean, nullable=False),
    UniqueConstraint("tenant", "id", name="uq_provenance_nodes_tenant_id"),
)

edges = Table(  # nodes stay for ever, so nothing dangles; both ends are of one tenant
    "provenance_edges",
    metadata,
    Column("source", BigInteger, primary_key=True, autoincrement=False),
    Column("relation", SmallInteger, primary_key=True, autoincrement=False),
    Column("target", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger),
    Column("data", Text, nullable=False),
    Index("ix_provenance_edges_target_relation_source", "target", "relation", "source"),
    sqlite_with_rowid=False,
)


def _needed(connection: Connection) -> bool:
    if not inspect(connection).has_table(version.name):
        return True
    found = connection.execute(text("SELECT max(version) FROM provenance_version")).scalar()
    if found is not None and found > VERSION:
        raise CorruptJournal(
            f"the provenance graph's schema {found} is not known to this version; it was left untouched",
            hint="upgrade pilotman, or give the graph a database of its own",
        )
    return found != VERSION


def _migrate(connection: Connection) -> None:
    lock(connection, version.name)
    if _needed(connection):
        metadata.create_all(connection)
        connection.execute(version.insert().values(version=VERSION))


SCHEMA = Schema(needed=_needed, migrate=_migrate)
