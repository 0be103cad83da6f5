"""Cumulative limits in the database: what permits have reserved, checked and taken in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, literal_column, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from pilotman.guardrails.cap import Cap, Reservation
from pilotman.guardrails.errors import Conflict
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.database import lock
from pilotman.memory.storage.schema import effects, permits, reservations


class CapExceeded(Conflict):
    """A call would go over a cumulative limit. Nothing was reserved and no permit issued."""

    code = "cap_exceeded"

    def __init__(self, cap: Cap) -> None:
        super().__init__(cap.reason, hint="wait, or ask for less")
        self.cap = cap


def reserve(connection: Connection, permit_id: str, wanted: Sequence[Reservation], *, now: datetime) -> None:
    """Take of each cap what a call needs; again for the same permit replaces what it had.

    Raises:
        CapExceeded: one of them has not so much left.
    """
    for one in sorted(wanted, key=lambda r: (r.cap.name, r.holder)):
        lock(connection, f"{one.cap.name}\n{one.holder}")
        if taken(connection, one, permit_id=permit_id, now=now) + one.units > one.most and not one.force:
            raise CapExceeded(one.cap)
        values = {"holder": one.holder, "units": one.units, "at": micros(now)}
        key = (reservations.c.permit_id == permit_id) & (reservations.c.cap == one.cap.name)
        if not connection.execute(update(reservations).where(key).values(**values)).rowcount:
            values |= {"permit_id": permit_id, "cap": one.cap.name}
            connection.execute(insert(reservations), values)


def taken(connection: Connection, wanted: Reservation, *, permit_id: str, now: datetime) -> int:
    """What other permits hold of a cap: those that may still be used, and those whose write may have been."""
    since = 0 if wanted.since is None else micros(wanted.since)
    about = {"cap": wanted.cap.name, "holder": wanted.holder, "since": since}
    row = connection.execute(_TAKEN, {**about, "its_permit": permit_id, "now": micros(now)})
    return int(row.scalar_one())


def _counts() -> ColumnElement[bool]:
    unused = permits.c.effect_id.is_(None) & (permits.c.expires_at > bindparam("now"))
    gone = or_(effects.c.state == "not_applied", effects.c.state == "compensated")
    used = (effects.c.permit_id == reservations.c.permit_id) & ~gone
    return or_(unused, used)


_TAKEN = (
    select(func.coalesce(func.sum(reservations.c.units), literal_column("0")))
    .select_from(
        reservations.join(permits, permits.c.permit_id == reservations.c.permit_id).outerjoin(
            effects, effects.c.effect_id == permits.c.effect_id
        )
    )
    .where(
        reservations.c.cap == bindparam("cap"),
        reservations.c.holder == bindparam("holder"),
        reservations.c.at >= bindparam("since"),
        reservations.c.permit_id != bindparam("its_permit"),
        _counts(),
    )
)
