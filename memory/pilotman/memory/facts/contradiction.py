"""Facts that contradict each other: all are kept, a policy says which of them are told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

from pilotman.memory.facts.fact import Fact

Contradictions: TypeAlias = Callable[[Sequence[Fact]], Sequence[Fact]]
"""Gets the facts about one thing that hold at one time (two or more, of different texts) and gives those to
tell, in order."""


def strongest(rivals: Sequence[Fact]) -> Sequence[Fact]:
    """The default: one is told, and says by which it is disputed.

    What is trusted goes before what is not, then what holds since later, then what was recorded later.
    """
    return every_side(rivals)[:1]


def every_side(rivals: Sequence[Fact]) -> Sequence[Fact]:
    """All are told, the strongest first; each says by which others it is disputed."""
    ordered = sorted(rivals, key=_strength, reverse=True)
    ids = [fact.fact_id for fact in ordered]
    return [replace(fact, disputed_by=tuple(one for one in ids if one != fact.fact_id)) for fact in ordered]


def _strength(fact: Fact) -> tuple[bool, float, float, str]:
    return (
        fact.label.trusted,
        fact.valid_from.timestamp(),
        fact.recorded_at.timestamp(),
        fact.fact_id,  # else two readers could be told different ones
    )
