"""What a model is asked in one turn, and what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from pilotman.agents.messages import text_of
from pilotman.agents.models import Role
from pilotman.agents.structured import json_schema
from pilotman.agents.tokens import BYTES_PER_TOKEN
from pilotman.agents.window import within
from pilotman.guardrails.digest import canonical


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """One model turn. ``messages`` and ``tools`` are JSON-able; ``schema`` asks for a structured answer.

    ``left_out``: what did not fit into the messages, in words, for the record.
    """

    path: str
    role: Role
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]] = ()
    schema: type[BaseModel] | None = None
    left_out: tuple[str, ...] = ()

    @property
    def body(self) -> dict[str, Any]:
        """What is recorded, and what the request's digest covers: messages, tools and schema."""
        schema = None if self.schema is None else json_schema(self.schema)
        return {"messages": list(self.messages), "tools": list(self.tools), "schema": schema}

    @cached_property
    def raw(self) -> bytes:
        """``body`` in canonical form: a long prompt is written once a call."""
        return canonical(self.body)

    def within(self, limit: int | None) -> ModelRequest:
        """The request in so many tokens, or as near as condensed results of tools bring it."""
        size = len(self.raw) // BYTES_PER_TOKEN + 1
        window = None if limit is None else within(self.messages, size=size, limit=limit)
        if window is None:
            return self
        return replace(self, messages=window.messages, left_out=(*self.left_out, *window.left_out))


@dataclass(frozen=True, kw_only=True)
class ModelReply:
    """The model's message (JSON-able), and which model it was. ``rules``: the rule-based tier answered."""

    message: Mapping[str, Any]
    model: str
    rules: bool = False

    @property
    def text(self) -> str:
        return text_of(self.message.get("content", ""))

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        return list(self.message.get("tool_calls") or ())
