"""Floor 2: what a run leaves behind: journal, parked graphs, what is remembered, where all came from."""

from pilotman.memory.audit.anchoring import Anchors
from pilotman.memory.event import Event
from pilotman.memory.facts.fact import Fact, Pointer
from pilotman.memory.forgetting.receipt import Receipt
from pilotman.memory.memory import Memory
from pilotman.memory.provenance.lineage import Lineage
from pilotman.memory.retention import Retention
from pilotman.memory.selector import Selector

__all__ = ["Anchors", "Event", "Fact", "Lineage", "Memory", "Pointer", "Receipt", "Retention", "Selector"]
