"""For whom code runs at the moment: what a store that is bound to nobody goes by."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from pilotman.guardrails.principal import Principal


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The run that moves, whose it is, and its conversation.

    ``writes`` names the tool whose permitted write is being executed. Without one, nothing is written that
    outlives the conversation: no permit, no write.
    """

    principal: Principal
    run_id: str
    thread_id: str
    writes: str | None = None


acting: ContextVar[Acting | None] = ContextVar("pilotman_acting", default=None)
"""Set while a run moves, in all that it calls: tools, users' graphs, nested supervisors, threads."""
