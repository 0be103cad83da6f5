"""Bodies of model and tool calls: stored once per run by their digest, redactable."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any, TypeAlias

from sqlalchemy import Connection, func, select, update

from pilotman.guardrails.errors import CorruptJournal, NotFound
from pilotman.guardrails.seal import Forgotten, Subject, Tampered
from pilotman.memory.journal import owned
from pilotman.memory.storage.codec import dump
from pilotman.memory.storage.schema import payloads
from pilotman.memory.storage.statement import Statement

PayloadRow: TypeAlias = dict[str, Any]


def digested(body: bytes) -> bytes:
    """The SHA-256."""
    return sha256(body).digest()


def prepare(run_id: str, body: bytes, blind: Callable[[bytes], bytes] = digested) -> PayloadRow:
    """The body as columns."""
    # a copy of exact length: orjson's results keep kilobytes of spare room behind them
    return {"run_id": run_id, "digest": blind(body).hex(), "body": bytes(memoryview(body))}


def put(connection: Connection, rows: Sequence[PayloadRow]) -> None:
    """Store bodies; known ones, also redacted ones, stay as they are. A forgotten run gets none."""
    sealed: list[tuple[str, str, bytes]] = []
    for row in rows:
        run_id, digest = row["run_id"], row["digest"]
        whose = owned.owner(connection, run_id)
        if not whose.forgotten:
            body = owned.close(connection, whose.subject, place(run_id, digest), row["body"])
            sealed.append((run_id, digest, body))
    if sealed:
        _PUT.each(connection, sealed)


def place(run_id: str, digest: str) -> str:
    """Where a body stands."""
    return f"payloads.body/{run_id}/{digest}"


def get(connection: Connection, run_id: str, digest: str) -> bytes:
    """The body; of a redacted one a JSON object that says so.

    Raises:
        NotFound: the run has no such payload.
        CorruptJournal: it is not what was stored.
    """
    row = connection.execute(
        select(payloads.c.body, payloads.c.redacted).where(
            payloads.c.run_id == run_id, payloads.c.digest == digest
        )
    ).one_or_none()
    if row is None:
        raise NotFound(f"run {run_id} has no payload {digest}")
    body, reason = row
    if body is None:
        return dump({"redacted": reason or _why(connection, run_id, digest)}).encode()
    return _whole(connection, owned.owner(connection, run_id).subject, run_id, digest, body)


def _why(connection: Connection, run_id: str, digest: str) -> str:
    """Why a body is gone: that stands in the event alone."""
    subject, key = owned.owner(connection, run_id).subject, f"payload_redacted:{digest}"
    rows = _REDACTION.rows(connection, run_id, key, owned.hidden(connection, subject, key))
    if not rows:
        return ""
    seq, stored = rows[0]
    return str(owned.data(connection, subject, f"events.data/{run_id}/{seq}", stored).get("reason", ""))


_REDACTION = Statement("SELECT seq, data FROM events WHERE run_id = ? AND key IN (?, ?)")


def of_run(connection: Connection, run_id: str) -> dict[str, bytes]:
    """All bodies by digest, without the redacted and the forgotten ones."""
    rows = connection.execute(
        select(payloads.c.digest, payloads.c.body).where(
            payloads.c.run_id == run_id, payloads.c.body.is_not(None)
        )
    )
    subject = owned.owner(connection, run_id).subject
    found: dict[str, bytes] = {}
    for digest, body in rows:
        with suppress(Forgotten):
            found[digest] = _whole(connection, subject, run_id, digest, body)
    return found


def _whole(
    connection: Connection, subject: Subject | None, run_id: str, digest: str, stored: bytes | str
) -> bytes:
    """The body, if it is what was stored under this digest.

    Raises:
        CorruptJournal: it is not.
        Forgotten: its key was destroyed.
    """
    try:
        body = owned.disclose(connection, subject, place(run_id, digest), stored)
    except (Tampered, zlib.error):
        body = b""
    if digest not in (digested(body).hex(), owned.blinded(connection, subject, body)):
        what = f"the journal is damaged: payload {digest} is not what was stored"
        raise CorruptJournal(what, hint="restore it from a backup")
    return body


def redact(connection: Connection, run_id: str, digest: str) -> None:
    """Take the body away. Why stands in the event that tells of it, the first one.

    Raises:
        NotFound: the run has no such payload.
    """
    done = connection.execute(
        update(payloads)
        .where(payloads.c.run_id == run_id, payloads.c.digest == digest)
        .values(body=None, redacted=func.coalesce(payloads.c.redacted, ""))
    )
    if not done.rowcount:
        raise NotFound(f"run {run_id} has no payload {digest}")


_PUT = Statement("INSERT INTO payloads (run_id, digest, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
