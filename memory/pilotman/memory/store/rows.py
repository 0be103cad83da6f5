"""Items in the database. An item that has expired is not there, swept or not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, bindparam, delete, func, or_, select, update

from pilotman.guardrails.seal import Subject
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.database import lock
from pilotman.memory.storage.schema import items
from pilotman.memory.storage.statement import Query, Statement
from pilotman.memory.store.place import Place

SWEPT = 32
"""How many expired items go with each one that is stored."""
ALL = 2**62
"""More than there can be."""


class ItemRow(NamedTuple):
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


class HeldRow(NamedTuple):
    """An item, and whose it is."""

    tenant: str
    user: str
    item: ItemRow


def find(connection: Connection, subject: Subject, place: Place, *, now: int) -> ItemRow | None:
    """The item at this place, quarantined or not."""
    row = _FIND.one(connection, {**_key(subject, place), "now": now})
    return None if row is None else ItemRow(**row)


def claim(connection: Connection, subject: Subject, place: Place, *, now: int) -> ItemRow | None:
    """The same, and until the transaction ends nobody else changes what is at this place."""
    lock(connection, "\n".join(("item", *_key(subject, place).values())))
    return find(connection, subject, place, now=now)


def put(connection: Connection, subject: Subject, row: ItemRow, *, now: int) -> None:
    """Store it in the place of what may be there; some of what has expired goes."""
    remove(connection, subject, row.place)
    _PUT.run(connection, {**_owner(subject), **row._asdict()})
    if row.expires_at is not None:
        sweep(connection, now=now, limit=SWEPT)


def remove(connection: Connection, subject: Subject, place: Place) -> None:
    """Nothing is at this place any more."""
    _REMOVE.run(connection, _key(subject, place))


def under(
    connection: Connection,
    subject: Subject,
    sessions: tuple[str, str],
    path: str,
    *,
    now: int,
    offset: int = 0,
    limit: int = ALL,
) -> list[ItemRow]:
    """What lies under a path in these two sessions, the last changed first."""
    within = {"low": path, "high": f"{path}{_AFTER}", "offset": offset, "limit": limit}
    return _rows(_UNDER.tuples(connection, {**_owner(subject), **_in(sessions), **within, "now": now}))


def spaces(connection: Connection, subject: Subject, sessions: tuple[str, str], *, now: int) -> list[ItemRow]:
    """One item of each namespace."""
    return _rows(_SPACES.tuples(connection, {**_owner(subject), **_in(sessions), "now": now}))


def suspicious(
    connection: Connection, subject: Subject, sessions: tuple[str, str], *, now: int
) -> list[ItemRow]:
    """What is kept from being read, the oldest first."""
    return _rows(_SUSPICIOUS.tuples(connection, {**_owner(subject), **_in(sessions), "now": now}))


def selected(connection: Connection, selector: Selector, tenant: str) -> list[HeldRow]:
    """The tenant's items that a selector means, the oldest first, expired ones too. None for a source or a
    fact: items name neither."""
    if selector.source is not None or selector.fact_id is not None:
        return []
    query = select(_C.tenant, _C.user, *(_C[name] for name in _NAMES)).where(_C.tenant == tenant)
    if selector.user is not None:
        query = query.where(_C.user == selector.user)
    if selector.run_id is not None:
        query = query.where(_C.run_id == selector.run_id)
    if selector.before is not None:
        query = query.where(_C.updated_at < micros(selector.before))
    found = connection.execute(query.order_by(_C.updated_at, _C.path, _C.name)).mappings()
    return [HeldRow(row["tenant"], row["user"], ItemRow._make(row[name] for name in _NAMES)) for row in found]


def refresh(connection: Connection, subject: Subject, read: Iterable[ItemRow], *, now: int) -> None:
    """They were used: their time begins anew. One that has expired or changed meanwhile is left alone."""
    for row in read:
        if row.ttl is not None:
            seen = {"seen": row.revision, "end": now + row.ttl, "now": now}
            _REFRESH.run(connection, {**_key(subject, row.place), **seen})


def sweep(connection: Connection, *, now: int, limit: int) -> int:
    """Remove at most so many of those that have expired, whosesoever, the longest ago first; none that
    may be under a legal hold. How many that were."""
    return _SWEEP.each(connection, [(now, limit)])


def _rows(found: Iterable[Iterable[Any]]) -> list[ItemRow]:
    return [ItemRow._make(row) for row in found]


def _owner(subject: Subject) -> dict[str, str]:
    return {"tenant": subject.tenant, "user": subject.user}


def _key(subject: Subject, place: Place) -> dict[str, str]:
    return {**_owner(subject), "session": place.session, "path": place.path, "name": place.name}


def _in(sessions: tuple[str, str]) -> dict[str, str]:
    return {"one": sessions[0], "other": sessions[1]}


_AFTER = "g"
"""Comes after all hexadecimal digits, in every collation."""
_C = items.c
_NAMES = ItemRow._fields
_ITEMS = select(*(_C[name] for name in _NAMES))
_OWN = and_(_C.tenant == bindparam("tenant"), _C.user == bindparam("user"))
_AT = and_(_OWN, *(_C[name] == bindparam(name) for name in ("session", "path", "name")))
_LIVE = or_(_C.expires_at.is_(None), _C.expires_at > bindparam("now"))
_MEANT = and_(_OWN, or_(_C.session == bindparam("one"), _C.session == bindparam("other")), _LIVE)
_SEEN = and_(_MEANT, _C.suspicions == "")
_FIND = Query(_ITEMS.where(_AT, _LIVE))
_PUT = Query.inserting(items, "tenant", "user", *_NAMES)
_REMOVE = Query(delete(items).where(_AT))
_UNDER = Query(
    _ITEMS.where(_SEEN, _C.path >= bindparam("low"), _C.path < bindparam("high"))
    .order_by(_C.updated_at.desc(), _C.path, _C.name)
    .limit(bindparam("limit"))
    .offset(bindparam("offset"))
)
_FIRST = select(_C.session, _C.path, func.min(_C.name).label("name")).where(_SEEN)
_FIRSTS = _FIRST.group_by(_C.session, _C.path).subquery()
_SAME = (_C[name] == _FIRSTS.c[name] for name in ("session", "path", "name"))
_SPACES = Query(_ITEMS.join(_FIRSTS, and_(*_SAME)).where(_OWN))
_SUSPICIOUS = Query(_ITEMS.where(_MEANT, _C.suspicions != "").order_by(_C.updated_at, _C.path, _C.name))
_USED = and_(_AT, _C.revision == bindparam("seen"), _C.expires_at > bindparam("now"))
_REFRESH = Query(update(items).where(_USED).values({_C.expires_at: bindparam("end")}))
_HOLDS = "SELECT 1 FROM holds h WHERE h.tenant = i.tenant AND h.released_at IS NULL"
_COVERS = (
    ' AND {source} IS NULL AND {fact} IS NULL AND coalesce({user}, i."user") = i."user"'
    " AND ({run} IS NULL OR {run} = i.run_id)"
)
_FIELDS = {"source": "source", "fact": "fact_id", "user": "user", "run": "run_id"}
_LITE = _HOLDS + _COVERS.format(**{name: f"json_extract(h.what, '$.{key}')" for name, key in _FIELDS.items()})
_GRES = _HOLDS + _COVERS.format(**{name: f"(h.what::jsonb->>'{key}')" for name, key in _FIELDS.items()})
"""Legal holds that may cover an item; one that ends at some time is taken as if it did not."""
_SWEEP = Statement(
    f"DELETE FROM items WHERE rowid IN (SELECT rowid FROM items i WHERE expires_at <= ?"  # noqa: S608
    f" AND NOT EXISTS ({_LITE}) ORDER BY expires_at LIMIT ?)",
    postgresql=f"DELETE FROM items WHERE ctid IN (SELECT ctid FROM items i WHERE expires_at <= ?"  # noqa: S608
    f" AND NOT EXISTS ({_GRES}) ORDER BY expires_at LIMIT ? FOR UPDATE SKIP LOCKED)",
)
