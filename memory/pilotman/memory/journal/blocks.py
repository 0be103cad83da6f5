"""Blocks in the database: they seal the events that were added, in one chain for the whole journal.

On SQLite, which has one writer at a time, every transaction ends with its block. On PostgreSQL that would
make all processes wait for each other's commits: there a transaction leaves the ends of its runs in
``unsealed``, and about once a second whoever comes first makes a block of what lies there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, text

from pilotman.memory.journal.chain import EMPTY, Block, Head, Tail
from pilotman.memory.storage.codec import dump
from pilotman.memory.storage.statement import Statement

SEAL_SECONDS: Final = 1.0
_SEALED: Final = "pilotman_sealed_at"
_LOCK: Final = 0x504C4D42
"""``PLMB``: PostgreSQL's advisory lock, held from reading the last block to the commit of the next."""


def begin(connection: Connection) -> None:
    """Where events are there already, which have no hash: block 0 says how many."""
    counted = text("SELECT count(*), count(DISTINCT run_id) FROM events")
    events, runs = connection.execute(counted).one()
    if events:
        _insert(connection, Block.sealed(0, (), events, runs, EMPTY.hash))


def tip(connection: Connection) -> Block:
    """The last block."""
    rows = _TIP.rows(connection)
    return Block(*rows[0]) if rows else EMPTY


def seal(connection: Connection, tails: Mapping[str, Tail]) -> None:
    """Seal what a transaction that is about to be committed has added, now or soon."""
    heads = [tail.head(run_id) for run_id, tail in tails.items() if tail.grown]
    if not heads:
        return
    if connection.dialect.name == "sqlite":
        _insert(connection, tip(connection).follow(heads))
        return
    _LEAVE.each(connection, [(dump(heads),)])
    if time.monotonic() - connection.info.get(_SEALED, float("-inf")) >= SEAL_SECONDS:
        connection.info[_SEALED] = time.monotonic()
        gather(connection)


def gather(connection: Connection) -> None:
    """Make a block of all that is unsealed, unless another process is at it. Nobody is waited for."""
    if connection.dialect.name != "sqlite" and _TRY.rows(connection)[0][0]:
        heads = [Head(*row) for row in _TAKE.rows(connection)]
        if heads:
            _insert(connection, tip(connection).follow(heads))


def _insert(connection: Connection, block: Block) -> None:
    _INSERT.each(connection, [block])


_TIP = Statement(
    "SELECT number, heads, events, runs, previous, hash FROM blocks ORDER BY number DESC LIMIT 1"
)
_INSERT = Statement(
    "INSERT INTO blocks (number, heads, events, runs, previous, hash) VALUES (?, ?, ?, ?, ?, ?)"
)
_LEAVE = Statement(
    "INSERT INTO unsealed (run_id, first, seq, hash)"
    " SELECT h->>0, (h->>1)::bigint, (h->>2)::bigint, h->>3 FROM jsonb_array_elements(?::jsonb) h"
    " ON CONFLICT (run_id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash"
)
_TAKE = Statement(
    "DELETE FROM unsealed WHERE run_id IN (SELECT run_id FROM unsealed FOR UPDATE SKIP LOCKED)"
    " RETURNING run_id, first, seq, hash"
)
_TRY = Statement(f"SELECT pg_try_advisory_xact_lock({_LOCK})")
