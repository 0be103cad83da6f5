"""Looks at facts before they are stored, beside what the tenant remembers already."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from pilotman.guardrails.seal import Forgotten, Seal, Subject
from pilotman.memory.defence import marks
from pilotman.memory.defence.contamination import Newcomer, Verdict, is_own, judged
from pilotman.memory.defence.impostor import identifiers, impostor
from pilotman.memory.defence.sketch import Sketch, sketch
from pilotman.memory.facts import rows
from pilotman.memory.facts.fact import Fact
from pilotman.memory.facts.rows import When
from pilotman.memory.facts.shelf import Shelf
from pilotman.memory.journal.journal import Journal
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.database import lock
from pilotman.memory.storage.statement import Row

_KEY = b"fact_marks"
_NOTHING = Verdict(reasons={})
_MOST = 2_000
"""Facts of an owner that are opened to see whether a new one swaps what they say."""


class Outdated(Exception):
    """What the tenant remembers has changed since somebody looked: look again."""


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A fact as it may be stored, its marks, and why it is kept back, if it is."""

    fact: Fact
    new: Newcomer
    marks: Sketch = frozenset()
    verdict: Verdict = _NOTHING

    def check(self, connection: Connection) -> None:
        """See, in the transaction that stores it, that the same would be said now: of two copies that come at
        once one sees the other.

        Raises:
            Outdated: it would not.
        """
        if self.marks:
            lock(connection, f"marks\n{self.fact.label.tenant}")
            if self.judged(connection) != self.verdict:
                raise Outdated

    def judged(self, connection: Connection) -> Verdict:
        """The verdict by what is remembered now."""
        known = marks.near(connection, self.fact.label.tenant, self.marks)
        return judged(self.new, self.marks, [one for one in known if one.memory != self.fact.fact_id])


class Watch:
    """The detector over one installation's facts."""

    def __init__(self, journal: Journal, seal: Seal) -> None:
        self._journal = journal
        self._seal = seal
        self._shelf = Shelf(seal)

    async def look(self, fact: Fact) -> Looked:
        """What comes of a new fact. What its owner says of their own accord gets no marks."""
        session = fact.source if fact.source.startswith("run:") else ""
        new = Newcomer(text=fact.text, label=fact.label, owner=fact.owner, session=session)
        if is_own(new.label):
            return Looked(fact=fact, new=new)
        own = await asyncio.to_thread(self._sketch, fact.text, fact.label.tenant)
        new = replace(new, impostor=await self._impostor(fact))
        looked = Looked(fact=fact, new=new, marks=own)
        verdict = await self._journal.read(looked.judged)
        if verdict.reasons:
            label = replace(fact.label, suspicions=fact.label.suspicions | verdict.suspicions)
            fact = replace(fact, label=label, status="quarantined")
        return replace(looked, fact=fact, verdict=verdict)

    async def _impostor(self, fact: Fact) -> str:
        """Which identifier of a thing it gives otherwise than the owner's own facts."""
        if not identifiers(fact.text):
            return ""
        now, tenant = micros(fact.recorded_at), fact.label.tenant
        when = When(valid=now, recorded=now, now=now)

        def work(connection: Connection) -> list[Row]:
            ids = rows.visible(connection, tenant=tenant, owner=fact.owner, when=when)
            return rows.told(connection, ids[-_MOST:], tenant, when)

        return await asyncio.to_thread(self._differing, fact, await self._journal.read(work))

    def _differing(self, fact: Fact, held: list[Row]) -> str:
        trusted: list[tuple[str, str]] = []
        for row in held:
            with suppress(Forgotten):  # its owner's key was destroyed
                known = self._shelf.fact(row)
                trusted += [(known.about, known.text)] if known.label.trusted else []
        return impostor(fact.text, fact.about, trusted)

    def _sketch(self, text: str, tenant: str) -> Sketch:
        # the tenant's key, no user's: the same text is to be found again under another owner
        return sketch(text, self._seal.blind(Subject(tenant, ""), _KEY))
