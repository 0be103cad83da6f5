"""A failed run, sent again: one more move of its state, if nothing that it did is in doubt."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, cast

from pilotman.agents.recorder import event_key
from pilotman.guardrails.errors import Conflict
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.records import Story, TransitionRow
from pilotman.supervisor.state import RunState, check

IN_DOUBT = frozenset({"intended", "unknown"})
"""States of a write of which nobody knows whether it happened."""


def sent_again(story: Story, *, by: str, now: datetime) -> tuple[TransitionRow, NewEvent]:
    """The move from FAILED to PLANNED, and its event.

    A run that had no plan yet makes one when it goes on: the move counts as that of its first plan.

    Raises:
        Conflict: the run has not failed, was sent again too often, or left a write whose outcome is unknown.
    """
    if story.run.state != "FAILED":
        raise Conflict(f"run {story.run.run_id} is {story.run.state}, not FAILED", hint="nothing was changed")
    moves = story.transitions
    counts: Counter[tuple[RunState, RunState]] = Counter(
        (cast("RunState", move.from_state), cast("RunState", move.to_state)) for move in moves
    )
    safe = not any(effect.state in IN_DOUBT for effect in story.effects)
    attempt = check(counts, "FAILED", "PLANNED", retry_safe=safe)
    number = len(moves) + 1
    first = not any(e.kind == "state_changed" and e.data["key"] == "planned:0" for e in story.events)
    said: dict[str, Any] = {"actor": f"user:{by}", "reason": "sent again", "attempt": attempt}
    ways = {"from": "FAILED", "to": "PLANNED", "key": "planned:0" if first else f"PLANNED#{number}"}
    data = {**ways, **said}
    moved = TransitionRow(
        run_id=story.run.run_id, number=number, from_state="FAILED", to_state="PLANNED", at=now, **said
    )
    event = NewEvent(
        kind="state_changed", actor=said["actor"], data=data, key=event_key("state_changed", data), at=now
    )
    return moved, event
