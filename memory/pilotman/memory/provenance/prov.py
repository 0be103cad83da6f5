"""From the journal's events to provenance, in the terms of W3C PROV-DM. Pure: an event tells its part alone.

The shape of a run, each arrow from what came later to what it came from::

    answer ─▶ run ─▶ step (task) ─▶ turn ─▶ call of a tool ─▶ call of the model ─▶ the turn before … ─▶ brief
    effect ─▶ call of a tool, permit ─▶ approval ─▶ user
    brief of a task ─▶ plan ─▶ brief of the run ─▶ request ─▶ user
    brief of the run ─▶ snapshot ─▶ chunk ─▶ document version ─▶ source

An event may come in whatever order and as often as it will: what it says of a node, no other event says
differently. Of content it keeps digests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

from pilotman.memory.event import Event
from pilotman.memory.provenance import acting, reading, remembering
from pilotman.memory.provenance.sheet import Origin, Said, Sheet, Told


def fold(origin: Origin, events: Iterable[Event]) -> Told:
    """What these events of one run tell. An event of another kind, or one that is not whole, tells less;
    one whose data was forgotten tells nothing."""
    return fold_all([(origin, events)])


def fold_all(runs: Iterable[tuple[Origin, Iterable[Event]]]) -> Told:
    """The same of several runs, with what they share once."""
    sheet = Sheet()
    for origin, events in runs:
        sheet.origin = origin
        for event in events:
            take = _TAKES.get(event.kind)
            if take is not None and event.data.get("forgotten") is not True:
                take(sheet, Said.of(origin, event))
    return sheet.told()


_Take: TypeAlias = Callable[[Sheet, Said], None]
_TAKES: Mapping[str, _Take] = {
    "run_started": reading.started,
    "run_completed": reading.run_ended,
    "plan_made": reading.planned,
    "plan_amended": reading.planned,
    "task_started": reading.task_started,
    "task_completed": reading.task_completed,
    "answer_validated": reading.answered,
    "retrieval_completed": reading.retrieved,
    "model_call_started": acting.model_started,
    "model_call_completed": acting.model_ended,
    "tool_call_started": acting.tool_started,
    "tool_call_completed": acting.tool_ended,
    "tool_call_failed": acting.tool_failed,
    "tool_call_reused": acting.tool_reused,
    "decision": acting.decided,
    "approval_requested": acting.asked,
    "approval_approved": acting.answer_given,
    "approval_rejected": acting.answer_given,
    "approval_expired": acting.answer_given,
    "approval_refused": acting.refused,
    "permit_issued": acting.permitted,
    "effect_intended": acting.intended,
    "effect_applied": acting.effect_ended,
    "effect_not_applied": acting.effect_ended,
    "effect_unknown": acting.effect_ended,
    "effect_joined": acting.effect_joined,
    "fact_remembered": remembering.remembered,
    "fact_supported": remembering.remembered,
    "fact_retracted": remembering.judged,
    "fact_promoted": remembering.judged,
    "fact_quarantined": remembering.judged,
    "fact_released": remembering.judged,
    "fact_forgotten": remembering.judged,
    "facts_recalled": remembering.recalled,
    "memory_put": remembering.kept,
    "memory_deleted": remembering.kept,
}
