"""Events in the database: appended in order, without gaps, each key once in its run, each with its hash."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from math import isfinite
from operator import itemgetter
from typing import Any, TypeAlias

from sqlalchemy import Connection

from pilotman.guardrails.seal import Subject
from pilotman.guardrails.shape import is_mapping
from pilotman.memory.event import Event, NewEvent
from pilotman.memory.journal import owned
from pilotman.memory.journal.chain import HASHED, Tail, chained, genesis
from pilotman.memory.storage.codec import dump, micros, moment, text
from pilotman.memory.storage.statement import Statement
from pilotman.memory.storage.stored import is_erased

TAILS = "pilotman_tails"
"""Where a connection's ``info`` keeps the ends of the runs to which the present transaction adds events."""
EventRow: TypeAlias = dict[str, Any]
"""A new event as its columns, without its number and hash."""
_Name: TypeAlias = tuple[str, str]
"""A run and the key of an event of it."""


def prepare(run_id: str, new: NewEvent) -> EventRow:
    """The event as columns. Encoding happens in the caller's thread, so that bad data fails there.

    Raises:
        TypeError: ``data`` cannot be written as JSON.
    """
    data = new.data
    get = data.get
    return {
        "run_id": run_id,
        "key": text(new.key),
        "at": micros(new.at),
        "kind": new.kind,
        "actor": text(new.actor),
        "step_id": _words(get("path")),
        "model": _words(get("model")),
        "tool": _words(get("tool")),
        "latency_ms": _number(get("latency_ms")),
        "input_tokens": _whole(get("input_tokens")),
        "output_tokens": _whole(get("output_tokens")),
        "cost_nusd": _whole(get("cost_nusd")),
        "result": _result(data),
        "data": dump(data),
        "refers": _refers(new),
    }


def append(connection: Connection, rows: Sequence[EventRow]) -> None:
    """Give each row the next number and hash of its run and store it; one with a known key is passed over.

    Two processes may append to one run: SQLite has one writer at a time, PostgreSQL locks the run's row.
    """
    if not rows:
        return
    run_ids = dump(sorted({row["run_id"] for row in rows}))
    if connection.dialect.name == "postgresql":
        _LOCK.rows(connection, run_ids)
    tails: dict[str, Tail] = connection.info.get(TAILS, {})
    owners: dict[str, owned.Owner] = connection.info.setdefault(owned.OWNERS, {})
    known = set[_Name]()
    names = _names(connection, rows)
    keys = dump([*{*names, *names.values()}])
    for run_id, tenant, user, forgotten_at, seq, last, key in _SEEN.rows(connection, run_ids, keys):
        if key is not None:
            known.add((run_id, key))
            continue
        owners[run_id] = owned.Owner(Subject(tenant, user), forgotten_at is not None)
        if run_id not in tails:
            tails[run_id] = Tail((seq or 0) + 1, seq or 0, last or genesis(run_id, tenant))
    known |= {name for name, stored in names.items() if stored in known}
    new = list(_follow(connection, rows, known, tails, names))
    if new:
        _APPEND.each(connection, new)


def _names(connection: Connection, rows: Sequence[EventRow]) -> dict[_Name, _Name]:
    """Runs and keys of events, each as it is stored; in older versions it was as it is."""
    names: dict[_Name, _Name] = {}
    for row in rows:
        run_id, key = row["run_id"], row["key"]
        if (run_id, key) not in names:
            whose = owned.owner(connection, run_id).subject
            names[run_id, key] = run_id, owned.hidden(connection, whose, key)
    return names


def _follow(
    connection: Connection,
    rows: Iterable[EventRow],
    known: set[_Name],
    tails: dict[str, Tail],
    names: Mapping[_Name, _Name],
) -> Iterator[tuple[Any, ...]]:
    """What to store of those rows that are new; ``known`` and ``tails`` go along."""
    for row in rows:
        name = row["run_id"], row["key"]
        if name not in known:
            known.add(name)
            tail = tails.get(row["run_id"])
            if tail is None:  # there is no such run: the database will refuse its events
                tail = tails[row["run_id"]] = Tail(1, 0, "")
            tail.seq += 1
            row |= {"seq": tail.seq, "key": names[name][1]}
            values = (*_CLEAR(row), _data(connection, row))
            tail.hash = chained(tail.hash, values)
            yield (*values, tail.hash)


def _data(connection: Connection, row: EventRow) -> bytes:
    whose = owned.owner(connection, row["run_id"])
    return owned.close_data(connection, whose, place(row["run_id"], row["seq"]), row["data"], row["refers"])


def place(run_id: str, seq: int) -> str:
    """Where an event's data stands."""
    return f"events.data/{run_id}/{seq}"


