"""A request that was too long for a model, asked again with less context."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pilotman.agents.failure import ToolError
from pilotman.guardrails.digest import canonical

LEFT_OUT: Final = canonical(
    {"status": "partial", "value": None, "caveats": ["left out here: the context was too long"]}
).decode()
_TOO_LONG: Final = re.compile(
    r"context[ _-]?(length|window|size)|maximum context|too many (input )?tokens|reduce the length"
    r"|(prompt|input|request|context)\S* (is |are )?too (long|large)|\b413\b",
    re.IGNORECASE,
)


def is_too_long(error: ToolError) -> bool:
    """Whether a provider refused a request for its length, in its own words or by HTTP 413."""
    return error.kind == "validation" and bool(_TOO_LONG.search(error.message))


def shortened(messages: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    """The messages in at most half of their length, without the longest results of tools; None if they cannot
    be. What is left out is left out whole: what marks a text as somebody else's is never cut off."""
    sizes = {n: len(str(message.get("content", ""))) for n, message in enumerate(messages)}
    whole = sum(sizes.values())
    left = whole
    plain = [dict(message) for message in messages]
    for n in sorted(sizes, key=lambda n: -sizes[n]):
        if left <= whole / 2 or sizes[n] <= len(LEFT_OUT):
            break
        if plain[n].get("role") == "tool":
            plain[n]["content"] = LEFT_OUT
            left -= sizes[n] - len(LEFT_OUT)
    return plain if left <= whole / 2 else None
