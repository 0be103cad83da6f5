"""Runs in the database: records, ownership and transitions. Functions over an open transaction."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, literal_column, or_, select, update
from sqlalchemy.sql.selectable import Select

from pilotman.guardrails.errors import ConfigurationError, Conflict, NotFound
from pilotman.guardrails.seal import Forgotten, Subject
from pilotman.memory.journal import moves, owned
from pilotman.memory.journal.book import SUPERVISOR
from pilotman.memory.journal.records import ENDED, WAITING, Fenced, RunRow, TransitionRow
from pilotman.memory.journal.run_row import changed, encoded, record
from pilotman.memory.storage.codec import dump, encode, micros, text
from pilotman.memory.storage.schema import events, queue, runs
from pilotman.memory.storage.statement import Query, Statement

_CHANGEABLE = frozenset(
    {
        *(
            "task_type",
            "severity",
            "budget",
            "versions",
            "started_at",
            "deadline_at",
            "active_since",
            "waited_s",
        ),
        *("active", "owner", "lease_until", "cancel_requested", "trace_parent"),
    }
)
_NEXT = (
    select(func.coalesce(func.max(events.c.seq), literal_column("0")) + literal_column("1"))
    .where(events.c.run_id == runs.c.run_id)
    .scalar_subquery()
    .label("next_seq")
)
_RUN = select(runs, _NEXT)
_WITH_ID = _RUN.where(runs.c.run_id == bindparam("run_id"))
_BY_ID, _LOCKED = Query(_WITH_ID), Query(_WITH_ID.with_for_update(of=runs))


def get(connection: Connection, run_id: str, *, tenant: str | None = None, lock: bool = False) -> RunRow:
    """A run's record; ``lock`` holds the row until the transaction ends.

    Raises:
        NotFound: there is none, or it is another tenant's, or it was forgotten.
    """
    row = (_LOCKED if lock else _BY_ID).one(connection, {"run_id": run_id})
    if row is None or (tenant is not None and row["tenant"] != tenant):
        raise missing(run_id)
    return record(connection, row)


def find(connection: Connection, run_id: str) -> RunRow | None:
    """A run's record, whosever it is; None: there is none."""
    row = _BY_ID.one(connection, {"run_id": run_id})
    return None if row is None else record(connection, row)


def missing(run_id: str) -> NotFound:
    """The error for a run that is not there, or not yours."""
    return NotFound(f"there is no run {run_id}")


def check_tenant(connection: Connection, run_id: str, tenant: str) -> None:
    """See that the run is the tenant's.

    Raises:
        NotFound: there is no such run, or it is another tenant's, or it was forgotten.
    """
    if _TENANT.value(connection, {"run_id": run_id}) != tenant:
        raise missing(run_id)


_TENANT = Query(
    select(runs.c.tenant).where(runs.c.run_id == bindparam("run_id"), runs.c.forgotten_at.is_(None))
)


def check_owner(connection: Connection, run_id: str, owner: str) -> None:
    """Hold the run's row and see that it is still this process's.

    Raises:
        NotFound: there is no such run.
        Fenced: another process owns it.
    """
    row = _OWNER.one(connection, {"run_id": run_id})
    if row is None:
        raise missing(run_id)
    if row["owner"] != owner:
        raise _fenced(run_id, f"is driven by {row['owner'] or 'nobody'} now")


_OWNER = Query(select(runs.c.owner).where(runs.c.run_id == bindparam("run_id")).with_for_update())


def _fenced(run_id: str, what: str) -> Fenced:
    return Fenced(f"run {run_id} {what}", hint="this process must stop driving it; nothing was changed")


def listing(
    connection: Connection,
    *,
    tenant: str,
    supervisor: str | None,
    state: str | None,
    thread_id: str | None,
    limit: int,
) -> list[RunRow]:
    """A tenant's runs, newest first, without those that were forgotten."""
    query: Select[Any] = _RUN.where(
        runs.c.tenant == tenant, runs.c.forgotten_at.is_(None), runs.c.supervisor != SUPERVISOR
    )
    if supervisor is not None:
        query = query.where(runs.c.supervisor == supervisor)
    if state is not None:
        query = query.where(runs.c.state == state)
    if thread_id is not None:
        query = query.where(runs.c.thread_id == thread_id)
    query = query.order_by(runs.c.created_at.desc(), runs.c.run_id.desc()).limit(limit)
    return list(_readable(connection, connection.execute(query).mappings()))


def _readable(connection: Connection, rows: Iterable[Mapping[Any, Any]]) -> Iterator[RunRow]:
    for row in rows:
        with suppress(Forgotten):
            yield record(connection, row)


