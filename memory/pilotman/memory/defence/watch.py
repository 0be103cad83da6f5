"""Looks at facts before they are stored, beside what the tenant remembers already."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from pilotman.guardrails.seal import Seal, Subject
from pilotman.memory.defence import marks
from pilotman.memory.defence.contamination import Newcomer, Verdict, is_own, judged
from pilotman.memory.defence.sketch import Sketch, sketch
from pilotman.memory.facts.fact import Fact
from pilotman.memory.journal.journal import Journal

_KEY = b"fact_marks"
_NOTHING = Verdict(reasons={})


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A fact as it may be stored, its marks, and why it is kept back, if it is."""

    fact: Fact
    marks: Sketch = frozenset()
    verdict: Verdict = _NOTHING


class Watch:
    """The detector over one installation's facts."""

    def __init__(self, journal: Journal, seal: Seal) -> None:
        self._journal = journal
        self._seal = seal

    async def look(self, fact: Fact) -> Looked:
        """What comes of a new fact. What its owner says of their own accord gets no marks."""
        session = fact.source if fact.source.startswith("run:") else ""
        new = Newcomer(text=fact.text, label=fact.label, owner=fact.owner, session=session)
        if is_own(new.label):
            return Looked(fact=fact)
        tenant = fact.label.tenant
        own = await asyncio.to_thread(self._sketch, fact.text, tenant)
        known = await self._journal.read(lambda connection: marks.near(connection, tenant, own))
        verdict = judged(new, own, [one for one in known if one.memory != fact.fact_id])
        if verdict.reasons:
            label = replace(fact.label, suspicions=fact.label.suspicions | verdict.suspicions)
            fact = replace(fact, label=label, status="quarantined")
        return Looked(fact=fact, marks=own, verdict=verdict)

    def _sketch(self, text: str, tenant: str) -> Sketch:
        # the tenant's key, no user's: the same text is to be found again under another owner
        return sketch(text, self._seal.blind(Subject(tenant, ""), _KEY))
