"""Questions that people were not told of yet, handed out to whoever tells them: each to one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.seal import Forgotten
from pilotman.memory.journal.approvals import by_id
from pilotman.memory.journal.records import ENDED
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.schema import approvals, runs


@dataclass(frozen=True, kw_only=True)
class Untold:
    """A question, and the ids of those of its calls that nobody was told of."""

    question: Approval
    calls: tuple[str, ...]


def due(connection: Connection, *, supervisor: str, now: datetime, limit: int) -> Sequence[str]:
    """Open calls of a team's runs that nobody was told of, by their ids, one of each tenant in turn."""
    nth = func.row_number().over(
        partition_by=approvals.c.tenant, order_by=(approvals.c.created_at, approvals.c.approval_id)
    )
    query = (
        select(approvals.c.approval_id)
        .join(runs, runs.c.run_id == approvals.c.run_id)
        .where(*_untold(now), approvals.c.expires_at > micros(now), runs.c.supervisor == supervisor)
        .where(or_(runs.c.state.not_in(sorted(ENDED)), approvals.c.kind == "outcome"))
        .order_by(nth, approvals.c.created_at, approvals.c.approval_id)
        .limit(limit)
    )
    return connection.execute(query).scalars().all()


def _untold(now: datetime) -> tuple[ColumnElement[bool], ...]:
    free = func.coalesce(approvals.c.tell_at, 0) <= micros(now)
    return approvals.c.state == "pending", approvals.c.told_at.is_(None), free


def take(connection: Connection, names: Sequence[str], *, now: datetime, lease: timedelta) -> list[Untold]:
    """The questions of these calls that are due still. For ``lease`` nobody else gets them."""
    taken = connection.execute(
        update(approvals)
        .where(approvals.c.approval_id.in_(names), *_untold(now))  # another process may have been faster
        .values(tell_at=micros(now + lease))
        .returning(approvals.c.approval_id, approvals.c.tenant)
    ).all()
    tenants = {row.approval_id: row.tenant for row in taken}
    found: dict[str, Approval] = {}
    for name in names:
        if name in tenants and not any(question.named(name) for question in found.values()):
            with suppress(Forgotten):
                question = by_id(connection, name, tenant=tenants[name], now=now)
                found[question.approval_id] = question
    return [
        Untold(question=q, calls=tuple(c.approval_id for c in q.calls if c.approval_id in tenants))
        for q in found.values()
    ]


def told(connection: Connection, calls: Sequence[str], *, now: datetime) -> None:
    """People know of these calls."""
    connection.execute(
        update(approvals).where(approvals.c.approval_id.in_(calls)).values(told_at=micros(now))
    )


def put_off(connection: Connection, calls: Sequence[str], *, until: datetime) -> None:
    """They could not be told; nobody tries again before that."""
    connection.execute(
        update(approvals).where(approvals.c.approval_id.in_(calls)).values(tell_at=micros(until))
    )
