"""Requests in line: the most urgent first, tenants in turn, of each the oldest first.

A claimed run stays till it ends or waits. What waits is bounded: see ``admit``.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Label,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from pilotman.guardrails.capacity import Capacity, retry_after
from pilotman.guardrails.errors import Overloaded
from pilotman.guardrails.seal import Forgotten
from pilotman.memory.journal import runs as runs_
from pilotman.memory.journal.records import WAITING, RunRow, TransitionRow
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.database import lock
from pilotman.memory.storage.schema import queue, runs, served, turns
from pilotman.memory.storage.statement import Query, Row

_TRIES = 3
"""Other processes may take a run that was just found: so often the next one is tried."""
_STRETCH = 10_000_000
_MEASURED = 60_000_000
"""Microseconds. The rate of service is what was served lately, counted by stretches."""


def claim_next(
    connection: Connection, *, supervisor: str, owner: str, lease: timedelta, now: datetime
) -> RunRow | None:
    """Own the most urgent run that nobody owns and whose conversation is free; None: there is none.

    Of equally urgent ones it is the turn of the tenant that was served longest ago, so that a tenant with a
    thousand requests keeps nobody waiting for more than one of them.
    """
    for line in _IN_TURN.rows(connection, {"supervisor": supervisor}):
        for _ in range(_TRIES):
            run_id = _FIRST.value(connection, {**line, "supervisor": supervisor})
            if run_id is None:
                break
            try:
                run = runs_.claim(connection, run_id, owner=owner, lease=lease, now=now, is_dead=_nobody)
            except Forgotten:  # nobody can drive it any more
                remove(connection, run_id)
                continue
            if run is not None:
                if run.state == WAITING:  # an answer had put it in line: nothing else does
                    remove(connection, run_id)
                _served(connection, supervisor, run.tenant, now=now)
                return run
    return None


def _nobody(_: str) -> bool:
    return False


_MINE = queue.c.supervisor == bindparam("supervisor")
_LINES = (
    select(queue.c.severity, queue.c.tenant, func.min(queue.c.queued_at).label("oldest"))
    .where(_MINE)
    .group_by(queue.c.severity, queue.c.tenant)
    .subquery()
)
_IN_TURN = Query(
    select(_LINES.c.severity, _LINES.c.tenant)
    .outerjoin(turns, and_(turns.c.supervisor == bindparam("supervisor"), turns.c.tenant == _LINES.c.tenant))
    .order_by(_LINES.c.severity.desc(), func.coalesce(turns.c.number, 0), _LINES.c.oldest)
)


def _may_begin() -> ColumnElement[bool]:
    """No other run holds the conversation; one that is only to be cancelled does not need it."""
    other = runs.alias("other")
    talk = and_(other.c.tenant == runs.c.tenant, other.c.thread_id == runs.c.thread_id)
    busy = select(other.c.run_id).where(talk, other.c.active, other.c.run_id != runs.c.run_id).exists()
    return or_(~busy, runs.c.cancel_requested.is_not(None))


_FIRST = Query(
    select(queue.c.run_id)
    .join(runs, runs.c.run_id == queue.c.run_id)
    .where(_MINE, queue.c.severity == bindparam("severity"), queue.c.tenant == bindparam("tenant"))
    .where(runs.c.owner.is_(None), _may_begin())
    .order_by(queue.c.queued_at, queue.c.run_id)
    .limit(1)
    .with_for_update(of=queue, skip_locked=True)
)


def _served(connection: Connection, supervisor: str, tenant: str, *, now: datetime) -> None:
    """The tenant had its turn: now all others come first. Turns are counted, no clock is fine enough."""
    turn: Row = {"supervisor": supervisor, "tenant": tenant}
    turn["number"] = 1 + (_LAST_TURN.value(connection, turn) or 0)
    if not _HAD_TURN.run(connection, turn):
        _FIRST_TURN.run(connection, turn)
    this: Row = {"supervisor": supervisor, "since": micros(now) // _STRETCH * _STRETCH}
    if not _ONE_MORE.run(connection, this):
        _BEGUN.run(connection, {**this, "number": 1})
        _FORGOTTEN.run(connection, {**this, "since": this["since"] - _MEASURED})


_LAST_TURN = Query(select(func.max(turns.c.number)).where(turns.c.supervisor == bindparam("supervisor")))
_TURN = and_(turns.c.supervisor == bindparam("supervisor"), turns.c.tenant == bindparam("tenant"))
_HAD_TURN = Query(update(turns).where(_TURN).values({turns.c.number: bindparam("number")}))
_FIRST_TURN = Query.inserting(turns, "supervisor", "tenant", "number")
_SERVED_BY = served.c.supervisor == bindparam("supervisor")
_ONE_MORE = Query(
    update(served)
    .where(_SERVED_BY, served.c.since == bindparam("since"))
    .values({served.c.number: served.c.number + literal_column("1")})
)
_BEGUN = Query.inserting(served, "supervisor", "since", "number")
_FORGOTTEN = Query(delete(served).where(_SERVED_BY, served.c.since < bindparam("since")))


def admit(connection: Connection, run: RunRow, capacity: Capacity) -> None:
    """See that the queue has a place left, exactly: it holds in the transaction that stores the run.

    Raises:
        Overloaded: too many wait, of all tenants together or of this one.
    """
    lock(connection, f"queue\n{run.supervisor}")
    about = {"supervisor": run.supervisor, "tenant": run.tenant}
    in_line = _IN_LINE.one(connection, about) or {}
    most = (capacity.max_queued, capacity.max_queued_per_tenant)
    if in_line["total"] < most[0] and (in_line["mine"] or 0) < most[1]:
        return
    driven = _DRIVEN.one(connection, about) or {}
    whose = (f"the queue of {run.supervisor}", f"{run.tenant}'s part of the queue of {run.supervisor}")
    for name, part, limit in zip(whose, ("total", "mine"), most, strict=True):
        in_wait = int(in_line[part] or 0) - int(driven[part] or 0)
        if in_wait >= limit:
            number, seconds = _pace(connection, run.supervisor, run.created_at)
            after = retry_after(excess=in_wait - limit, most=limit, served=number, seconds=seconds)
            what = f"{name} is full: {in_wait} requests wait; this one was not accepted"
            raise Overloaded(what, retry_after=after)


def _counts(table: Table) -> tuple[Label[Any], ...]:
    """Rows of all tenants, and of one."""
    mine = case((table.c.tenant == bindparam("tenant"), 1), else_=0)
    return func.count().label("total"), func.sum(mine).label("mine")


_IN_LINE = Query(select(*_counts(queue)).select_from(queue).where(_MINE))
_IS_QUEUED = select(queue.c.run_id).where(queue.c.run_id == runs.c.run_id).exists()
_DRIVEN = Query(  # by way of what somebody owns, which is little
    select(*_counts(runs))
    .select_from(runs)
    .where(runs.c.owner.is_not(None), runs.c.supervisor == bindparam("supervisor"), _IS_QUEUED)
)


def _pace(connection: Connection, supervisor: str, now: datetime) -> tuple[int, float]:
    """How many requests were taken from the queue lately, and in how many seconds."""
    since = micros(now) - _MEASURED
    lately = (served.c.supervisor == supervisor, served.c.since > since)
    number, first = connection.execute(
        select(func.sum(served.c.number), func.min(served.c.since)).where(*lately)
    ).one()
    return (0, 0.0) if number is None else (int(number), max(1.0, (micros(now) - first) / 1e6))


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


def waiting(connection: Connection, *, supervisor: str, tenant: str, limit: int) -> list[RunRow]:
    """A tenant's requests that nobody drives, the one that is next first."""
    query = (
        select(queue.c.run_id)
        .join(runs, runs.c.run_id == queue.c.run_id)
        .where(queue.c.supervisor == supervisor, queue.c.tenant == tenant, runs.c.owner.is_(None))
        .order_by(queue.c.severity.desc(), queue.c.queued_at, queue.c.run_id)
        .limit(limit)
    )
    found: list[RunRow] = []
    for run_id in connection.execute(query).scalars().all():
        with suppress(Forgotten):
            found.append(runs_.get(connection, run_id))
    return found


def again(connection: Connection, run_id: str) -> None:
    """Put a run that was queued once in line again, where it would stand by now; it may be in."""
    in_line = select(queue.c.run_id).where(queue.c.run_id == run_id)
    if connection.execute(in_line).scalar_one_or_none() is None:
        kept = ("run_id", "tenant", "supervisor", "severity", "created_at")
        row = select(*(runs.c[name] for name in kept)).where(runs.c.run_id == run_id)
        connection.execute(insert(queue).from_select([*kept[:-1], "queued_at"], row))


def resend(connection: Connection, transition: TransitionRow) -> None:
    """Take a run that is over up again, with this move, and put it in line.

    Raises:
        Fenced: it is not in the state that it is moved from.
    """
    runs_.take_up(connection, transition)
    again(connection, transition.run_id)


def remove(connection: Connection, run_id: str) -> None:
    """Take the run out, if it is in."""
    connection.execute(delete(queue).where(queue.c.run_id == run_id))
