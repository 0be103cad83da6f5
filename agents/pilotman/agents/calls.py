"""Proposed tool calls on their way from the model to a result. JSON-able: they live in graph state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from pilotman.agents.result import ToolError, ToolResult
from pilotman.guardrails.digest import canonical, digest
from pilotman.guardrails.retry import FailureKind

Stage: TypeAlias = Literal["proposed", "allowed", "waiting", "answered", "done"]


@dataclass(frozen=True, kw_only=True)
class ProposedCall:
    """One call that a model asked for. ``path`` is its step path, ``args`` were validated by the tool.

    ``stage``: proposed; allowed (may be executed, after one more check); waiting for the answer to
    ``approval_id``; answered (a person has answered); done (``result`` is set). ``repeat`` says why a person
    decides although a policy need not be asked: the agent repeats itself.
    """

    call_id: str
    tool: str
    args: Mapping[str, Any]
    path: str
    stage: Stage = "proposed"
    repeat: str | None = None
    approval_id: str | None = None
    result: Mapping[str, Any] | None = field(default=None)

    @property
    def digest(self) -> str:
        """Digest of the tool and its exact arguments: what a permit and an approval are bound to."""
        return digest({"tool": self.tool, "args": dict(self.args)})

    def finished(self, result: ToolResult) -> ProposedCall:
        return replace(self, stage="done", result=result.to_dict())

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ProposedCall:
        return cls(**data)

    def message(self) -> dict[str, Any]:
        """The result as the model sees it.

        Raises:
            ValueError: the call is not done.
        """
        if self.result is None:
            raise ValueError(f"call {self.call_id} of {self.tool} has no result yet")
        told = {n: value for n, value in self.result.items() if n in ("status", "value") or value}
        content = canonical(told)
        return {
            "role": "tool",
            "tool_call_id": self.call_id,
            "name": self.tool,
            "status": "error" if self.result["status"] == "error" else "success",
            "content": content.decode(),
        }


def failure(kind: FailureKind, message: str) -> ToolResult:
    """The result of a call that we refuse or give up: not to be tried again as it is."""
    return ToolResult.failed(ToolError(kind=kind, message=message))
