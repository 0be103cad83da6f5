"""Floor 2: what a run leaves behind. The journal, and where graphs are parked."""

from pilotman.memory.audit.anchoring import Anchors
from pilotman.memory.event import Event
from pilotman.memory.facts.fact import Fact
from pilotman.memory.memory import Memory
from pilotman.memory.retention import Retention
from pilotman.memory.selector import Selector

__all__ = ["Anchors", "Event", "Fact", "Memory", "Retention", "Selector"]
