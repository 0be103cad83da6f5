"""What was found about a part of a call, and what the findings about all of it come to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from pilotman.guardrails.gate.literals import canonical
from pilotman.guardrails.gate.roles import Part
from pilotman.guardrails.policy import Decision

Ground: TypeAlias = Literal["", "foreign", "other", "value", "words", "links"]


SHOWN = 60
"""Characters of a value that a reason shows."""


class Finding(NamedTuple):
    """Whether a part may pass, a person is to be asked or it may not; and why.

    ``ground``: what speaks against a call that a person is to be asked about: that others wrote of it, or
    which words of the request do. Two different ones are too much for a question.
    """

    said: Literal["ok", "ask", "no"]
    why: str
    ground: Ground = ""


OK = Finding("ok", "")


def summed(findings: Sequence[Finding]) -> Decision:
    """The strictest of several findings, with its reasons."""
    refused = [finding.why for finding in findings if finding.said == "no"]
    asked = [finding for finding in findings if finding.said == "ask"]
    against = {finding.ground for finding in asked if finding.ground}
    if refused:
        return Decision("deny", tuple(refused))
    if asked:
        why = tuple(finding.why for finding in asked)
        return Decision("deny" if len(against) > 1 else "escalate", why)
    return Decision.allow("the request asks for this")


def shown(part: Part) -> str:
    """A part as a reason shows it: where it stands, and the beginning of its value."""
    return f"{part.path} ({canonical(str(part.value))[:SHOWN]})"
