"""The degradation ladder: how much less a run does when its surroundings are ill. Pure.

``full``: everything. ``fewer_steps``: half the steps and calls, no second plan, nothing optional.
``approval``: every write asks a person. ``read_only``: writes are drafted. ``retrieval_only``: no tools, an
answer from the corpus. ``single_turn``: one model turn on the request. ``cached``: an earlier answer to the
same request, with its age. ``template``: words that say that nothing could be found out. Each rung includes
those above it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

from pilotman.guardrails.budget import Budget

Rung: TypeAlias = Literal[
    "full",
    "fewer_steps",
    "approval",
    "read_only",
    "retrieval_only",
    "single_turn",
    "cached",
    "template",
]
RUNGS: tuple[Rung, ...] = get_args(Rung)
"""From the top down."""


@dataclass(frozen=True, kw_only=True)
class Health:
    """What is known of a run's surroundings when it starts.

    ``models`` and ``tools``: the share, in [0, 1], whose circuits let calls pass (1.0 where there are none).
    ``queue``: how full the request queue is, in [0, 1].
    """

    models: float = 1.0
    tools: float = 1.0
    queue: float = 0.0


Ladder: TypeAlias = Callable[[Health], tuple[Rung, str]]
"""The rung for a run, and why in words."""


def ladder(health: Health) -> tuple[Rung, str]:
    """The default: a queue that fills up costs steps, models that are all given a rest cost the writes.

    The rule-based tier still reads then. A tool that is given a rest is named by the answer, no more.
    """
    if health.models == 0.0:
        return "read_only", "no model can be reached"
    if health.queue >= 0.8:
        return "fewer_steps", "many requests wait"
    return "full", ""


def at_or_below(rung: Rung, other: Rung) -> bool:
    """Whether ``rung`` does no more than ``other``."""
    return RUNGS.index(rung) >= RUNGS.index(other)


def lowered(budget: Budget) -> Budget:
    """Half the steps and calls, at least one of each."""
    return replace(
        budget,
        max_steps=max(1, budget.max_steps // 2),
        max_tool_calls=max(1, budget.max_tool_calls // 2),
    )
