"""Proposed tool calls on their way from the model to a result. JSON-able: they live in graph state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from pilotman.agents.output import MAX_BYTES
from pilotman.agents.result import ToolError, ToolResult
from pilotman.agents.view import seen
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

    def message(self, *, third_party: bool | Sequence[str] = True, limit: int = MAX_BYTES) -> dict[str, Any]:
        """The result as the model sees it; see ``view.seen``.

        Raises:
            ValueError: the call is not done.
        """
        if self.result is None:
            raise ValueError(f"call {self.call_id} of {self.tool} has no result yet")
        content = canonical(seen(self.result, third_party=third_party, limit=limit))
        return {
            "role": "tool",
            "tool_call_id": self.call_id,
            "name": self.tool,
            "status": "error" if self.result["status"] == "error" else "success",
            "content": content.decode(),
        }


DRAFTED = "drafted, not done"
"""How the words about a write begin that was held back."""


def drafted() -> ToolResult:
    """The result of a write that was not executed because of the level: no failure, but nothing was done."""
    return ToolResult.partial(None, f"{DRAFTED}: the call is kept in the record; do not make it again")


def is_drafted(result: Mapping[str, Any]) -> bool:
    """Whether a result as a model sees it is that of such a write."""
    caveats = result.get("caveats") or ()
    return result.get("value") is None and any(str(caveat).startswith(DRAFTED) for caveat in caveats)


def failure(kind: FailureKind, message: str) -> ToolResult:
    """The result of a call that we refuse or give up: not to be tried again as it is."""
    return ToolResult.failed(ToolError(kind=kind, message=message))
