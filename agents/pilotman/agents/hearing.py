"""What memory tells a run while it works: taken in as others' words, and on its record.

What an earlier run has left, in facts or in a store's items, keeps its label; whoever reads it again takes it
over. So a tool of ours that looks something up is as trusted, this time, as what memory told it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilotman.agents.scope import RunScope
from pilotman.guardrails.label import Label
from pilotman.memory.facts.origin import TOLD


@dataclass(eq=False)
class Listener:
    """The ear of one call of a tool, or of all else that a run does. ``foreign``: it was told what is not
    trusted."""

    run: RunScope
    foreign: bool = False

    def read(self) -> Label:
        return self.run.flow.read()

    def hear(self, label: Label, value: Any) -> None:
        """Any thread may call."""
        self.foreign = self.foreign or not label.trusted
        self.run.flow.hear(label, value)
        if not label.trusted:
            self.run.recorder.emit(TOLD, actor="memory", path="", suspicions=sorted(label.suspicions))
