"""What the journal stores about a run, its transitions and its writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import Conflict, PermitRefused
from pilotman.guardrails.level import Setting
from pilotman.guardrails.permit import Permit
from pilotman.guardrails.policy import Effect, Level
from pilotman.memory.event import Event

EffectState: TypeAlias = Literal["intended", "applied", "not_applied", "unknown", "compensated"]
PermitRow = Permit

ENDED = frozenset({"COMPLETED", "FAILED", "CANCELLED"})
"""States in which a run is over: it holds no thread and waits in no queue."""
WAITING = "ESCALATED"
"""The state in which a run waits for a person: nobody has to drive it."""


class Fenced(Conflict):
    """Another process owns the run now, or its state is another: this process must stop driving it."""

    code = "fenced"


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """A run's record. Times are aware UTC, ``waited_s`` seconds spent waiting for a person.

    ``active``: it holds its conversation, one run at a time for each tenant and ``thread_id``. ``owner`` is
    the process that drives it, until ``lease_until``. ``next_seq`` is the number that its next event gets.
    ``failures``: how often driving it broke down since its last stop.
    """

    run_id: str
    tenant: str
    user: str
    principal: Mapping[str, Any]
    supervisor: str
    thread_id: str
    request: Mapping[str, Any]
    state: str
    created_at: datetime
    updated_at: datetime
    idempotency_key: str | None = None
    task_type: str = ""
    severity: int = 0
    budget: Mapping[str, Any]
    versions: Mapping[str, Any]
    started_at: datetime | None = None
    deadline_at: datetime | None = None
    active_since: datetime | None = None
    waited_s: float = 0.0
    active: bool = False
    owner: str | None = None
    lease_until: datetime | None = None
    cancel_requested: str | None = None
    trace_parent: str | None = None
    next_seq: int = 1
    replay_of: str | None = None
    failures: int = 0


@dataclass(frozen=True, kw_only=True)
class TransitionRow:
    """One move of a run's state. ``number`` counts a run's moves from 1."""

    run_id: str
    number: int
    from_state: str
    to_state: str
    at: datetime
    actor: str
    reason: str = ""
    attempt: int = 1


@dataclass(frozen=True, kw_only=True)
class EffectRow:
    """One write in the ledger. ``digest`` is of its arguments, ``key`` its idempotency key in the tenant.

    ``result`` is the digest of the recorded payload.
    """

    effect_id: str
    tenant: str
    run_id: str
    step: str
    tool: str
    effect: str
    key: str
    digest: str
    permit_id: str
    state: EffectState = "intended"
    result: str | None = None
    attempts: int = 1
    owner: str
    intended_at: datetime
    settled_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class InFlight:
    """A write that was begun and whose outcome is not known yet. ``approved``: a person had said yes to it.

    ``owner`` names the process that began it; ``is_dead(owner)`` tells whether it is certainly gone.
    """

    effect_id: str
    tenant: str
    run_id: str
    step: str
    chain: tuple[str, ...]
    tool: str
    effect: Effect
    approved: bool
    since: datetime
    owner: str


@dataclass(frozen=True, kw_only=True)
class Levels:
    """``settings``, oldest first, and ``in_flight``: the writes that were begun and have not ended."""

    settings: tuple[Setting, ...]
    in_flight: tuple[InFlight, ...]


class Switched(PermitRefused):
    """The level does not let this write start any more, whatever was allowed before; nothing was written."""

    code = "switched"

    def __init__(self, level: Level) -> None:
        super().__init__(f"the level is {level} now; nothing was written", hint="it has to be decided anew")
        self.level: Level = level


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that is stored of one run but its payloads, as of one moment, each in order."""

    run: RunRow
    events: Sequence[Event]
    transitions: Sequence[TransitionRow]
    approvals: Sequence[Approval]
    effects: Sequence[EffectRow]


@dataclass(frozen=True, kw_only=True, slots=True)
class Claimed:
    """What its new owner goes on from. ``conversation_calls``: calls started per tool, over all runs of the
    run's conversation."""

    story: Story
    conversation_calls: Mapping[str, int]