def create(
    connection: Connection,
    run: RunRow,
    *,
    queued: bool,
    admit: Callable[[Connection], object] = lambda _: None,
) -> tuple[RunRow, bool]:
    """Store a new run, or find the one with the same idempotency key: its record, and whether it is new.

    ``admit`` is asked only about new ones, and raises if there is no room.

    Raises:
        Conflict: not queued, and another run holds the conversation.
    """
    if run.idempotency_key is not None:
        known = same(connection, run.tenant, run.idempotency_key)
        if known is not None:
            return known, False
    if not queued:
        busy = holder(connection, run.tenant, run.thread_id)
        if busy is not None:
            raise Conflict(
                f"the conversation {run.thread_id} is busy with run {busy}",
                hint="resume or cancel that run, submit instead, or take another thread_id",
            )
    admit(connection)
    subject = Subject(text(run.tenant), text(run.user))
    values = {name: encoded(connection, run.run_id, subject, name, getattr(run, name)) for name in _STORED}
    _CREATED.run(connection, {**values, "active": not queued})
    if queued:
        _QUEUED.run(connection, {**values, "queued_at": values["created_at"]})
    return replace(run, active=not queued), True


def same(connection: Connection, tenant: str, idempotency_key: str) -> RunRow | None:
    """The tenant's run with this idempotency key, or None."""
    key = text(idempotency_key)
    known = _SAME.value(connection, {"tenant": tenant, **owned.key_forms(connection, tenant, key)})
    return None if known is None else replace(get(connection, known), idempotency_key=idempotency_key)


_STORED = tuple(f.name for f in fields(RunRow) if f.name != "next_seq")
_CREATED = Query.inserting(runs, *_STORED)
_QUEUED = Query.inserting(queue, "run_id", "tenant", "supervisor", "severity", "queued_at")
_SAME = Query(
    select(runs.c.run_id).where(
        runs.c.tenant == bindparam("tenant"),
        or_(*(runs.c.idempotency_key == bindparam(form) for form in ("key", "digest", "old"))),
    )
)


def holder(connection: Connection, tenant: str, thread_id: str) -> str | None:
    """The run that holds a conversation, or None."""
    held: str | None = _HOLDER.value(connection, {"tenant": tenant, "thread_id": text(thread_id)})
    return held


_HOLDER = Query(
    select(runs.c.run_id).where(
        runs.c.tenant == bindparam("tenant"), runs.c.thread_id == bindparam("thread_id"), runs.c.active
    )
)


def is_free(run: RunRow, *, owner: str, now: datetime, is_dead: Callable[[str], bool]) -> bool:
    """Whether ``owner`` may take the run: nobody's, its own, its lease over, or its owner certainly gone."""
    if run.owner is None or run.owner == owner:
        return True
    return run.lease_until is None or run.lease_until <= now or is_dead(run.owner)


def claim(
    connection: Connection,
    run_id: str,
    *,
    owner: str,
    lease: timedelta,
    now: datetime,
    is_dead: Callable[[str], bool],
) -> RunRow | None:
    """Own the run and its conversation; None: it is over, somebody alive owns it, or another run holds that.

    Raises:
        NotFound: there is no such run, or it was forgotten.
    """
    run = get(connection, run_id, lock=True)
    if run.state in ENDED or not is_free(run, owner=owner, now=now, is_dead=is_dead):
        return None
    to_cancel = run.cancel_requested is not None  # it needs no conversation for that
    if not (run.active or to_cancel) and holder(connection, run.tenant, run.thread_id) is not None:
        return None
    active = run.active or not to_cancel
    taken_over = run.owner is not None and run.owner != owner
    new: dict[str, Any] = {"owner": owner, "lease_until": now + lease, "active": active, "updated_at": now}
    new["failures"] = run.failures + taken_over
    stored = {name: encode(value) for name, value in new.items()}
    _CLAIMED.run(connection, {**stored, "its_run": run_id})
    return replace(run, **new)


_CLAIM = ("owner", "lease_until", "active", "updated_at", "failures")
_CLAIMED = Query(
    update(runs)
    .where(runs.c.run_id == bindparam("its_run"))
    .values({runs.c[name]: bindparam(name) for name in _CLAIM})
)


def renew(connection: Connection, run_ids: Collection[str], *, owner: str, until: datetime) -> None:
    """Extend the lease of those runs that are the owner's and not over."""
    mine = (runs.c.owner == owner, runs.c.run_id.in_(run_ids), runs.c.state.not_in(sorted(ENDED)))
    connection.execute(update(runs).where(*mine).values(lease_until=micros(until)))


def release(connection: Connection, run_id: str, *, owner: str, failed: bool = False) -> None:
    """Own it no longer; a run that is not this owner's is left alone. ``failed``: driving it broke down."""
    mine = (runs.c.run_id == run_id, runs.c.owner == owner)
    free = {"owner": None, "lease_until": None, "failures": runs.c.failures + int(failed)}
    connection.execute(update(runs).where(*mine).values(free))


def release_all(connection: Connection, *, owner: str) -> None:
    """Own nothing any more."""
    connection.execute(update(runs).where(runs.c.owner == owner).values(owner=None, lease_until=None))


