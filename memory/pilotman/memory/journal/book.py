"""Events outside of runs: each user's memory has a book of its own, a run that nobody drives."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection

from pilotman.guardrails.digest import short_id
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Subject
from pilotman.memory.journal import owned
from pilotman.memory.storage.codec import dump, micros, text
from pilotman.memory.storage.statement import Statement

_PREFIX = "mem"
SUPERVISOR = ""
"""Of a book: no team has this name."""


def book_id(tenant: str, user: str) -> str:
    """The run under which a user's events outside of runs are kept."""
    return short_id(_PREFIX, tenant, user)


def is_book(run_id: str) -> bool:
    """Whether that is no run but somebody's book."""
    return run_id.startswith(f"{_PREFIX}_")


def opened(connection: Connection, principal: Principal, *, now: datetime) -> None:
    """The principal's book is there when this returns, open again if it had been forgotten."""
    run_id, at = book_id(principal.tenant, principal.user), micros(now)
    tenant, user = text(principal.tenant), text(principal.user)
    place = f"runs.principal/{run_id}"
    who = owned.close(connection, Subject(tenant, user), place, dump(principal.to_dict()))
    values = (run_id, tenant, user, who, SUPERVISOR, run_id, at, at, False)
    _OPEN.rows(connection, *values)


_OPEN = Statement(
    'INSERT INTO runs (run_id, tenant, "user", principal, supervisor, thread_id, task_type, severity,'
    " request, budget, versions, state, created_at, updated_at, waited_s, active)"
    " VALUES (?, ?, ?, ?, ?, ?, '', 0, '{}', '{}', '{}', 'COMPLETED', ?, ?, 0, ?)"
    " ON CONFLICT (run_id) DO UPDATE SET forgotten_at = NULL, principal = excluded.principal,"
    " request = excluded.request"
    " WHERE runs.forgotten_at IS NOT NULL RETURNING run_id"
)
