"""Floor 3: specialists, tools, models, and all that stands between them and the world."""

from pilotman.agents.context import ToolContext
from pilotman.agents.failure import ToolFailure
from pilotman.agents.mcp.tools import mcp_tools
from pilotman.agents.memory_tools import memory_tools
from pilotman.agents.models import Models
from pilotman.agents.report import Citation
from pilotman.agents.result import ToolResult
from pilotman.agents.rules.model import ChatRules
from pilotman.agents.specialist import Agent, Kit, Specialist
from pilotman.agents.tool import Tool, tool

__all__ = [
    "Agent",
    "ChatRules",
    "Citation",
    "Kit",
    "Models",
    "Specialist",
    "Tool",
    "ToolContext",
    "ToolFailure",
    "ToolResult",
    "mcp_tools",
    "memory_tools",
    "tool",
]