def move(
    connection: Connection, transition: TransitionRow, *, owner: str, changes: Mapping[str, Any]
) -> None:
    """Another state. A run that ends becomes nobody's and frees its conversation. Ended or waiting, it leaves
    the queue.

    Raises:
        NotFound: there is no such run.
        Fenced: the run is not this owner's, or not in the state that it is moved from.
    """
    unknown = changes.keys() - _CHANGEABLE
    if unknown:
        raise ConfigurationError(f"a move cannot change {', '.join(sorted(unknown))} of a run")
    values = {name: changed(connection, transition.run_id, name, value) for name, value in changes.items()}
    values |= {"state": transition.to_state, "updated_at": micros(transition.at)}
    if transition.to_state in ENDED:
        values = {"active": False, "owner": None, "lease_until": None, **values}
    elif transition.to_state == WAITING:
        values["failures"] = 0
    where = {"its_run": transition.run_id, "its_owner": owner, "its_state": transition.from_state}
    if not _moved(frozenset(values)).run(connection, values | where):
        check_owner(connection, transition.run_id, owner)
        raise _fenced(transition.run_id, f"is not {transition.from_state} any more")
    moves.note(connection, transition)
    if transition.to_state in ENDED or transition.to_state == WAITING:
        _LEFT_QUEUE.run(connection, {"run_id": transition.run_id})


def take_up(connection: Connection, transition: TransitionRow) -> None:
    """Another state for a run that is over: nobody owns it, and its failures are forgotten.

    Raises:
        Fenced: it is not in the state that it is moved from.
    """
    where = (
        runs.c.run_id == transition.run_id,
        runs.c.state == transition.from_state,
        runs.c.owner.is_(None),
    )
    new = {"state": transition.to_state, "updated_at": micros(transition.at), "failures": 0}
    if not connection.execute(update(runs).where(*where).values({**new, "cancel_requested": None})).rowcount:
        raise _fenced(transition.run_id, f"is not {transition.from_state} any more")
    moves.note(connection, transition)


@cache  # building a statement costs more than executing it
def _moved(names: frozenset[str]) -> Query:
    mine = (runs.c.run_id == bindparam("its_run"), runs.c.owner == bindparam("its_owner"))
    query = update(runs).where(*mine, runs.c.state == bindparam("its_state"))
    return Query(query.values({runs.c[name]: bindparam(name) for name in sorted(names)}))


_LEFT_QUEUE = Query(delete(queue).where(queue.c.run_id == bindparam("run_id")))


def request_cancel(connection: Connection, run_id: str, *, reason: str, now: datetime) -> RunRow:
    """Note the wish; a first reason stays.

    Raises:
        Conflict: the run is over.
    """
    run = get(connection, run_id, lock=True)
    if run.state in ENDED:
        raise Conflict(f"run {run_id} is {run.state} already", hint="nothing was changed")
    if run.cancel_requested is None:
        connection.execute(
            update(runs)
            .where(runs.c.run_id == run_id)
            .values(
                cancel_requested=changed(connection, run_id, "cancel_requested", reason),
                updated_at=micros(now),
            )
        )
    return get(connection, run_id)


def to_cancel(connection: Connection, run_ids: Collection[str]) -> set[str]:
    """Which of these runs somebody wants to stop."""
    return {run_id for (run_id,) in _TO_CANCEL.rows(connection, dump(list(run_ids)))}


_TO_CANCEL = Statement(
    "SELECT run_id FROM runs WHERE run_id IN (SELECT value FROM json_each(?))"
    " AND cancel_requested IS NOT NULL",
    postgresql="SELECT run_id FROM runs WHERE run_id IN (SELECT jsonb_array_elements_text(?::jsonb))"
    " AND cancel_requested IS NOT NULL",
)


def left_behind(
    connection: Connection, *, supervisor: str, now: datetime, is_dead: Callable[[str], bool]
) -> list[str]:
    """Runs that should be driven and whose owner is certainly gone, or whose lease is over; oldest first."""
    owned = (
        select(runs.c.run_id, runs.c.owner, runs.c.lease_until)
        .where(runs.c.owner.is_not(None), runs.c.supervisor == supervisor)
        .where(runs.c.state.not_in(sorted(ENDED)), runs.c.forgotten_at.is_(None))
        .order_by(runs.c.created_at, runs.c.run_id)
    )
    rows = connection.execute(owned).all()
    gone = set(filter(is_dead, {row.owner for row in rows}))
    late = {row.run_id for row in rows if row.lease_until is None or row.lease_until <= micros(now)}
    return [row.run_id for row in rows if row.owner in gone or row.run_id in late]


def take_over(
    connection: Connection,
    *,
    supervisor: str,
    owner: str,
    lease: timedelta,
    now: datetime,
    is_dead: Callable[[str], bool],
) -> RunRow | None:
    """Own the oldest run that was left behind; None: there is none."""
    for run_id in left_behind(connection, supervisor=supervisor, now=now, is_dead=is_dead):
        with suppress(Forgotten):  # nobody can drive it any more
            run = claim(connection, run_id, owner=owner, lease=lease, now=now, is_dead=is_dead)
            if run is not None:
                return run
    return None
