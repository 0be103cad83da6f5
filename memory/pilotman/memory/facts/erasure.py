"""Facts that are to be forgotten: which of them go, and which stay because they stand on something else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import Connection

from pilotman.guardrails.seal import Seal, Subject
from pilotman.memory.facts import origin, rows
from pilotman.memory.journal.book import book_id
from pilotman.memory.journal.erasure import erase_said
from pilotman.memory.provenance.names import own_documents
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.database import SCRUB
from pilotman.memory.storage.statement import Row

Spares: TypeAlias = Callable[[Row, frozenset[str]], bool]
"""Whether a fact has to stay, by its row and all that it stands on."""


def spare_none(_row: Row, _supports: frozenset[str]) -> bool:
    """Nothing has to stay."""
    return False


def meant(
    connection: Connection, selector: Selector, tenant: str, spares: Spares, *, seal: Seal
) -> tuple[dict[str, str], list[str], frozenset[str]]:
    """The facts that go: the SHA-256 of what is stored of each, by id; those that stay, though the selector
    means them by their source or run, because they stand on something else too; and what is gone with it.

    With what is meant by source, run or fact goes what stands on nothing but that: nobody would be told it.
    """
    ids: dict[str, str] = {}
    kept: list[str] = []
    if selector.is_empty:
        return ids, kept, frozenset()
    gone = _sources(connection, selector, tenant, seal)
    is_gone, by_source = _gone(gone), bool(gone)
    found = [row for row in rows.selected(connection, selector, tenant, gone) if row["body"] is not None]
    supports = rows.supports_of(connection, [row["fact_id"] for row in found])
    for row in found:
        sets = supports.get(row["fact_id"], ())
        if spares(row, frozenset[str]().union(*sets)):
            continue
        if by_source and any(not any(map(is_gone, group)) for group in sets):
            kept.append(row["fact_id"])
        else:
            ids[row["fact_id"]] = _told(row)
    if by_source or selector.fact_id is not None:
        _follow(connection, selector, tenant, spares, ids, is_gone)
    return ids, kept, gone


def _follow(
    connection: Connection,
    selector: Selector,
    tenant: str,
    spares: Spares,
    ids: dict[str, str],
    is_gone: Callable[[str], bool],
) -> None:
    """Add the facts that stood on nothing but what goes, and on those, and so on."""
    known = {rows.FACT + one for one in ids}
    upon = (rows.find(connection, one, tenant=tenant) for one in sorted(rows.upon(connection, tenant, known)))
    rest = {row["fact_id"]: row for row in upon if row is not None and row["body"] is not None}
    supports = rows.supports_of(connection, rest)
    falling = [one for one in rest if one not in ids and _is_theirs(selector, rest[one])]
    while falling:
        fallen = [
            one
            for one in falling
            if all(any(on in known or is_gone(on) for on in group) for group in supports[one])
            and not spares(rest[one], frozenset[str]().union(*supports[one]))
        ]
        if not fallen:
            return
        ids.update({one: _told(rest[one]) for one in fallen})
        known |= {rows.FACT + one for one in fallen}
        falling = [one for one in falling if one not in fallen]


def _is_theirs(selector: Selector, row: Row) -> bool:
    """Whether it is the selector's user's, and old enough."""
    old = selector.before is None or row["recorded_at"] < micros(selector.before)
    return old and selector.user in (None, row["owner"])


def _told(row: Row) -> str:
    return hashlib.sha256(row["body"]).hexdigest()


def erase(
    connection: Connection,
    gone: Collection[str],
    fact_ids: list[str],
    kept: list[str],
    *,
    actor: str,
    now: datetime,
) -> None:
    """The content of some facts is gone, others stand on less, without the sources that are ``gone``. What
    nobody owned goes from the books too."""
    for one in kept:
        rows.without(connection, one, _gone(gone))
    told: dict[str, list[str]] = {}
    for fact_id, (tenant, user) in rows.books_of(connection, fact_ids).items():
        told.setdefault(book_id(tenant, user), []).append(f"fact_remembered:{fact_id}")
    for book, keys in told.items():
        erase_said(connection, book, keys, actor=actor, now=now)
    rows.erase(connection, fact_ids, now=micros(now))
    connection.info[SCRUB] = True


def _sources(connection: Connection, selector: Selector, tenant: str, seal: Seal) -> frozenset[str]:
    """What the selector means by source or run; a document of somebody's own also by what stands for it."""
    found = set[str]() if selector.run_id is None else {f"{origin.RUN}{selector.run_id}"}
    if selector.source is not None:
        found.add(selector.source)
        bare = selector.source.removeprefix(origin.DOCUMENT)
        if seal.keys is not None and "/" in bare:
            for user in rows.users(connection, tenant):
                found.update(
                    origin.DOCUMENT + one for one in own_documents(bare, seal, Subject(tenant, user))
                )
    return frozenset(found)


def _gone(sources: Collection[str]) -> Callable[[str], bool]:
    """Whether a support is gone with these sources."""
    return lambda support: any(origin.is_within(support, source) for source in sources)
