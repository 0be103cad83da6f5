"""What takes a write back: the compensation that its author wrote, as a tool like any other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotman.agents.blocking import Threads
from pilotman.agents.body import FunctionBody
from pilotman.agents.context import ToolContext
from pilotman.agents.identity import Identity
from pilotman.agents.result import ToolResult

_PREFIX = "undo:"


@dataclass(frozen=True, kw_only=True)
class UndoBody:
    """The compensation of one effect. ``done``: the effect's result, as the tool had returned it."""

    inner: FunctionBody
    done: Any

    @property
    def is_async(self) -> bool:
        return self.inner.is_async

    @property
    def passes_key_on(self) -> bool:
        return self.inner.passes_key_on

    async def __call__(
        self, values: Mapping[str, Any], ctx: ToolContext, threads: Threads, /, *leading: Any
    ) -> Any:
        await self.inner(values, ctx, threads, self.done, *leading)
        return ToolResult.ok()


@dataclass(frozen=True, kw_only=True)
class UndoIdentity(Identity):
    """What one attempt has applied is taken back once, whoever does it."""

    effect_id: str
    attempt: int

    def key(self, tool: str, args: Mapping[str, Any], *, run_id: str, thread_id: str, tenant: str) -> str:  # noqa: ARG002
        return f"{_PREFIX}{self.effect_id}:{self.attempt}"


def undone_by(key: str) -> str | None:
    """The effect that a write with this key takes back; None: it is none that does."""
    return key.removeprefix(_PREFIX).rpartition(":")[0] if key.startswith(_PREFIX) else None
