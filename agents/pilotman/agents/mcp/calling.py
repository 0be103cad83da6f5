"""What stands behind the tool of a server: one call in one session, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson

from pilotman.agents.blocking import Threads
from pilotman.agents.context import ToolContext
from pilotman.agents.failure import ToolFailure
from pilotman.agents.mcp.server import Server
from pilotman.agents.result import ToolResult
from pilotman.guardrails.pin import Definition
from pilotman.guardrails.shape import is_list


class MCPToolError(Exception):
    """The server says that its tool has failed. Whether a write was applied, it does not say."""


@dataclass(frozen=True, kw_only=True)
class ServerBody:
    """A call to the server, of the tool that was listed and no other."""

    server: Server
    approved: Definition

    @property
    def is_async(self) -> bool:
        return True

    async def __call__(
        self, values: Mapping[str, Any], _ctx: ToolContext, _threads: Threads, /, *_leading: Any
    ) -> Any:
        return value_of(await self.server.call(self.approved, values))


@dataclass(frozen=True, kw_only=True)
class RefusingBody:
    """No call at all: the tool may not be used, and this is why."""

    reason: str

    @property
    def is_async(self) -> bool:
        return True

    async def __call__(
        self, _values: Mapping[str, Any], _ctx: ToolContext, _threads: Threads, /, *_leading: Any
    ) -> Any:
        raise ToolFailure(self.reason, kind="authorization")


def value_of(answer: Any) -> Any:
    """A server's answer as data: its structured content, else its texts, a single JSON one decoded.

    What is neither text nor data (pictures, sound, files) is left out, and said.

    Raises:
        MCPToolError: the answer is an error.
    """
    blocks: Sequence[Any] = answer.content if is_list(getattr(answer, "content", None)) else ()
    texts = [text for block in blocks if (text := _text(block)) is not None]
    if getattr(answer, "isError", False) or getattr(answer, "status", "") == "error":
        raise MCPToolError("\n".join(texts)[:2_000] or "it gave no reason")
    value: Any = getattr(answer, "structuredContent", None)
    if value is None:
        value = _decoded(texts[0]) if len(texts) == 1 else "\n".join(texts) or None
    missing = len(blocks) - len(texts)
    if not missing:
        return value
    return ToolResult.partial(value, f"{missing} parts that are no text were left out")


def _text(block: Any) -> str | None:
    """The text of a content block; of a link its address; None for anything else."""
    if isinstance(block, str):
        return block
    fields = _fields(block)
    kind, text = fields.get("type"), fields.get("text")
    if kind == "resource_link":
        return f"{fields.get('name')}: {fields.get('uri')}"
    if kind == "resource":
        text = getattr(fields.get("resource"), "text", None)
    return text if isinstance(text, str) else None


def _fields(block: Any) -> Mapping[str, Any]:
    """Of a block of the protocol, or of LangChain, where an interceptor has answered."""
    return cast("Mapping[str, Any]", vars(block) if hasattr(block, "__dict__") else block)


def _decoded(text: str) -> Any:
    if text.lstrip()[:1] not in ("{", "["):
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
