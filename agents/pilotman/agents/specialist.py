"""Specialists: an agent's name, its tools, its models and its limits. Data; the graph runs it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from langchain_core.language_models import BaseChatModel
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool

from pilotman.agents.models import Models, ModelTable
from pilotman.agents.report import AgentCard, ToolCard
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.errors import ConfigurationError

ToolLike: TypeAlias = Tool[..., Any] | BaseTool

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


class Agent(Protocol):
    """Anything a supervisor may delegate to: a Specialist or another Supervisor."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Kit:
    """What a foreign agent is built from: a metered model and guarded tools, ordinary LangChain objects."""

    model: BaseChatModel
    tools: list[BaseTool]
    prompt: str


class Specialist:
    """One agent. Tools are leased to it task by task; a plain LangChain tool counts as an undeclared write.

    ``agent`` builds a foreign agent from a ``Kit``, anew for every task and on the event loop, which it must
    not block; whatever the agent does with the kit is governed as if it were ours.

    Raises:
        ConfigurationError: a name that graphs and traces cannot carry, or two tools of one name.
    """

    def __init__(
        self,
        name: str,
        description: str,
        *,
        tools: Sequence[ToolLike] = (),
        prompt: str = "",
        models: Models | None = None,
        budget: Budget | None = None,
        agent: Callable[[Kit], Runnable[Any, Any]] | None = None,
    ) -> None:
        self._name = valid_name(name)
        self._description = description
        self.prompt = prompt
        self.models = None if models is None else ModelTable.resolve(models)
        self.budget = budget
        self.agent = agent
        own = [t if isinstance(t, Tool) else tool(t) for t in tools]
        self.tools: dict[str, Tool[..., Any]] = {t.name: t for t in own}
        if len(self.tools) < len(own):
            names = sorted(t.name for t in own)
            raise ConfigurationError(f"{name} has two tools of one name among {names}", hint="rename one")

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    def card(self) -> AgentCard:
        """The agent as a planner sees it."""
        return AgentCard(
            name=self.name,
            description=self.description,
            tools=tuple(tool_card(t) for t in self.tools.values()),
        )

    def __repr__(self) -> str:
        return f"Specialist({self.name!r}, tools={sorted(self.tools)})"


def valid_name(name: str) -> str:
    """The name, if graphs, traces and step paths can carry it.

    Raises:
        ConfigurationError: they cannot.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} is not a usable name", hint="letters, digits, - and _, a letter first, at most 64"
        )
    return name


def tool_card(known: Tool[..., Any]) -> ToolCard:
    """A tool as planners and agents see it."""
    args = tuple(known.args_schema.get("properties", {}))
    return ToolCard(name=known.name, description=known.description, effect=known.effective, args=args)


def tool_function(known: Tool[..., Any]) -> dict[str, Any]:
    """A tool as chat models take it (OpenAI's function format)."""
    function = {
        "name": known.name,
        "description": known.description,
        "parameters": dict(known.args_schema),
    }
    return {"type": "function", "function": function}
