"""The report of a task: what each tool returned, what the passages say, what could not be done."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pilotman.agents import grounding
from pilotman.agents.rules.quoting import DONE, FOUND, GUIDANCE, OPEN, quotes, value_text
from pilotman.agents.rules.reading import Asked, Outcome
from pilotman.agents.rules.working import Step, asked_writes
from pilotman.guardrails.shape import is_list, is_mapping

_TARGET = 60


def report(seen: Asked, step: Step, *, fallback: bool = False) -> str:
    """Plain text with a heading for each kind of statement. It says nothing that cannot be grounded."""
    evidence = evidence_of(seen)
    writes = {tool.name for tool in seen.tools if tool.writes}
    good = [o for o in seen.outcomes if not (o.problem or _is_search(o) or _is_caveat(o))]
    blocks = {
        FOUND: [stated(o, evidence) for o in good if o.tool not in writes],
        GUIDANCE: [] if writes and writes == {t.name for t in seen.tools} else guidance(seen, evidence),
        DONE: [stated(o, evidence) for o in good if o.tool in writes],
        OPEN: _open(seen, step, fallback=fallback),
    }
    text = "\n".join(
        line for heading, lines in blocks.items() if lines for line in (heading, *_bullets(lines))
    )
    return text or "Nothing was found: no tool fits this task and no passage is near it."


def evidence_of(seen: Asked) -> grounding.Evidence:
    """What the text may rest on, as the supervisor will check it."""
    results = [json.dumps(_body(o), ensure_ascii=False, default=str) for o in seen.outcomes]
    actions = [json.dumps(dict(a), ensure_ascii=False, default=str) for a in seen.actions]
    facts = json.dumps(dict(seen.facts), ensure_ascii=False, default=str)
    reports = [text for r in seen.reports for text in (r.text, *r.caveats)]
    applied = {o.tool for o in seen.outcomes if not o.problem}
    applied |= {str(a.get("tool")) for a in seen.actions if a.get("status") == "applied"}
    writes = {tool.name for tool in seen.tools if tool.writes} | {str(a.get("tool")) for a in seen.actions}
    return grounding.Evidence(
        texts=[seen.goal, seen.request, facts, *reports, *results, *actions, *seen.caveats],
        passages={p.number: p for p in seen.passages},
        tools=frozenset(writes),
        applied=frozenset(applied & writes),
    )


def _body(outcome: Outcome) -> Any:
    return {"args": dict(outcome.args), "value": outcome.value, "problem": outcome.problem}


def _is_search(outcome: Outcome) -> bool:
    """A search for passages: what it found is quoted, not listed."""
    items = outcome.value if is_list(outcome.value) else ()
    return bool(items) and all(is_mapping(i) and {"number", "text", "source"} <= set(i) for i in items)


def _is_caveat(outcome: Outcome) -> bool:
    """It found nothing but what it says is missing."""
    return value_text(outcome.value) in map(value_text, outcome.caveats)


def stated(outcome: Outcome, evidence: grounding.Evidence) -> str:
    """Tool, target and value; the value alone if the line would read like a claim that nobody made."""
    said = value_text(outcome.value)
    line = f"{outcome.tool}{_target(outcome)}: {said}"
    if not grounding.problems(line, evidence):
        return line
    literal = f"{outcome.tool}:\n  {said}"
    return (
        literal
        if not grounding.problems(literal, evidence)
        else f"{outcome.tool}: it answered; see its result"
    )


def _target(outcome: Outcome) -> str:
    """The short texts among the arguments: what it was asked about. Converted numbers are left out."""
    said = [v for v in outcome.args.values() if isinstance(v, str) and 0 < len(v) <= _TARGET and "[" not in v]
    return f" ({', '.join(' '.join(v.split()) for v in said[:3])})" if said else ""


def guidance(seen: Asked, evidence: grounding.Evidence, *, most: int = 3) -> list[str]:
    """Quotes near the task, each with its mark."""
    query = f"{seen.goal} {seen.request} {' '.join(_texts(seen.facts))}"
    found = quotes(seen.passages, query, also=" ".join(_seen(seen)), most=most * 3)
    lines = [quote.line() for quote in found]
    return [line for line in lines if not grounding.problems(line, evidence)][:most]


def _seen(seen: Asked) -> Iterable[str]:
    """What tools said, here or to other agents: what it means may stand in a document."""
    yield from (value_text(outcome.value) for outcome in seen.outcomes if not outcome.problem)
    for report in seen.reports:
        yield from (line for line in report.text.splitlines() if '"' not in line)


def _texts(value: Any) -> Iterable[str]:
    if is_mapping(value):
        for inner in value.values():
            yield from _texts(inner)
    elif is_list(value):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str):
        yield value


def _open(seen: Asked, step: Step, *, fallback: bool) -> list[str]:
    failed = [f"{o.tool}{_target(o)}: {value_text(o.problem, 300)}" for o in seen.outcomes if o.problem]
    unfilled = [f"could not call {tool}: no value for {', '.join(names)}" for tool, names in step.unfilled]
    partial: dict[str, list[str]] = {}
    for outcome in seen.outcomes:
        for caveat in outcome.caveats:
            partial.setdefault(value_text(caveat, 300), []).append(outcome.tool)
    missing = [f"{', '.join(dict.fromkeys(tools))}: {caveat}" for caveat, tools in partial.items()]
    called = {o.tool for o in seen.outcomes}
    held = [t.name for t in asked_writes(seen) if t.name not in called] if fallback else []
    reason = "the rule-based model stands in for another and proposes no writes"
    withheld = [f"{name} was not proposed: {reason}" for name in held]
    return [*failed, *missing, *unfilled, *withheld]


def _bullets(lines: Iterable[str]) -> Iterable[str]:
    return (f"- {line}" for line in lines)
