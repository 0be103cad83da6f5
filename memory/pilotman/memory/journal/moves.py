"""Moves of runs in the database: what each state followed, when, by whom and why."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from sqlalchemy import Connection, bindparam, select

from pilotman.memory.journal import owned
from pilotman.memory.journal.records import TransitionRow
from pilotman.memory.storage.codec import encode, moment
from pilotman.memory.storage.schema import transitions
from pilotman.memory.storage.statement import Query


def note(connection: Connection, transition: TransitionRow) -> None:
    """Store a move."""
    values = {name: encode(getattr(transition, name)) for name in _TRANSITION}
    place = _place(transition.run_id, transition.number)
    values["reason"] = owned.close_later(connection, transition.run_id, place, values["reason"])
    _NOTED.run(connection, values)


def _place(run_id: str, number: int) -> str:
    return f"transitions.reason/{run_id}/{number}"


_TRANSITION = tuple(f.name for f in fields(TransitionRow))
_NOTED = Query.inserting(transitions, *_TRANSITION)


def of_run(connection: Connection, run_id: str) -> list[TransitionRow]:
    """A run's moves in order; a reason that was forgotten is empty."""
    rows = _HISTORY.rows(connection, {"run_id": run_id})
    subject = owned.owner(connection, run_id).subject
    found: list[dict[str, Any]] = [
        {
            **row,
            "at": moment(row["at"]),
            "reason": owned.words(connection, subject, _place(run_id, row["number"]), row["reason"]),
        }
        for row in rows
    ]
    return [TransitionRow(**values) for values in found]


_HISTORY = Query(
    select(transitions).where(transitions.c.run_id == bindparam("run_id")).order_by(transitions.c.number)
)
