"""What guardrails refuse, as an agent sees it: a stable code, never a policy's text; when it is enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias, get_args

import orjson

from pilotman.agents.calls import ProposedCall, failure
from pilotman.guardrails.docket import Unasked

Denial: TypeAlias = Literal["denied_by_policy"] | Unasked
"""``denied_by_policy``; ``rejected_before``: a person said no to this target; ``too_many_questions``."""

MOST_DENIALS: Final = 5
"""After so many a task is suspended: its agent has lost its way, or is somebody else's by now."""
_CODES: Final = ("denied_by_policy", *get_args(Unasked))


def denied(call: ProposedCall, code: Denial) -> ProposedCall:
    """The call, refused."""
    message = f"{code}: {call.tool} may not be called so; do not try it again"
    return call.finished(failure("authorization", message))


def denials(messages: Iterable[Mapping[str, Any]]) -> int:
    """How often guardrails refused something in these messages; of one turn each tool counts once."""
    turn, found = 0, set[tuple[int, str]]()
    for message in messages:
        if message.get("role") == "assistant":
            turn += 1
        elif message.get("role") == "tool" and _is_denial(str(message.get("content"))):
            found.add((turn, str(message.get("name"))))
    return len(found)


def _is_denial(content: str) -> bool:
    if not any(code in content for code in _CODES):  # spares reading long results
        return False
    error: Mapping[str, Any] = orjson.loads(content).get("error") or {}
    return str(error.get("message")).partition(":")[0] in _CODES
