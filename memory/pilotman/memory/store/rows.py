"""Items in the database. An item that has expired is not there, swept or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Connection

from pilotman.guardrails.seal import Subject
from pilotman.memory.storage.database import lock
from pilotman.memory.storage.statement import Statement
from pilotman.memory.store.place import Place

SWEPT = 32
"""How many expired items go with each one that is stored."""
_ALL = 2**62


@dataclass(frozen=True, slots=True)
class ItemRow:
    """An item as it is stored. Times in microseconds since 1970 UTC; ``ttl`` of them after the last use.

    ``body`` is sealed; ``digest`` is a blind one of the value. ``run_id``: the run that wrote it.
    ``suspicions`` (with commas) keep it from being read until somebody releases it.
    """

    session: str
    path: str
    name: str
    body: bytes
    digest: str
    revision: int
    created_at: int
    updated_at: int
    expires_at: int | None
    ttl: int | None
    run_id: str | None
    suspicions: str

    @property
    def place(self) -> Place:
        return Place(self.session, self.path, self.name)


def find(connection: Connection, subject: Subject, place: Place, *, now: int) -> ItemRow | None:
    """The item at this place, quarantined or not."""
    rows = _FIND.rows(connection, *_key(subject, place), now)
    return ItemRow(*rows[0]) if rows else None


def claim(connection: Connection, subject: Subject, place: Place, *, now: int) -> ItemRow | None:
    """The same, and until the transaction ends nobody else changes what is at this place."""
    lock(connection, "\n".join(("item", *_key(subject, place))))
    return find(connection, subject, place, now=now)


def put(connection: Connection, subject: Subject, row: ItemRow, *, now: int) -> None:
    """Store it in the place of what may be there; some of what has expired goes."""
    values = [getattr(row, field.name) for field in fields(ItemRow)]
    _PUT.each(connection, [(subject.tenant, subject.user, *values)])
    if row.expires_at is not None:
        sweep(connection, now=now, limit=SWEPT)


def delete(connection: Connection, subject: Subject, place: Place) -> None:
    """Remove what is at this place."""
    _DELETE.each(connection, [_key(subject, place)])


def under(
    connection: Connection,
    subject: Subject,
    sessions: Sequence[str],
    path: str,
    *,
    now: int,
    offset: int = 0,
    limit: int | None = None,
) -> list[ItemRow]:
    """What lies under a path in these two sessions, the last changed first."""
    window = (_ALL if limit is None else limit, offset)
    found = _UNDER.rows(connection, subject.tenant, subject.user, *sessions, path, f"{path}~", now, *window)
    return [ItemRow(*row) for row in found]


def spaces(connection: Connection, subject: Subject, sessions: Sequence[str], *, now: int) -> list[ItemRow]:
    """One item of each namespace."""
    whose = (subject.tenant, subject.user)
    return [ItemRow(*row) for row in _SPACES.rows(connection, *whose, *sessions, now, *whose)]


def suspicious(connection: Connection, subject: Subject, sessions: Sequence[str], *, now: int) -> list[ItemRow]:
    """What is kept from being read, the oldest first."""
    found = _SUSPICIOUS.rows(connection, subject.tenant, subject.user, *sessions, now)
    return [ItemRow(*row) for row in found]


def refresh(connection: Connection, subject: Subject, read: Iterable[ItemRow], *, now: int) -> None:
    """They were used: their time begins anew. One that has expired or changed meanwhile is left alone."""
    uses = [(now + row.ttl, *_key(subject, row.place), row.revision, now) for row in read if row.ttl is not None]
    _REFRESH.each(connection, uses)


def sweep(connection: Connection, *, now: int, limit: int) -> None:
    """Remove at most so many of those that have expired, whosesoever, the longest ago first."""
    _SWEEP.each(connection, [(now, limit)])


def _key(subject: Subject, place: Place) -> tuple[str, ...]:
    return subject.tenant, subject.user, place.session, place.path, place.name


_NAMES = ", ".join(field.name for field in fields(ItemRow))
_OWN = 'tenant = ? AND "user" = ?'
_AT = f"{_OWN} AND session = ? AND path = ? AND name = ?"
_LIVE = "(expires_at IS NULL OR expires_at > ?)"
_SEEN = f"{_LIVE} AND suspicions = ''"
_FIND = Statement(f"SELECT {_NAMES} FROM items WHERE {_AT} AND {_LIVE}")
_CHANGED = ", ".join(f"{field.name} = excluded.{field.name}" for field in fields(ItemRow)[3:])
_PUT = Statement(
    f'INSERT INTO items (tenant, "user", {_NAMES}) VALUES ({", ".join("?" * (2 + len(fields(ItemRow))))})'
    f' ON CONFLICT (tenant, "user", session, path, name) DO UPDATE SET {_CHANGED}'
)
_DELETE = Statement(f"DELETE FROM items WHERE {_AT}")
_ORDER = "ORDER BY updated_at DESC, path, name LIMIT ? OFFSET ?"
_UNDER = Statement(
    f"SELECT {_NAMES} FROM items WHERE {_OWN} AND session IN (?, ?) AND path >= ? AND path < ? AND {_SEEN} {_ORDER}",
    postgresql=f"SELECT {_NAMES} FROM items WHERE {_OWN} AND session IN (?, ?)"
    f' AND path COLLATE "C" >= ? AND path COLLATE "C" < ? AND {_SEEN} {_ORDER}',
)
_SPACES = Statement(
    f"SELECT {', '.join('i.' + field.name for field in fields(ItemRow))} FROM items i"
    " JOIN (SELECT session, path, min(name) AS name FROM items"
    f" WHERE {_OWN} AND session IN (?, ?) AND {_SEEN} GROUP BY session, path) f"
    ' ON i.session = f.session AND i.path = f.path AND i.name = f.name WHERE i.tenant = ? AND i."user" = ?'
)
_SUSPICIOUS = Statement(
    f"SELECT {_NAMES} FROM items WHERE {_OWN} AND session IN (?, ?) AND {_LIVE} AND suspicions <> ''"
    " ORDER BY updated_at, path, name"
)
_REFRESH = Statement(
    f"UPDATE items SET expires_at = ? WHERE {_AT} AND revision = ? AND expires_at > ?"
)
_SWEEP = Statement(
    "DELETE FROM items WHERE rowid IN (SELECT rowid FROM items WHERE expires_at <= ?"
    " ORDER BY expires_at LIMIT ?)",
    postgresql="DELETE FROM items WHERE ctid IN (SELECT ctid FROM items WHERE expires_at <= ?"
    " ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED)",
)
