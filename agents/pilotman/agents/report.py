"""What passes between a supervisor and its agents: cards, briefs, reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from pilotman.guardrails.policy import Effect


@dataclass(frozen=True, kw_only=True)
class Citation:
    """A literal quote from one version of one source."""

    source: str
    version: str
    quote: str


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A retrieved piece of text with its labels; a model cites it as ``[number]``.

    ``version`` is the content hash of the whole document, ``fetched_at`` ISO 8601 in UTC.
    """

    number: int
    source: str
    version: str
    heading: str
    text: str
    trusted: bool
    fetched_at: str
    score: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class ToolCard:
    """A tool as a planner sees it."""

    name: str
    description: str
    effect: Effect
    args: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AgentCard:
    """An agent as a planner sees it."""

    name: str
    description: str
    tools: tuple[ToolCard, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Report:
    """What an agent hands back: its text, what it rests on and how far it got.

    ``status``: ``ok``; ``partial`` (something could not be done, see ``caveats``); ``failed``.
    ``confidence`` in [0, 1] is computed by us, from what went well.
    """

    task_id: str
    agent: str
    text: str
    status: Literal["ok", "partial", "failed"] = "ok"
    citations: tuple[Citation, ...] = ()
    caveats: tuple[str, ...] = ()
    confidence: float = 1.0

    def to_dict(self) -> dict[str, Any]:
        return {
            **vars(self),
            "citations": [dict(vars(c)) for c in self.citations],
            "caveats": [*self.caveats],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        fields = dict(data)
        fields["citations"] = tuple(Citation(**c) for c in data.get("citations", ()))
        fields["caveats"] = tuple(data.get("caveats", ()))
        return cls(**fields)


@dataclass(frozen=True, kw_only=True)
class Brief:
    """All that an agent sees of a run: its task, the request, the passages and its dependencies' reports.

    ``request`` is the request in words, ``query`` what to look up for it (empty: the request itself),
    ``facts`` its structured fields (JSON-able), empty for plain text. ``conversation``: what the user asked
    before and was answered, the oldest first.
    """

    task_id: str
    agent: str
    goal: str
    request: str
    query: str = ""
    done_when: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    passages: tuple[Passage, ...] = ()
    reports: tuple[Report, ...] = ()
    conversation: tuple[Mapping[str, Any], ...] = ()
