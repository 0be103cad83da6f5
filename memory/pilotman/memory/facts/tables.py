"""The tables of facts, beside the journal's. What somebody owns is sealed; ids, times and labels are not."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text

from pilotman.memory.storage.schema import metadata

facts = Table(
    "facts",
    metadata,
    Column("fact_id", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("owner", Text),
    Column("body", LargeBinary),
    Column("digest", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("valid_from", BigInteger, nullable=False),
    Column("valid_to", BigInteger),
    Column("recorded_at", BigInteger, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("retracted_at", BigInteger),
    Column("retracted_by", Text),
    Column("retraction", LargeBinary),
    Column("promoted_at", BigInteger),
    Column("promoted_by", Text),
    Column("expires_at", BigInteger),
    Column("corrects", Text),
    Index("ix_facts_tenant_owner", "tenant", "owner"),
)

fact_supports = Table(  # a fact stands while all of one of its numbered sets does
    "fact_supports",
    metadata,
    Column("fact_id", Text, ForeignKey("facts.fact_id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("support", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Index("ix_fact_supports_tenant_support", "tenant", "support"),
)
