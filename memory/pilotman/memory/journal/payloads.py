"""Bodies of model and tool calls: stored once per run by their digest, redactable."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, TypeAlias

from sqlalchemy import Connection, func, select, update

from pilotman.guardrails.errors import CorruptJournal, NotFound
from pilotman.memory.storage.codec import dump
from pilotman.memory.storage.schema import payloads
from pilotman.memory.storage.statement import Statement

PayloadRow: TypeAlias = dict[str, Any]


def prepare(run_id: str, body: bytes) -> PayloadRow:
    """The body as columns."""
    # a copy of exact length: orjson's results keep kilobytes of spare room behind them
    return {"run_id": run_id, "digest": sha256(body).hexdigest(), "body": bytes(memoryview(body))}


def put(connection: Connection, rows: Sequence[PayloadRow]) -> None:
    """Store bodies; known ones, also redacted ones, stay as they are."""
    _PUT.each(connection, [(row["run_id"], row["digest"], row["body"]) for row in rows])


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
    return dump({"redacted": reason}).encode() if body is None else _whole(digest, body)


def of_run(connection: Connection, run_id: str) -> dict[str, bytes]:
    """All bodies by digest, without the redacted ones."""
    rows = connection.execute(
        select(payloads.c.digest, payloads.c.body).where(
            payloads.c.run_id == run_id, payloads.c.body.is_not(None)
        )
    )
    return {digest: _whole(digest, body) for digest, body in rows}


def _whole(digest: str, body: bytes) -> bytes:
    """The body, if it is what was stored under this digest.

    Raises:
        CorruptJournal: it is not.
    """
    if sha256(body).hexdigest() != digest:
        what = f"the journal is damaged: payload {digest} is not what was stored"
        raise CorruptJournal(what, hint="restore it from a backup")
    return bytes(body)


def redact(connection: Connection, run_id: str, digest: str, reason: str) -> None:
    """Replace the body by the reason why it is gone; a first reason stays, as it does in the events.

    Raises:
        NotFound: the run has no such payload.
    """
    done = connection.execute(
        update(payloads)
        .where(payloads.c.run_id == run_id, payloads.c.digest == digest)
        .values(body=None, redacted=func.coalesce(payloads.c.redacted, reason))
    )
    if not done.rowcount:
        raise NotFound(f"run {run_id} has no payload {digest}")


_PUT = Statement("INSERT INTO payloads (run_id, digest, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
