"""Floor 2: what a run leaves behind. The journal, and where graphs are parked."""

from pilotman.memory.audit.anchoring import Anchors
from pilotman.memory.event import Event
from pilotman.memory.memory import Memory

__all__ = ["Anchors", "Event", "Memory"]
