"""What the rule-based model is asked, read from a conversation: one of our prompts, or anybody's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from pilotman.agents.calls import is_drafted
from pilotman.agents.messages import text_of
from pilotman.agents.prompts import prompt_kind
from pilotman.agents.report import AgentCard, Passage, Report, ToolCard
from pilotman.agents.sections import parse_sections
from pilotman.agents.window import ranked
from pilotman.guardrails.policy import Effect
from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.verbs import only_looks

Kind: TypeAlias = Literal["plan", "work", "answer", "free"]


@dataclass(frozen=True, kw_only=True)
class OfferedTool:
    """A tool bound to the model. ``effect`` is told by our prompt, else guessed from its name and
    description: a write if they name an action, a read if they only look or only name a thing."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    effect: Effect

    @property
    def writes(self) -> bool:
        return self.effect in ("write", "irreversible")

    def card(self) -> ToolCard:
        args = tuple(self.parameters.get("properties", {}))
        return ToolCard(name=self.name, description=self.description, effect=self.effect, args=args)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A tool call that was made and what came back; ``problem`` says why it failed, '' if it did not."""

    tool: str
    args: Mapping[str, Any]
    value: Any = None
    problem: str = ""
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Everything that the model knows at this turn. ``wanted`` names the tool that must be called, if one."""

    kind: Kind
    request: str
    goal: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    agents: tuple[AgentCard, ...] = ()
    max_tasks: int = 8
    passages: tuple[Passage, ...] = ()
    reports: tuple[Report, ...] = ()
    actions: tuple[Mapping[str, Any], ...] = ()
    caveats: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    tools: tuple[OfferedTool, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    wanted: str | None = None
    turn: int = 0


def read(messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]], choice: Any = None) -> Asked:
    """Read a conversation. ``tools`` are functions as OpenAI writes them, ``choice`` its tool_choice."""
    system = next((text_of(m.content) for m in messages if isinstance(m, SystemMessage)), "")
    kind = prompt_kind(system) or _brief_kind(messages)
    asked = _own(kind, messages) if kind else _foreign(messages)
    effects: dict[str, Effect] = {tool.name: tool.effect for tool in asked.tools}
    offered = tuple(_offered(tool.get("function", tool), effects) for tool in tools)
    outcomes = _outcomes(messages, own=kind is not None)
    passages = {passage.number: passage for passage in asked.passages}
    for passage in _found_passages(outcomes):
        passages.setdefault(passage.number, passage)
    return replace(
        asked,
        tools=offered,
        outcomes=outcomes,
        passages=tuple(passages.values()),
        wanted=_wanted(asked.kind, offered, choice),
        turn=sum(isinstance(m, AIMessage) for m in messages),
    )


def _own(kind: Literal["plan", "work", "answer"], messages: Sequence[BaseMessage]) -> Asked:
    """One of our prompts: its data stands in the blocks of the first user message."""
    data = parse_sections(_first_said(messages))
    task = data.get("task", {})
    return Asked(
        kind=kind,
        request=data.get("request", ""),
        goal=task.get("goal", ""),
        facts=data.get("facts", {}),
        agents=tuple(_agent(card) for card in data.get("agents", ())),
        max_tasks=data.get("limits", {}).get("max_tasks", 8),
        passages=ranked([Passage(**passage) for passage in data.get("passages", ())]),
        reports=tuple(Report.from_dict(report) for report in data.get("reports", ())),
        actions=tuple(data.get("actions", ())),
        caveats=tuple(data.get("caveats", ())),
        errors=tuple(data.get("errors", ())),
        tools=tuple(
            OfferedTool(name=t["name"], description=t["description"], parameters={}, effect=t["effect"])
            for t in data.get("tools", ())
        ),
    )


def _brief_kind(messages: Sequence[BaseMessage]) -> Literal["work"] | None:
    """A foreign agent's prompt may hold our brief, which says more than the words around it."""
    task = parse_sections(_first_said(messages)).get("task")
    return "work" if is_mapping(task) and {"task_id", "goal"} <= set(task) else None


def _first_said(messages: Sequence[BaseMessage]) -> str:
    return next((text_of(m.content) for m in messages if isinstance(m, HumanMessage)), "")


def _foreign(messages: Sequence[BaseMessage]) -> Asked:
    """Somebody else's prompt: the last thing that a person said is the request."""
    said = [text_of(m.content) for m in messages if isinstance(m, HumanMessage)]
    return Asked(kind="free", request=said[-1] if said else "")


def _agent(card: Mapping[str, Any]) -> AgentCard:
    tools = tuple(_tool(tool) for tool in card.get("tools", ()))
    return AgentCard(name=card["name"], description=card["description"], tools=tools)


def _tool(card: Mapping[str, Any]) -> ToolCard:
    args = tuple(card.get("args", ()))
    return ToolCard(name=card["name"], description=card["description"], effect=card["effect"], args=args)


def _offered(tool: Mapping[str, Any], effects: Mapping[str, Effect]) -> OfferedTool:
    name, description = str(tool["name"]), str(tool.get("description") or "")
    parameters: Mapping[str, Any] = tool.get("parameters") or {}
    guess: Effect = "read" if only_looks(name, description) else "write"
    return OfferedTool(
        name=name, description=description, parameters=parameters, effect=effects.get(name, guess)
    )


def _wanted(kind: Kind, offered: Sequence[OfferedTool], choice: Any) -> str | None:
    """The one tool that has to be called: chosen by name, or the structure that our prompt asks for."""
    if is_mapping(choice):
        choice = choice.get("function", choice).get("name")
    names = [tool.name for tool in offered]
    if choice in names:
        return str(choice)
    if names and (kind in ("plan", "answer") or (choice in ("any", "required", True) and len(names) == 1)):
        return names[-1]
    return None


def _outcomes(messages: Sequence[BaseMessage], *, own: bool) -> tuple[Outcome, ...]:
    calls = {c["id"]: c for m in messages if isinstance(m, AIMessage) for c in m.tool_calls}
    people = [i for i, m in enumerate(messages) if isinstance(m, HumanMessage)]
    start = people[-1] if people and not own else 0  # an earlier request's results answer that request
    found = [m for m in messages[start:] if isinstance(m, ToolMessage)]
    return tuple(_outcome(m, calls.get(m.tool_call_id, {})) for m in found)


def _outcome(message: ToolMessage, call: Mapping[str, Any]) -> Outcome:
    text = text_of(message.content)
    tool, args = str(message.name or call.get("name", "a tool")), call.get("args", {})
    value = _json(text)
    if is_mapping(value) and value.get("status") in ("ok", "partial", "error") and "value" in value:
        error: Mapping[str, Any] = value.get("error") or {}
        problem = str(error.get("message", "it failed")) if value["status"] == "error" else ""
        caveats = tuple(map(str, value.get("caveats") or ()))
        if is_drafted(value):
            return Outcome(tool=tool, args=args, problem=caveats[0])
        return Outcome(tool=tool, args=args, value=value["value"], problem=problem, caveats=caveats)
    if message.status == "error":
        return Outcome(tool=tool, args=args, problem=text or "it failed")
    return Outcome(tool=tool, args=args, value=value)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _found_passages(outcomes: Sequence[Outcome]) -> list[Passage]:
    """Passages that a search returned, as our corpus tool writes them."""
    items = [item for o in outcomes if is_list(o.value) for item in o.value]
    return [passage for passage in map(_passage, items) if passage is not None]


def _passage(item: Any) -> Passage | None:
    try:
        return Passage(**item) if is_mapping(item) and "number" in item and "text" in item else None
    except TypeError:
        return None
