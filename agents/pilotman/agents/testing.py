"""Second door: fakes for users' tests. Real implementations of the ports, nothing is mocked."""

from pilotman.agents.fakes import FaultyChatModel, ScriptedChatModel, call
from pilotman.agents.faults import faulty

__all__ = ["FaultyChatModel", "ScriptedChatModel", "call", "faulty"]
