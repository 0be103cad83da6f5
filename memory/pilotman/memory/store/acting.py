"""For whom code runs at the moment: what a store that is bound to nobody goes by."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol

from pilotman.guardrails.label import Label
from pilotman.guardrails.principal import Principal


class Ear(Protocol):
    """The port: what a run knows of what it reads."""

    def read(self) -> Label:
        """The label of all that the run has read so far: of what it writes, at best."""
        ...

    def hear(self, label: Label, value: Any) -> None:
        """Memory tells something (JSON-able) that an earlier run, or somebody else, has left there."""
        ...


@dataclass(frozen=True, kw_only=True)
class Acting:
    """The run that moves, whose it is, and its conversation.

    ``writes`` names the tool whose permitted write is being executed. Without one, nothing is written that
    outlives the conversation: no permit, no write. ``ear`` hears what memory tells the run.
    """

    principal: Principal
    run_id: str
    thread_id: str
    writes: str | None = None
    ear: Ear | None = None


acting: ContextVar[Acting | None] = ContextVar("pilotman_acting", default=None)
"""Set while a run moves, in all that it calls: tools, users' graphs, nested supervisors, threads."""


def tell(label: Label, value: Any, *, by: str | None = None) -> None:
    """Say to the run that moves, if one does, what memory tells it: unless it is trusted, or the run itself
    (``by``) has left it there."""
    run = acting.get()
    if run is not None and run.ear is not None and not label.trusted and by != run.run_id:
        run.ear.hear(label, value)
