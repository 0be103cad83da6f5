"""A run's record as its row holds it, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from pilotman.guardrails.seal import Forgotten, Subject
from pilotman.memory.journal import owned
from pilotman.memory.journal.records import RunRow
from pilotman.memory.storage.codec import encode, load, maybe_moment, text

_JSON = frozenset({"budget", "versions"})
_OWNED = frozenset({"principal", "request", "cancel_requested"})
"""Columns of content. The request's idempotency key is kept by its digest alone."""
_TIMES = frozenset({"created_at", "updated_at", "started_at", "deadline_at", "active_since", "lease_until"})


def record(connection: Connection, row: Mapping[Any, Any]) -> RunRow:
    """A row of ``runs`` with its ``next_seq`` as a record.

    Raises:
        Forgotten: the run was, or its key was destroyed.
    """
    values = dict(row)
    if values.pop("forgotten_at") is not None:
        raise Forgotten(f"run {row['run_id']} was forgotten")
    subject = Subject(row["tenant"], row["user"])
    for name in ("principal", "request"):
        values[name] = load(owned.disclose(connection, subject, _place(row["run_id"], name), values[name]))
    values["cancel_requested"] = _wish(connection, subject, row)
    for name in _JSON:
        values[name] = load(values[name])
    for name in _TIMES:
        values[name] = maybe_moment(values[name])
    return RunRow(**values)


def _wish(connection: Connection, subject: Subject, row: Mapping[Any, Any]) -> str | None:
    stored = row["cancel_requested"]
    if stored is None:
        return None
    return owned.words(connection, subject, _place(row["run_id"], "cancel_requested"), stored)


def _place(run_id: str, column: str) -> str:
    return f"runs.{column}/{run_id}"


def encoded(connection: Connection, run_id: str, subject: Subject, name: str, value: Any) -> Any:
    """A field as its column holds it."""
    if name == "idempotency_key":
        return None if value is None else owned.key_digest(connection, subject.tenant, text(value))
    kept = encode(value)
    if name not in _OWNED or kept is None:
        return kept
    return owned.close(connection, subject, _place(run_id, name), kept)


def changed(connection: Connection, run_id: str, name: str, value: Any) -> Any:
    """A changed field as its column holds it."""
    kept = encode(value)
    if name not in _OWNED or kept is None:
        return kept
    return owned.close_later(connection, run_id, _place(run_id, name), kept)
