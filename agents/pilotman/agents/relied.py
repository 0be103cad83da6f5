"""Facts that a write relies on: a system of record that they name is asked before it is decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pilotman.agents.blocking import bounded
from pilotman.agents.failure import ToolError
from pilotman.agents.result import ToolResult
from pilotman.agents.scope import RunScope
from pilotman.guardrails.gate.records import scalars
from pilotman.guardrails.shape import is_list, is_mapping

_SHORTEST = 3
"""Characters of a value by which a fact can be known."""
_FACT = "fact:"
RECALL = "recall"


async def outdated(run: RunScope, args: Mapping[str, Any], *, timeout: float) -> ToolResult | None:
    """The failure for a write that takes a value from a recalled fact that its system of record does not bear
    out any more, or cannot be asked about; None: there is no such fact."""
    if run.facts is None:
        return None
    values = {str(value).casefold() for _, value in scalars(dict(args)) if len(str(value)) >= _SHORTEST}
    relied = {fact_id for fact_id, text in _told(run) if any(value in text.casefold() for value in values)}
    if not relied:
        return None
    try:
        wrong = await bounded(run.facts.outdated(relied, run.principal), timeout)
    except Exception as error:  # a system of record may be anybody's
        wrong = {min(relied): f"its system of record gave no answer: {type(error).__name__}"}
    if not wrong:
        return None
    why = "; ".join(f"the fact {fact_id}: {what}" for fact_id, what in sorted(wrong.items()))
    run.caveat(f"something remembered was not relied on: {why}")
    return ToolResult.failed(ToolError.of("conflict", f"what is remembered may be out of date: {why}"))


def _told(run: RunScope) -> Iterator[tuple[str, str]]:
    """The facts that the run was told, at its start or by the tool: ids and texts."""
    for passage in run.passages.values():
        if passage.source.startswith(_FACT):
            yield passage.source.removeprefix(_FACT), passage.text
    for data in run.recorder.results("tool_call"):
        if data.get("tool") == RECALL:
            body = run.recorder.body(data, "result")
            yield from _listed(body.get("value") if is_mapping(body) else None)


def _listed(value: Any) -> Iterator[tuple[str, str]]:
    """What the tool gave, if it is ours."""
    for group in value.values() if is_mapping(value) else ():
        for item in group if is_list(group) else ():
            if is_mapping(item) and isinstance(item.get("fact_id"), str):
                yield str(item["fact_id"]), str(item.get("text", ""))
