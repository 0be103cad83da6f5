"""Journal entries: what happened in a run, in order. An entry is also what a stream shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilotman.memory.storage.codec import dump


@dataclass(frozen=True, kw_only=True)
class Event:
    """One journal entry. ``seq`` counts from 1 without gaps in its run: a reader goes on ``after`` the last.

    ``kind`` names what happened (``run_started``, ``tool_call_failed``, ``effect_applied`` …), ``actor`` who
    did it, ``data`` the rest (JSON-able); large bodies stand in ``data`` as ``{"payload": digest}``.
    """

    seq: int
    run_id: str
    at: datetime
    kind: str
    actor: str
    data: Mapping[str, Any]

    def to_json(self) -> str:
        """One line of JSON; the time is ISO 8601 in UTC."""
        return dump(
            {
                "seq": self.seq,
                "run_id": self.run_id,
                "at": self.at.isoformat(),
                "kind": self.kind,
                "actor": self.actor,
                "data": self.data,
            }
        )


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An entry to append. ``key`` is a deterministic name in its run; a known one is not stored again."""

    kind: str
    actor: str
    data: Mapping[str, Any]
    key: str
    at: datetime
