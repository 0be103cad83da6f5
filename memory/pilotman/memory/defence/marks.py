"""The marks of others' words among the facts: by them the same is found again under another owner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import BigInteger, Column, Connection, ForeignKey, Index, Table, Text

from pilotman.memory.defence.contamination import Known
from pilotman.memory.defence.sketch import Sketch
from pilotman.memory.storage.codec import dump, load
from pilotman.memory.storage.schema import metadata
from pilotman.memory.storage.statement import Statement

fact_marks = Table(  # keyed digests: they tell nothing of the text
    "fact_marks",
    metadata,
    Column("fact_id", Text, ForeignKey("facts.fact_id", ondelete="CASCADE"), primary_key=True),
    Column("mark", BigInteger, primary_key=True, autoincrement=False),
    Column("tenant", Text, nullable=False),
    Index("ix_fact_marks_tenant_mark", "tenant", "mark"),
)
_MOST = 256
"""Facts that are compared with a new one: those with the most marks in common."""
_RUN = "run:"


def add(connection: Connection, fact_id: str, tenant: str, marks: Sketch) -> None:
    """Store the marks of a fact that is there."""
    if marks:
        _ADD.each(connection, [(fact_id, mark, tenant) for mark in sorted(marks)])


def of(connection: Connection, fact_id: str) -> Sketch:
    """The marks of a fact; none of what its owner said of their own accord."""
    return frozenset(int(row[0]) for row in _OF.rows(connection, fact_id))


def near(connection: Connection, tenant: str, marks: Sketch) -> list[Known]:
    """The tenant's facts that share marks, those that were retracted only if they are in quarantine."""
    found: defaultdict[tuple[str, str | None, str, str, str], set[int]] = defaultdict(set)
    for *told, mark in _NEAR.rows(connection, tenant, dump(sorted(marks)), _MOST):
        found[tuple(told)].add(int(mark))
    return [
        Known(
            memory=fact_id,
            owner=owner,
            session=source if source.startswith(_RUN) else "",
            marks=frozenset(own),
            sources=frozenset(load(label)["sources"]),
            quarantined=status == "quarantined",
            condemned=status == "quarantined" and not load(label)["suspicions"],
        )
        for (fact_id, owner, source, status, label), own in found.items()
    ]


def erase(connection: Connection, fact_ids: Collection[str]) -> None:
    """Their facts are forgotten."""
    _ERASE.each(connection, [(dump(sorted(fact_ids)),)])


_ADD = Statement("INSERT INTO fact_marks (fact_id, mark, tenant) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
_ERASE = Statement(
    "DELETE FROM fact_marks WHERE fact_id IN (SELECT value FROM json_each(?))",
    postgresql="DELETE FROM fact_marks WHERE fact_id IN (SELECT jsonb_array_elements_text(?::jsonb))",
)
_OF = Statement("SELECT mark FROM fact_marks WHERE fact_id = ?")
_NEAREST = (
    " GROUP BY fact_id ORDER BY count(*) DESC, fact_id LIMIT ?) n ON n.fact_id = m.fact_id"
    " JOIN facts f ON f.fact_id = m.fact_id WHERE f.retracted_at IS NULL OR f.status = 'quarantined'"
)
_SELECT = (
    "SELECT f.fact_id, f.owner, f.source, f.status, f.label, m.mark FROM fact_marks m"
    " JOIN (SELECT fact_id FROM fact_marks WHERE tenant = ? AND mark IN"
)
_NEAR = Statement(
    f"{_SELECT} (SELECT value FROM json_each(?)){_NEAREST}",  # noqa: S608
    postgresql=f"{_SELECT} (SELECT jsonb_array_elements_text(?::jsonb)::bigint){_NEAREST}",
)
