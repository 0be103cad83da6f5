"""Who uses a store at the moment."""

from __future__ import annotations

from dataclasses import dataclass

from pilotman.guardrails.label import Label
from pilotman.guardrails.principal import Principal
from pilotman.memory.store.acting import Acting
from pilotman.memory.store.shelf import Shelf


@dataclass(frozen=True, kw_only=True)
class Hand:
    """Who uses the store at the moment, and the run in which: None outside of runs."""

    principal: Principal
    run: Acting | None
    shelf: Shelf

    @property
    def actor(self) -> str:
        """Who writes, as events name it."""
        return f"user:{self.principal.user}" if self.run is None else f"tool:{self.run.writes}"

    @property
    def label(self) -> Label:
        """Of what is written: in a run the least trusted of all that it has read, outside the user's own."""
        if self.run is not None and self.run.ear is not None:
            return self.run.ear.read()
        return Label(author="user", trusted=True, tenant=self.principal.tenant)
