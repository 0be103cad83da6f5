"""The run's state machine: a closed table, as data. Pure; the supervisor is the only mover."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

from pilotman.guardrails.errors import Conflict

RunState: TypeAlias = Literal[
    "RECEIVED",
    "PLANNED",
    "EXECUTING",
    "WAITING_FOR_TOOL",
    "VALIDATING",
    "ESCALATED",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
]

STATES: tuple[RunState, ...] = get_args(RunState)
TERMINAL: frozenset[RunState] = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
LIVE: frozenset[RunState] = frozenset(STATES) - TERMINAL

REPLANS = 2
"""Times that validation may send a run back to its planner."""

RETRIES = 2
"""Times that a failed run may be taken up again."""

QUESTIONS = 1_000
"""Times that a run may wait for a person: a guard against a loop, the purse bites first."""

TOOL_WAITS = 100_000
"""Times that a run may wait for a tool: more than any purse of tool calls allows."""


@dataclass(frozen=True, kw_only=True)
class Transition:
    """A move that may be made, at most ``maximum`` times in one run's life."""

    from_state: RunState
    to_state: RunState
    maximum: int


# PLANNED is entered by the first plan, by a re-plan, by a retry and by an answer to "no valid plan".
_PLANS = 1 + REPLANS + RETRIES + QUESTIONS


def _moves() -> Iterator[tuple[RunState, RunState, int]]:
    yield "RECEIVED", "PLANNED", 1
    yield "PLANNED", "EXECUTING", _PLANS
    yield "EXECUTING", "WAITING_FOR_TOOL", TOOL_WAITS
    yield "WAITING_FOR_TOOL", "EXECUTING", TOOL_WAITS
    yield "EXECUTING", "VALIDATING", _PLANS + QUESTIONS
    yield "VALIDATING", "PLANNED", REPLANS
    yield "VALIDATING", "COMPLETED", 1
    yield "RECEIVED", "ESCALATED", QUESTIONS
    yield "PLANNED", "ESCALATED", QUESTIONS
    yield "EXECUTING", "ESCALATED", QUESTIONS
    yield "VALIDATING", "ESCALATED", QUESTIONS
    yield "ESCALATED", "EXECUTING", QUESTIONS
    yield "ESCALATED", "PLANNED", QUESTIONS
    yield "ESCALATED", "COMPLETED", 1
    yield "FAILED", "PLANNED", RETRIES
    for state in STATES:
        if state in LIVE:
            yield state, "FAILED", 1 + RETRIES
            yield state, "CANCELLED", 1


TABLE: Mapping[tuple[RunState, RunState], Transition] = MappingProxyType(
    {(old, new): Transition(from_state=old, to_state=new, maximum=most) for old, new, most in _moves()}
)
"""Every move that there is, by its two ends (DESIGN: one mover)."""


def check(
    counts: Mapping[tuple[RunState, RunState], int],
    from_state: RunState,
    to_state: RunState,
    *,
    retry_safe: bool = False,
) -> int:
    """The attempt number (from 1) of this move, given how often each was made before.

    ``retry_safe`` says that the failed run left no effect whose outcome is unknown: only then
    FAILED → PLANNED is a move.

    Raises:
        Conflict: the table has no such move, it was made too often, or the failed run is not retry-safe.
    """
    move = TABLE.get((from_state, to_state))
    if move is None:
        raise Conflict(f"a run cannot go from {from_state} to {to_state}", hint=_ways_out(from_state))
    attempt = counts.get((from_state, to_state), 0) + 1
    if attempt > move.maximum:
        raise Conflict(
            f"the run went from {from_state} to {to_state} {move.maximum} times, which is the maximum",
            hint=_ways_out(from_state),
        )
    if from_state == "FAILED" and not retry_safe:
        raise Conflict(
            "the failed run may have left an effect behind, so it is not taken up again",
            hint="settle the effects whose outcome is unknown first, or start a new run",
        )
    return attempt


def _ways_out(state: RunState) -> str:
    ways = [new for old, new in TABLE if old == state]
    return f"from {state} it can go to {', '.join(ways)}" if ways else f"{state} is final"
