"""Plain message dictionaries and LangChain's message objects, both ways, losing nothing a provider needs.

A plain message has ``role`` (``system``, ``user``, ``assistant``, ``tool``) and ``content`` (text or content
blocks); an assistant's may have ``tool_calls`` (``[{"id", "name", "args"}]``), ``usage_metadata``,
``response_metadata`` and ``additional_kwargs``; a tool's has ``tool_call_id``, ``name`` and ``status``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic_core import to_jsonable_python

from pilotman.guardrails.shape import is_list, is_mapping

_KEPT = ("tool_calls", "invalid_tool_calls", "usage_metadata", "response_metadata", "additional_kwargs", "id")


def to_langchain(message: Mapping[str, Any]) -> BaseMessage:
    """The LangChain message of a plain one.

    Raises:
        ValueError: the role is none of the four.
    """
    build = _BUILDERS.get(str(message.get("role")))
    if build is None:
        raise ValueError(f"a message has the role {message.get('role')!r}: use one of {', '.join(_BUILDERS)}")
    return build(message)


def from_langchain(message: BaseMessage) -> dict[str, Any]:
    """A model's message as a plain, JSON-able one; empty parts are left out."""
    kept = {name: getattr(message, name, None) for name in _KEPT}
    plain = {"role": "assistant", "content": message.content, **{k: v for k, v in kept.items() if v}}
    found: dict[str, Any] = to_jsonable_python(plain, fallback=str)
    return found


def text_of(content: Any) -> str:
    """The text of a message's content: the text itself, or its text blocks joined."""
    if isinstance(content, str):
        return content
    if not is_list(content):
        return ""
    return "".join(_block_text(block) for block in content)


def _block_text(block: Any) -> str:
    if is_mapping(block):
        return str(block.get("text") or "") if block.get("type", "text") == "text" else ""
    return str(block)


def _system(message: Mapping[str, Any]) -> BaseMessage:
    return SystemMessage(content=message["content"])


def _user(message: Mapping[str, Any]) -> BaseMessage:
    return HumanMessage(content=message["content"])


def _assistant(message: Mapping[str, Any]) -> BaseMessage:
    kept = {name: message[name] for name in _KEPT if message.get(name)}
    calls = [{"id": None, **call, "type": "tool_call"} for call in kept.pop("tool_calls", ())]
    return AIMessage(content=message.get("content") or "", tool_calls=calls, **kept)


def _tool(message: Mapping[str, Any]) -> BaseMessage:
    return ToolMessage(
        content=message["content"],
        tool_call_id=message["tool_call_id"],
        name=message.get("name"),
        status="error" if message.get("status") == "error" else "success",
    )


_BUILDERS: Mapping[str, Callable[[Mapping[str, Any]], BaseMessage]] = {
    "system": _system,
    "user": _user,
    "assistant": _assistant,
    "tool": _tool,
}
