"""What of memory belongs to a run's request: recalled once, at its start, and on its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pilotman.agents.blocking import bounded
from pilotman.agents.flow import from_memory, memories
from pilotman.agents.report import Passage
from pilotman.agents.scope import RunScope
from pilotman.guardrails.digest import digest
from pilotman.memory.facts.fact import Fact
from pilotman.memory.facts.reader import Question
from pilotman.supervisor.recall import MOST_SECONDS, SHARE

FACTS = 6
"""So many facts at most join a run's context."""
PATH = "remembered"


async def remembered(
    run: RunScope, query: str, place: Callable[[Passage], Passage], *, purpose: str, trusted_only: bool
) -> list[Passage]:
    """The principal's facts that are relevant to a request, as passages to cite, numbered by ``place``.

    A run that goes on is told the same ones again, less what is not believed any more.
    """
    if run.facts is None:
        return []
    known = run.recorder.result("recall", PATH, digest(query))
    try:
        timeout = run.time_for(min(MOST_SECONDS, run.left() * SHARE), path=PATH)
        if known is not None:
            found = await bounded(_again(run, known), timeout)
        elif run.fresh and await run.facts.holds_any(run.principal):
            question = Question(query=query, limit=FACTS, purpose=purpose, trusted_only=trusted_only)
            found = _recorded(run, query, await bounded(run.facts.recall(question, run.principal), timeout))
        else:
            return []
    except Exception as error:  # the sources that facts stand on may be anybody's: the run goes on
        run.caveat(f"the memory could not be asked: {str(error) or type(error).__name__}")
        return []
    passages = [place(passage) for passage in found]
    for seen in from_memory(passages):
        run.flow.observe(seen)
    return passages


def _recorded(run: RunScope, query: str, facts: Sequence[Fact]) -> list[Passage]:
    """Write down what was recalled: ids, digests and labels; the texts apart."""
    passages = [_passage(fact) for fact in facts]
    for fact in facts:
        run.flow.suspect(memories(trusted=fact.label.trusted), fact.label.suspicions)
    if facts:
        run.recorder.emit(
            "facts_recalled",
            actor="memory",
            path=PATH,
            digest=digest(query),
            mode="memory",
            documents=[_row(fact) for fact in facts],
            payload=run.recorder.keep([passage.to_dict() for passage in passages]),
        )
    return passages


def _row(fact: Fact) -> dict[str, Any]:
    """What the record says of a fact, beside its text."""
    row = {"source": f"fact:{fact.fact_id}", "version": _version(fact), "trusted": fact.label.trusted}
    row |= {"fact_id": fact.fact_id, "owner": fact.owner, "sensitivity": fact.label.sensitivity}
    return row | ({"suspicions": sorted(fact.label.suspicions)} if fact.label.suspicions else {})


def _passage(fact: Fact) -> Passage:
    heading = f"remembered about {fact.about}" if fact.about else "remembered"
    return Passage(
        number=0,
        source=f"fact:{fact.fact_id}",
        version=_version(fact),
        heading=f"{heading}; disputed" if fact.disputed_by else heading,
        text=fact.text,
        trusted=fact.label.trusted,
        fetched_at=fact.recorded_at.isoformat(),
    )


def _version(fact: Fact) -> str:
    """A fact's text never changes; its digest tells what was seen."""
    return digest(fact.text)


async def _again(run: RunScope, known: Mapping[str, Any]) -> list[Passage]:
    """What the run had recalled; of what does not stand any more only its place: numbers still count."""
    assert run.facts is not None
    body: Sequence[Mapping[str, Any]] = run.recorder.fetch(known["payload"]) or ()
    ids = {str(row["fact_id"]) for row in known["documents"]}
    stand = await run.facts.standing(ids, run.principal)
    passages = [Passage(**item) for item in body]
    gone = [p for p in passages if p.source.removeprefix("fact:") not in stand]
    if gone:
        run.caveat(f"{len(gone)} of the facts that were recalled do not hold any more")
    return [replace(p, text="", heading="") if p in gone else p for p in passages]
