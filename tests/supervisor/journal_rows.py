"""Rows and events as a journal holds them, for the tests of the run's record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.principal import Principal
from pilotman.memory.event import Event
from pilotman.memory.journal.records import EffectRow, RunRow, TransitionRow

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ALICE = Principal(tenant="acme", user="alice", roles=frozenset({"sre"}))


def row(state: str = "EXECUTING", **changes: Any) -> RunRow:
    fields: dict[str, Any] = {
        "run_id": "run_1",
        "tenant": "acme",
        "user": "alice",
        "principal": ALICE.to_dict(),
        "supervisor": "desk",
        "thread_id": "thread_1",
        "request": {"text": "web-1 is out of disk", "facts": {}},
        "state": state,
        "created_at": BEGAN,
        "updated_at": BEGAN + timedelta(seconds=3),
        "budget": {"max_steps": 40, "timeout": 600.0},
        "versions": {"policy": "p1", "model:worker": "pilotman:rules"},
        "deadline_at": BEGAN + timedelta(seconds=600),
    }
    return RunRow(**{**fields, **changes})


class Journal:
    """Collects events in order, half a second apart."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._seq = count(1)

    def add(self, kind: str, **data: Any) -> Journal:
        seq = next(self._seq)
        at = BEGAN + timedelta(seconds=seq / 2)
        self.events.append(Event(seq=seq, run_id="run_1", at=at, kind=kind, actor="desk", data=data))
        return self


def approval(state: str = "pending", **changes: Any) -> Approval:
    fields: dict[str, Any] = {
        "approval_id": "apr_1",
        "run_id": "run_1",
        "tool": "open_ticket",
        "args": {"title": "disk full"},
        "question": "May operator do open_ticket(title=disk full)?",
        "digest": "d1",
        "reasons": ("no policy is set",),
        "requested_by": ALICE,
        "created_at": BEGAN,
        "expires_at": BEGAN + timedelta(days=2),
        "step": "task:t1/turn:0/call:0",
        "state": state,
    }
    return Approval(**{**fields, **changes})


def effect(state: str = "applied", **changes: Any) -> EffectRow:
    fields: dict[str, Any] = {
        "effect_id": "eff_1",
        "tenant": "acme",
        "run_id": "run_1",
        "step": "task:t1/turn:0/call:0",
        "tool": "open_ticket",
        "effect": "write",
        "key": "k",
        "digest": "d1",
        "permit_id": "pmt_1",
        "state": state,
        "owner": "me",
        "intended_at": BEGAN,
    }
    return EffectRow(**{**fields, **changes})


def transition(number: int, old: str, new: str) -> TransitionRow:
    return TransitionRow(
        run_id="run_1", number=number, from_state=old, to_state=new, at=BEGAN, actor="supervisor", reason="so"
    )
