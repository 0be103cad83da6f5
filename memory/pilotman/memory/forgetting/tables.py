"""The tables of forgetting: legal holds, and receipts. They hold ids, digests and reasons, no content."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, Table, Text, text

from pilotman.memory.storage.schema import metadata

holds = Table(
    "holds",
    metadata,
    Column("hold_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", BigInteger, nullable=False),
    Column("released_by", Text),
    Column("released_at", BigInteger),
    Index("ix_holds_tenant", "tenant"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("receipt_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    Column("asked_at", BigInteger, nullable=False),
    Column("erased", Text, nullable=False),
    Column("held", Text, nullable=False),
    Column("unreached", Text),
    Column("digest", Text, nullable=False),
    Column("marks", LargeBinary),
    Column("remains", Text),
    Index("ix_receipts_tenant", "tenant", "asked_at"),
)
_UNFINISHED = text("unreached IS NOT NULL")
Index("ix_receipts_unfinished", receipts.c.tenant, sqlite_where=_UNFINISHED, postgresql_where=_UNFINISHED)
