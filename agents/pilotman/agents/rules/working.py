"""The next step of a task: reads first, all at once; then the writes that were asked for; then the report."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pilotman.agents.rules.arguments import Filling, fill
from pilotman.agents.rules.known import Known
from pilotman.agents.rules.phrases import cut
from pilotman.agents.rules.reading import Asked, OfferedTool
from pilotman.agents.rules.routing import is_asked, rivals
from pilotman.agents.rules.schemas import slots
from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.verbs import Deed, deed, wants_information
from pilotman.guardrails.wording.words import terms

_SMALL_LEASE = 4
_PROSE = word_set(
    "answer text summary message report response reply explanation description details body content"
)
_MARK = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, kw_only=True)
class Step:
    """Calls to make now, and what cannot be called: tool name and the arguments without a value."""

    calls: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    unfilled: tuple[tuple[str, tuple[str, ...]], ...] = ()


def known_of(seen: Asked) -> Known:
    """Where arguments may come from: the words, the facts, what tools have returned, what others reported."""
    results = tuple((_things(o.tool), o.value) for o in seen.outcomes if not o.problem)
    sources = {passage.number: passage.source for passage in seen.passages}
    reports = tuple(_MARK.sub(lambda m: f"({sources.get(int(m[1]), m[1])})", r.text) for r in seen.reports)
    return Known(goal=seen.goal, request=seen.request, facts=seen.facts, results=results, reports=reports)


def _things(tool: str) -> str:
    """The name of a tool without its verb: what its result is."""
    own = deed(tool)
    return tool.replace(own.verb, "").strip("_- ") or tool


def next_step(seen: Asked, *, fallback: bool = False) -> Step:
    """What to call at this turn; no calls means: write the report. A tool is called once."""
    if seen.wanted is not None:
        tool = next(tool for tool in seen.tools if tool.name == seen.wanted)
        return Step(calls=((tool.name, _filled(tool, seen).args),)) if not seen.outcomes else Step()
    called = {outcome.tool for outcome in seen.outcomes}
    reads = [tool for tool in _wanted_reads(seen) if tool.name not in called]
    if fallback and seen.kind == "free":  # here an effect is only a guess: no doubtful ones
        reads = [tool for tool in reads if _deed(tool).reads]
    step = _step(reads, seen)
    if step.calls:
        return step
    if fallback:
        return Step(unfilled=tuple(_worth_telling(step, seen)))
    writes = [tool for tool in asked_writes(seen) if tool.name not in called]
    proposed = _step(writes, seen)
    missed = _worth_telling(step, seen)
    return Step(calls=proposed.calls, unfilled=(*missed, *proposed.unfilled))


def _worth_telling(step: Step, seen: Asked) -> list[tuple[str, tuple[str, ...]]]:
    """The reads that could not be made and that the task is about."""
    about = terms(f"{seen.goal} {seen.request}")
    near = {tool.name for tool in seen.tools if terms(f"{tool.name} {tool.description}") & about}
    return [(name, missing) for name, missing in step.unfilled if name in near]


def asked_writes(seen: Asked) -> list[OfferedTool]:
    """The writes that the goal or the request asks for."""
    others = rivals(seen)
    return [tool for tool in seen.tools if tool.writes and is_asked(tool.card(), seen, others)]


def _wanted_reads(seen: Asked) -> list[OfferedTool]:
    """The reads that fit: a small lease was made for this goal, so all of it; else those in its words."""
    reads = [tool for tool in seen.tools if not tool.writes]
    if seen.kind == "work" and len(reads) <= _SMALL_LEASE:
        return reads
    about = terms(f"{seen.goal} {seen.request}")
    near = [tool for tool in reads if terms(f"{tool.name} {tool.description}") & about]
    only = len(reads) == 1 and wants_information(seen.request)
    return near or (reads if seen.kind == "work" or only else [])


def _step(tools: list[OfferedTool], seen: Asked) -> Step:
    filled = [(tool.name, _filled(tool, seen)) for tool in tools]
    return Step(
        calls=tuple((name, filling.args) for name, filling in filled if not filling.missing),
        unfilled=tuple((name, filling.missing) for name, filling in filled if filling.missing),
    )


def _filled(tool: OfferedTool, seen: Asked) -> Filling:
    return fill(tool.parameters, known_of(seen), _deed(tool))


def _deed(tool: OfferedTool) -> Deed:
    return deed(tool.name, tool.description, tuple(tool.parameters.get("properties", {})))


def structure(seen: Asked, text: str) -> dict[str, Any]:
    """The answer as the structure that was asked for: its fields from what is known, prose from ``text``."""
    tool = next(tool for tool in seen.tools if tool.name == seen.wanted)
    results = tuple((_things(str(a.get("tool", ""))), a.get("result")) for a in seen.actions)
    filling = fill(tool.parameters, replace(known_of(seen), results=results), _deed(tool))
    prose: dict[str, str] = {}
    for slot in slots(tool.parameters):
        plain = slot.kind == "string" and not slot.options and not {"format", "pattern"} & set(slot.schema)
        if plain and (slot.name.lower() in _PROSE or slot.name in filling.missing):
            prose[slot.name] = cut(text, int(slot.schema.get("maxLength", len(text))))
    return {**filling.args, **prose}