def read(connection: Connection, run_id: str, after: int, kinds: Collection[str] = ()) -> list[Event]:
    """A run's events with ``seq > after``, in order, of these ``kinds`` if any are named, but erased ones;
    ``{"forgotten": true}`` for data whose key was destroyed."""
    subject = owned.owner(connection, run_id).subject
    asked = (run_id, after, dump(sorted(kinds))) if kinds else (run_id, after)
    return [
        Event(
            seq=seq,
            run_id=run_id,
            at=moment(at),
            kind=kind,
            actor=actor,
            data=owned.data(connection, subject, place(run_id, seq), data),
        )
        for seq, at, kind, actor, data in (_READ_SOME if kinds else _READ).rows(connection, *asked)
        if not is_erased(data)
    ]


def tool_calls(connection: Connection, tenant: str, thread_id: str) -> dict[str, int]:
    """Calls started per tool, over all runs of a conversation; another attempt of a call is no other call."""
    return {str(tool): int(count) for tool, count in _CALLS.rows(connection, tenant, thread_id)}


_CLEAR = itemgetter(*HASHED[:-1])
_APPEND = Statement(
    "INSERT INTO events (run_id, seq, key, at, kind, actor, step_id, model, tool, latency_ms, input_tokens,"
    " output_tokens, cost_nusd, result, data, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_LOCK = Statement(  # always in this order: no deadlock between writers
    "SELECT run_id FROM runs WHERE run_id IN (SELECT jsonb_array_elements_text(?::jsonb))"
    " ORDER BY run_id FOR UPDATE"
)
_SEEN = Statement(
    'SELECT r.run_id, r.tenant, r."user", r.forgotten_at, e.seq, e.hash, NULL FROM runs r LEFT JOIN events e'
    " ON e.run_id = r.run_id AND e.seq = (SELECT max(seq) FROM events WHERE run_id = r.run_id)"
    " WHERE r.run_id IN (SELECT value FROM json_each(?))"
    " UNION ALL SELECT e.run_id, NULL, NULL, NULL, NULL, NULL, e.key FROM json_each(?) k JOIN events e"
    " ON e.run_id = json_extract(k.value, '$[0]') AND e.key = json_extract(k.value, '$[1]')",
    postgresql='SELECT r.run_id, r.tenant, r."user", r.forgotten_at, e.seq, e.hash, NULL FROM runs r'
    " LEFT JOIN events e"
    " ON e.run_id = r.run_id AND e.seq = (SELECT max(seq) FROM events WHERE run_id = r.run_id)"
    " WHERE r.run_id IN (SELECT jsonb_array_elements_text(?::jsonb))"
    " UNION ALL SELECT e.run_id, NULL, NULL, NULL, NULL, NULL, e.key"
    " FROM jsonb_array_elements(?::jsonb) k JOIN events e"
    " ON e.run_id = k->>0 AND e.key = k->>1",
)
"""The last event of some runs, and which of some keys they have."""
_READ = Statement(
    "SELECT seq, at, kind, actor, data FROM events WHERE run_id = ? AND seq > ? ORDER BY seq",
)
_SOME = "SELECT seq, at, kind, actor, data FROM events WHERE run_id = ? AND seq > ? AND kind IN (SELECT "
_READ_SOME = Statement(
    f"{_SOME}value FROM json_each(?)) ORDER BY seq",
    postgresql=f"{_SOME}jsonb_array_elements_text(?::jsonb)) ORDER BY seq",
)
_CALLS = Statement(
    "SELECT e.tool, count(DISTINCT e.run_id || coalesce(e.step_id, e.key)) FROM events e"
    " JOIN runs r ON r.run_id = e.run_id WHERE r.tenant = ? AND r.thread_id = ?"
    " AND e.kind = 'tool_call_started' AND e.tool IS NOT NULL GROUP BY e.tool"
)


def _words(value: object) -> str | None:
    return text(value) if isinstance(value, str) else None


def _number(value: object) -> float | None:
    """A number that comes back from every database as it went in: finite, and zero without a sign."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not isfinite(value):
        return None
    return float(value) + 0.0


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def _result(data: Mapping[str, Any]) -> str | None:
    """How it ended, in a word of ours: the first of these that is one."""
    for name in ("failure", "status", "verdict", "result", "outcome", "state"):
        value = data.get(name)
        if isinstance(value, str):
            return value if _WORD.fullmatch(value) else None
    return None


def _refers(new: NewEvent) -> list[bytes]:
    """The bodies that an event refers to, each once; of a redaction, the body that it is about."""
    values = new.data.values()
    named = [value["payload"] for value in values if is_mapping(value) and set(value) == {"payload"}]
    if new.kind == "payload_redacted":
        named.append(new.data.get("digest"))
    digests = [name for name in named if isinstance(name, str) and _DIGEST.fullmatch(name)]
    return [bytes.fromhex(digest) for digest in dict.fromkeys(digests)][:_MOST_REFERENCES]


_WORD = re.compile(r"[A-Za-z_]{1,40}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST_REFERENCES = 0xFFFF
