"""The outbox: the events that a provenance graph has not been told yet, over an open transaction.

The blocks are its queue. A block is committed with the events that it seals (on PostgreSQL those wait in
``unsealed`` till then, committed with them too) and blocks come one after the other, without gaps, in the
order of their commits. So a number says how far a graph has been told, nothing is written for it when events
are, and nothing can be lost or passed over. A graph that is told again what it knows stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection

from pilotman.guardrails.seal import Forgotten
from pilotman.memory.event import Event
from pilotman.memory.journal import blocks, runs
from pilotman.memory.journal.chain import EMPTY
from pilotman.memory.journal.events import read
from pilotman.memory.journal.records import RunRow
from pilotman.memory.storage.codec import load, micros, moment
from pilotman.memory.storage.statement import Statement

NOTHING: Final = -1
"""The block before the first, which is 0 where there are events from before there were blocks."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """Events that a graph is to be told, by run, and the block up to which these are all."""

    block: int
    runs: tuple[tuple[RunRow, tuple[Event, ...]], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Lag:
    """How far a graph is behind: so many events, the oldest of them so old.

    ``error``: why the last try failed, None if it did not; it is known only where that was.
    """

    events: int = 0
    seconds: float = 0.0
    error: str | None = None


def behind(connection: Connection, graph: str) -> bool:
    """Whether there is anything that the graph has not been told."""
    rows = _BEHIND.rows(connection, graph)
    return bool(rows[0][0])


def claim(
    connection: Connection,
    graph: str,
    *,
    owner: str,
    lease: timedelta,
    now: datetime,
    is_dead: Callable[[str], bool],
) -> int | None:
    """Be the one who tells the graph more. The block to go on after; None: another is at it."""
    blocks.gather(connection)
    _BEGIN.each(connection, [(graph, NOTHING)])
    block, other, until = _CLAIMED.rows(connection, graph)[0]
    if other not in (None, owner) and until > micros(now) and not is_dead(other):
        return None
    _CLAIM.each(connection, [(owner, micros(now + lease), graph)])
    return int(block)


def parcel(connection: Connection, block: int, *, most: int) -> Parcel:
    """The events of the blocks after ``block``; of so many blocks that there are about ``most``."""
    ranges: dict[str, int] = {}
    upto, count = block, 0
    for number, heads, events in _BLOCKS.rows(connection, block, most):
        if count >= most:
            break
        told = [list(row) for row in _UNHASHED.rows(connection)] if number == 0 and events else load(heads)
        for run_id, first, seq, *_ in told:
            ranges[run_id] = min(first, ranges.get(run_id, first))
            count += seq - first + 1
        upto = number
    return Parcel(block=upto, runs=tuple(_told_of(connection, ranges)))


def _told_of(connection: Connection, ranges: Mapping[str, int]) -> Iterator[tuple[RunRow, tuple[Event, ...]]]:
    """The events of runs from a number on. A run that was forgotten meanwhile has nothing more to tell."""
    for run_id, first in ranges.items():
        with suppress(Forgotten):
            run = runs.find(connection, run_id)
            if run is not None:
                yield run, tuple(read(connection, run_id, first - 1))


def told(connection: Connection, graph: str, *, owner: str, block: int) -> None:
    """The graph has all up to this block; somebody else may go on. It never goes back."""
    _TOLD.each(connection, [(block, block, owner, owner, graph)])


def begin_again(connection: Connection, graph: str) -> None:
    """Have the graph told everything once more, as when it was lost."""
    _AGAIN.each(connection, [(NOTHING, graph)])


def lag(connection: Connection, graph: str, *, now: datetime) -> Lag:
    """How far the graph is behind."""
    known = _PLACE.rows(connection, graph)
    block = known[0][0] if known else NOTHING
    tip = blocks.tip(connection)
    sealed = _EVENTS_AT.rows(connection, block)
    count = tip.events - (sealed[0][0] if sealed else 0)
    if connection.dialect.name != "sqlite":
        count += _UNSEALED.rows(connection)[0][0]
    oldest = _OLDEST.rows(connection, block)
    if not count or tip.hash == EMPTY.hash or not oldest:
        return Lag(events=int(count))
    heads = load(oldest[0][0]) or [list(row) for row in _UNHASHED.rows(connection)]
    times = [row[0] for run_id, first, *_ in heads for row in _AT.rows(connection, run_id, first)]
    since = moment(min(times)) if times else now
    return Lag(events=int(count), seconds=max(0.0, (now - since).total_seconds()))


_BEHIND = Statement(
    "SELECT coalesce((SELECT max(number) FROM blocks), -1)"
    " > coalesce((SELECT block FROM outbox WHERE graph = ?), -1)",
    postgresql="SELECT coalesce((SELECT max(number) FROM blocks), -1)"
    " > coalesce((SELECT block FROM outbox WHERE graph = ?), -1) OR EXISTS (SELECT 1 FROM unsealed)",
)
_BEGIN = Statement("INSERT INTO outbox (graph, block) VALUES (?, ?) ON CONFLICT DO NOTHING")
_PLACE = Statement("SELECT block FROM outbox WHERE graph = ?")
_CLAIMED = Statement(
    "SELECT block, owner, until FROM outbox WHERE graph = ?",
    postgresql="SELECT block, owner, until FROM outbox WHERE graph = ? FOR UPDATE",
)
_CLAIM = Statement("UPDATE outbox SET owner = ?, until = ? WHERE graph = ?")
_BLOCKS = Statement("SELECT number, heads, events FROM blocks WHERE number > ? ORDER BY number LIMIT ?")
_TOLD = Statement(
    "UPDATE outbox SET block = CASE WHEN block < ? THEN ? ELSE block END,"
    " until = CASE WHEN owner = ? THEN NULL ELSE until END,"
    " owner = CASE WHEN owner = ? THEN NULL ELSE owner END WHERE graph = ?"
)
_AGAIN = Statement("UPDATE outbox SET block = ?, owner = NULL, until = NULL WHERE graph = ?")
_EVENTS_AT = Statement("SELECT events FROM blocks WHERE number <= ? ORDER BY number DESC LIMIT 1")
_OLDEST = Statement("SELECT heads FROM blocks WHERE number > ? ORDER BY number LIMIT 1")
_UNSEALED = Statement("SELECT coalesce(sum(seq - first + 1), 0) FROM unsealed")
_AT = Statement("SELECT at FROM events WHERE run_id = ? AND seq = ?")
_UNHASHED = Statement("SELECT run_id, min(seq), max(seq) FROM events WHERE hash IS NULL GROUP BY run_id")
