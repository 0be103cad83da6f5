"""Requests in line: the most urgent first, then the oldest. A claimed run stays till it ends or waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from pilotman.memory import runs as runs_
from pilotman.memory.codec import micros
from pilotman.memory.records import RunRow
from pilotman.memory.schema import queue, runs


def claim_next(
    connection: Connection,
    *,
    supervisor: str,
    owner: str,
    lease: timedelta,
    now: datetime,
    is_dead: Callable[[str], bool],
) -> RunRow | None:
    """Own the most urgent run that nobody drives and whose conversation is free; None: there is none."""
    waiting = (
        select(queue.c.run_id, runs.c.owner, runs.c.lease_until)
        .join(runs, runs.c.run_id == queue.c.run_id)
        .where(queue.c.supervisor == supervisor)
        .order_by(queue.c.severity.desc(), queue.c.queued_at, queue.c.run_id)
    )
    for run_id, held_by, until in connection.execute(waiting).all():
        if held_by == owner or (
            held_by and until is not None and until > micros(now) and not is_dead(held_by)
        ):
            continue  # being driven, by this process or another
        run = runs_.claim(connection, run_id, owner=owner, lease=lease, now=now, is_dead=is_dead)
        if run is not None:
            return run
    return None


def length(connection: Connection, tenant: str | None) -> int:
    """Requests that wait for their turn: those that somebody drives already do not count."""
    query = (
        select(func.count())
        .select_from(queue)
        .join(runs, runs.c.run_id == queue.c.run_id)
        .where(runs.c.owner.is_(None))
    )
    if tenant is not None:
        query = query.where(queue.c.tenant == tenant)
    return connection.execute(query).scalar_one()


def remove(connection: Connection, run_id: str) -> None:
    """Take the run out, if it is in."""
    connection.execute(delete(queue).where(queue.c.run_id == run_id))
