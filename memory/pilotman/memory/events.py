"""Events in the database: appended in order, without gaps, each key once in its run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from sqlalchemy import Connection, bindparam, exists, func, insert, literal_column, select
from sqlalchemy.dialects import registry
from sqlalchemy.sql.dml import Insert

from pilotman.memory.codec import dump, load, micros, moment, text
from pilotman.memory.event import Event, NewEvent
from pilotman.memory.schema import events, runs

TOUCHED = "pilotman_touched"
"""Where a connection's ``info`` collects the runs that got events."""
EventRow: TypeAlias = dict[str, Any]
"""A new event as its columns, without its number."""


def prepare(run_id: str, new: NewEvent) -> EventRow:
    """The event as columns. Encoding happens in the caller's thread, so that bad data fails there.

    Raises:
        TypeError: ``data`` cannot be written as JSON.
    """
    data = new.data
    get = data.get
    return {
        "run_id": run_id,
        "key": text(new.key),
        "at": micros(new.at),
        "kind": new.kind,
        "actor": text(new.actor),
        "step_id": _words(get("path")),
        "model": _words(get("model")),
        "tool": _words(get("tool")),
        "latency_ms": _number(get("latency_ms")),
        "input_tokens": _whole(get("input_tokens")),
        "output_tokens": _whole(get("output_tokens")),
        "cost_nusd": _whole(get("cost_nusd")),
        "result": _result(data),
        "data": dump(data),
    }


def append(connection: Connection, rows: Sequence[EventRow]) -> None:
    """Give each row the next number of its run and store it; a key that is known already is passed over.

    Two processes may append to one run: SQLite has one writer at a time, PostgreSQL locks the run's row.
    """
    if not rows:
        return
    touched = {row["run_id"] for row in rows}
    if connection.dialect.name == "postgresql":
        ordered = sorted(touched)  # always in this order: no deadlock between writers
        connection.execute(
            select(runs.c.run_id).where(runs.c.run_id.in_(ordered)).order_by(runs.c.run_id).with_for_update()
        )
    connection.info.setdefault(TOUCHED, set()).update(touched)
    connection.exec_driver_sql(_APPEND[connection.dialect.name], list(rows))


def read(connection: Connection, run_id: str, after: int) -> list[Event]:
    """A run's events with ``seq > after``, in order."""
    rows = connection.execute(_READ, {"run_id": run_id, "after": after})
    return [
        Event(seq=seq, run_id=run_id, at=moment(at), kind=kind, actor=actor, data=load(data))
        for seq, at, kind, actor, data in rows
    ]


def tool_calls(connection: Connection, tenant: str, thread_id: str) -> dict[str, int]:
    """Calls started per tool, over all runs of a conversation; another attempt of a call is no other call."""
    rows = connection.execute(_CALLS, {"tenant": tenant, "thread_id": thread_id})
    return {str(row[0]): int(row[1]) for row in rows}


def _statement() -> Insert:
    """One INSERT … SELECT: the number is found and the key is looked up where the row is written."""
    names = [column.name for column in events.c]
    mine = events.c.run_id == bindparam("run_id", type_=events.c.run_id.type)
    number = select(func.coalesce(func.max(events.c.seq), literal_column("0")) + literal_column("1")).where(
        mine
    )
    values = [
        number.scalar_subquery() if name == "seq" else bindparam(name, type_=events.c[name].type)
        for name in names
    ]
    known = exists().where(mine, events.c.key == bindparam("key", type_=events.c.key.type))
    return insert(events).from_select(names, select(*values).where(~known))


# compiled once: the statement is executed for every event
_APPEND = MappingProxyType(
    {
        "sqlite": str(_statement().compile(dialect=registry.load("sqlite.pysqlite")(paramstyle="named"))),
        "postgresql": str(_statement().compile(dialect=registry.load("postgresql.psycopg")())),
    }
)
_READ = (
    select(events.c.seq, events.c.at, events.c.kind, events.c.actor, events.c.data)
    .where(events.c.run_id == bindparam("run_id"), events.c.seq > bindparam("after"))
    .order_by(events.c.seq)
)
_CALLS = (
    select(
        events.c.tool,
        func.count(events.c.run_id.concat(func.coalesce(events.c.step_id, events.c.key)).distinct()),
    )
    .join(runs, runs.c.run_id == events.c.run_id)
    .where(
        runs.c.tenant == bindparam("tenant"),
        runs.c.thread_id == bindparam("thread_id"),
        literal_column("events.kind = 'tool_call_started'"),
        events.c.tool.is_not(None),
    )
    .group_by(events.c.tool)
)


def _words(value: object) -> str | None:
    return text(value) if isinstance(value, str) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _result(data: Mapping[str, Any]) -> str | None:
    """How it ended, in a word: the first of these that is one."""
    for name in ("failure", "status", "verdict", "result", "outcome", "state"):
        value = data.get(name)
        if isinstance(value, str):
            return text(value)
    return None
