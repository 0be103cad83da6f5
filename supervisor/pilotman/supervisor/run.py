"""The record of a run: plain data, a snapshot of its journal. All verbs are the supervisor's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from rich.console import RenderableType

from pilotman.agents.report import Citation
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import Conflict, InvalidRequest
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal.records import TransitionRow
from pilotman.memory.storage.codec import dump, load
from pilotman.supervisor import card, render
from pilotman.supervisor.plan import Plan
from pilotman.supervisor.state import TERMINAL, RunState
from pilotman.supervisor.tiers import Tier

M = TypeVar("M", bound=BaseModel)

ActionStatus: TypeAlias = Literal[
    "applied", "not_applied", "unknown", "waiting", "drafted", "denied", "compensated"
]


@dataclass(frozen=True, kw_only=True)
class Action:
    """Something that the run did to the world, wants to do, or was not allowed to.

    ``waiting``: a person has not answered, or the run has not gone on since. ``unknown``: the call was made
    and its reply was lost. ``drafted``: writes were switched off; ``args`` are what it would have been called
    with. ``step`` is the step path, ``message`` why it was not applied, drafted or denied.
    """

    tool: str
    effect: Effect
    status: ActionStatus
    approval_id: str | None = None
    step: str = ""
    message: str = ""
    args: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What was used. A step is one model call of any agent; ``cost_usd`` is None if a price is unknown."""

    steps: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0


@dataclass(frozen=True, kw_only=True)
class Retrieved:
    """A document that was found; ``score`` is comparable within one search only."""

    source: str
    version: str
    score: float


@dataclass(frozen=True, kw_only=True)
class Retrieval:
    """One search and what it found, best first; the passages themselves are in the journal."""

    snapshot_id: str
    epoch: int
    query: str
    mode: str
    covered: bool | None
    documents: tuple[Retrieved, ...]


@dataclass(frozen=True, kw_only=True, repr=False)
class Run:
    """A run as its journal tells it at one moment. Picklable, JSON both ways.

    ``step`` counts model calls, at most ``max_steps``. ``covered`` is False if no document treats the
    request, None if nothing was looked up. ``snapshots`` are the run's searches and ``retrieved`` their
    documents, each once, best first. ``deadline_at`` moves by what was waited for a person. ``versions`` are
    those of prompts, policy, tools and models. ``tiers`` say how each model did.
    """

    run_id: str
    thread_id: str
    supervisor: str
    state: RunState
    principal: Principal
    request: str
    task_type: str
    severity: int
    answer: str | None
    confidence: float | None
    citations: tuple[Citation, ...]
    covered: bool | None
    retrieved: tuple[Retrieved, ...]
    snapshots: tuple[Retrieval, ...]
    plan: Plan | None
    actions: tuple[Action, ...]
    approvals: tuple[Approval, ...]
    caveats: tuple[str, ...]
    usage: Usage
    tiers: tuple[Tier, ...] = ()
    step: int
    max_steps: int
    tools_called: tuple[str, ...]
    outcome: str | None
    last_error: str | None
    transitions: tuple[TransitionRow, ...]
    versions: Mapping[str, str] = field(hash=False)
    created_at: datetime
    updated_at: datetime
    deadline_at: datetime

    @property
    def ended(self) -> bool:
        """Whether nothing will happen any more."""
        return self.state in TERMINAL

    @property
    def interim(self) -> bool:
        """Whether there is an answer that is not the last word: a person is still asked."""
        return self.answer is not None and not self.ended

    @property
    def pending(self) -> tuple[Approval, ...]:
        """The questions that a person has not answered."""
        return tuple(approval for approval in self.approvals if approval.state == "pending")

    def answer_as(self, schema: type[M]) -> M:
        """The answer of a team with a ``response_format``, as that schema.

        Raises:
            Conflict: there is no answer yet, or it does not have this shape.
        """
        if self.answer is None:
            raise Conflict(f"run {self.run_id} has no answer, it is {self.state}", hint="resume it first")
        try:
            return schema.model_validate_json(self.answer)
        except ValidationError as error:
            raise Conflict(
                f"the answer of run {self.run_id} is no {schema.__name__}: {error.error_count()} problems",
                hint="give the supervisor response_format= with this schema",
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        data: dict[str, Any] = load(self.to_json())
        return data

    def to_json(self) -> str:
        """The whole record; ``from_json`` reads it back."""
        return dump(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> Run:
        """A record that ``to_json`` wrote.

        Raises:
            InvalidRequest: it is no such record.
        """
        try:
            return _adapter().validate_json(text)
        except ValidationError as error:
            raise InvalidRequest(f"this is no run's record: {error.error_count()} problems in it") from error

    def __repr__(self) -> str:
        return render.line(self)

    def __rich__(self) -> RenderableType:
        return render.panel(self)

    def _repr_html_(self) -> str:
        return card.html(self)


@cache
def _adapter() -> TypeAdapter[Run]:
    return TypeAdapter(Run)
