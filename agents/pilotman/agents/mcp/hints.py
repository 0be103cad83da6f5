"""What a server's annotations are believed: the worse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotman.guardrails.policy import Effect


def hinted(annotations: Mapping[str, Any]) -> Effect | None:
    """The effect that a tool has at least by its annotations (MCP 2025-06-18, ``ToolAnnotations``).

    ``readOnlyHint`` and ``idempotentHint`` would lower what a tool counts for; they are not believed.
    """
    if annotations.get("destructiveHint") is True:
        return "irreversible"
    return "egress" if annotations.get("openWorldHint") is True else None
