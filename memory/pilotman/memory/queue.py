"""Requests in line: the most urgent first, tenants in turn, of each the oldest first.

A claimed run stays till it ends or waits.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from pilotman.memory import runs as runs_
from pilotman.memory.codec import micros
from pilotman.memory.records import RunRow
from pilotman.memory.schema import queue, runs, turns


def claim_next(
    connection: Connection,
    *,
    supervisor: str,
    owner: str,
    lease: timedelta,
    now: datetime,
    is_dead: Callable[[str], bool],
) -> RunRow | None:
    """Own the most urgent run that nobody drives and whose conversation is free; None: there is none.

    Of equally urgent ones it is the turn of the tenant that was served longest ago, so that a tenant with a
    thousand requests keeps nobody waiting for more than one of them.
    """
    its_turn = and_(turns.c.supervisor == queue.c.supervisor, turns.c.tenant == queue.c.tenant)
    waiting = (
        select(queue.c.run_id, runs.c.owner, runs.c.lease_until)
        .join(runs, runs.c.run_id == queue.c.run_id)
        .outerjoin(turns, its_turn)
        .where(queue.c.supervisor == supervisor)
        .order_by(
            queue.c.severity.desc(), func.coalesce(turns.c.number, 0), queue.c.queued_at, queue.c.run_id
        )
    )
    for run_id, held_by, until in connection.execute(waiting).all():
        if held_by == owner or (
            held_by and until is not None and until > micros(now) and not is_dead(held_by)
        ):
            continue  # being driven, by this process or another
        run = runs_.claim(connection, run_id, owner=owner, lease=lease, now=now, is_dead=is_dead)
        if run is not None:
            _served(connection, supervisor, run.tenant)
            return run
    return None


def _served(connection: Connection, supervisor: str, tenant: str) -> None:
    """The tenant had its turn: now all others come first. Turns are counted, no clock is fine enough."""
    last = select(func.coalesce(func.max(turns.c.number), 0) + 1).where(turns.c.supervisor == supervisor)
    number = connection.execute(last).scalar_one()
    row = {"supervisor": supervisor, "tenant": tenant}
    mine = and_(turns.c.supervisor == supervisor, turns.c.tenant == tenant)
    if not connection.execute(update(turns).where(mine).values(number=number)).rowcount:
        connection.execute(insert(turns).values(**row, number=number))


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
