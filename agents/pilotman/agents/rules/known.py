"""What is known when a tool's arguments are to be found, and the slot's surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from pilotman.agents.rules.quoting import HEADINGS, humanised
from pilotman.agents.rules.schemas import Slot
from pilotman.guardrails.wording.verbs import Deed

_LONGEST = 8_000


@dataclass(frozen=True, kw_only=True)
class Known:
    """Where values may come from. ``results`` are earlier tools' values, each with the words of its tool's
    objects; ``reports`` are other agents' texts."""

    goal: str = ""
    request: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    results: tuple[tuple[str, Any], ...] = ()
    reports: tuple[str, ...] = ()

    @property
    def findings(self) -> str:
        """The reports as one: what stands under the same heading together, each line once."""
        blocks: dict[str, dict[str, None]] = {}
        for report in self.reports:
            heading = ""
            for line in filter(None, map(str.rstrip, report.splitlines())):
                if line.endswith(":") and not line.startswith(("-", " ")):
                    heading = line
                else:
                    blocks.setdefault(heading, {})[humanised(line)] = None
        ours = [heading for heading in HEADINGS if heading in blocks]
        order = [*(heading for heading in blocks if heading not in HEADINGS), *ours]
        return "\n\n".join("\n".join(filter(None, (h, *blocks[h]))) for h in order)

    @property
    def texts(self) -> tuple[str, ...]:
        """What a person or planner said, the nearest first."""
        return tuple(dict.fromkeys(text[:_LONGEST] for text in (self.goal, self.request) if text))


@dataclass(frozen=True, kw_only=True)
class Search:
    """A slot's surroundings: what is known, the tool's deed, its other slots and the values in use."""

    known: Known
    deed: Deed
    slots: tuple[Slot, ...]
    taken: tuple[str, ...] = ()

    def alone(self, slot: Slot, kinds: frozenset[str]) -> bool:
        """Whether this is the tool's only required slot of these kinds."""
        rivals = [s for s in self.slots if s.required and s.kind in kinds and not s.options]
        return slot.required and len(rivals) == 1
