"""What is told of durable facts. Whether one may be told is decided for every reader; nothing is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import TypeVar

from sqlalchemy import Connection

from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Forgotten, Seal
from pilotman.memory.facts import rows
from pilotman.memory.facts.contradiction import Contradictions
from pilotman.memory.facts.fact import Fact, Records, Sources
from pilotman.memory.facts.gist import Gist, Gists, Held
from pilotman.memory.facts.origin import DOCUMENT, FACT, RUN
from pilotman.memory.facts.ranking import scores
from pilotman.memory.facts.rows import Ground, When
from pilotman.memory.facts.shelf import Shelf, same_text
from pilotman.memory.facts.support import standing
from pilotman.memory.journal.journal import Journal
from pilotman.memory.keyring.place import is_near
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.opened import Opened
from pilotman.memory.storage.statement import Row

T = TypeVar("T")
_AT_ONCE = 64
"""Things at most whose facts are looked at together: the most relevant first, until enough may be told."""
_NO_RECORDS: Records = MappingProxyType({})
_NEVER = -(2**63)
_MANY = 100
"""Facts from which on they are opened on another thread."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What somebody asks for. See ``Memory.recall``."""

    query: str = ""
    limit: int = 10
    valid_at: datetime | None = None
    recorded_at: datetime | None = None
    purpose: str | None = None
    trusted_only: bool = False


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What was asked about: gists by their facts' ids, and the things that they are about, the best first."""

    gists: Mapping[str, Gist]
    things: Sequence[str]


class Reader:
    """Tells facts to whom they may be told."""

    def __init__(
        self,
        journal: Journal,
        seal: Seal,
        *,
        contradictions: Contradictions,
        clock: Callable[[], datetime],
        records: Records = _NO_RECORDS,
        gists: Opened[str, Gist] | None = None,
    ) -> None:
        self._journal = journal
        self._seal = seal
        self._shelf = Shelf(seal)
        self._gists = Gists(self._shelf, gists)
        self._contradictions = contradictions
        self._clock = clock
        self._records = records
        self._sources: list[Sources] = []
        self._near = is_near(seal.keys)

    def connect(self, sources: Sources) -> None:
        """Ask these too which documents are still there. Connecting what is connected does nothing."""
        if all(known is not sources for known in self._sources):
            self._sources.append(sources)

    async def recall(self, question: Question, principal: Principal) -> list[Fact]:
        """The facts that answer a question; see ``Memory.recall``."""
        when = self._when(question)
        held = await self._journal.read(lambda connection: self._held(connection, principal, when))
        many = sum(len(one.fact_ids) for one in held)
        asked = await self._apart(many, lambda: self._ranked(held, question, principal.tenant))
        found: list[Fact] = []
        first, at_once = 0, min(_AT_ONCE, 2 * question.limit)  # more than asked for: some may not stand
        while first < len(asked.things) and len(found) < question.limit:
            some = _Found(gists=asked.gists, things=asked.things[first : first + at_once])
            found += await self._told(some, question, principal, when)
            first, at_once = first + at_once, min(_AT_ONCE, 2 * at_once)
        return found[: question.limit]

    async def holds_any(self, principal: Principal) -> bool:
        """Whether there may be facts for this principal at all; costs next to nothing."""
        who = {"tenant": principal.tenant, "user": principal.user}
        return await self._journal.read(lambda connection: rows.any_visible(connection, **who))

    async def standing(self, fact_ids: Collection[str], principal: Principal) -> set[str]:
        """Which of these facts stand now, of those that are believed."""
        now = micros(self._clock())
        ground = await self._ground(fact_ids, principal, When(valid=now, recorded=now, now=now))
        return {one for one in fact_ids if FACT + one in ground}

    async def stand(self, grounds: Sequence[Collection[str]], principal: Principal) -> list[bool]:
        """Of each of these sets, whether all that is in it is there now: facts that are believed, documents
        that somebody vouches for. Ids as facts name their supports."""
        named = frozenset[str]().union(*grounds)
        if not named:
            return [True for _ in grounds]
        facts = {one.removeprefix(FACT) for one in named if one.startswith(FACT)}
        there = {FACT + one for one in await self.standing(facts, principal)}
        documents = {one.removeprefix(DOCUMENT) for one in named if one.startswith(DOCUMENT)}
        there |= {DOCUMENT + one for one in await self.live(documents, principal)}
        return [there.issuperset(group) for group in grounds]

    async def outdated(self, fact_ids: Collection[str], principal: Principal) -> dict[str, str]:
        """Which of these facts their systems of record do not bear out now, and why. Facts that name no
        system are taken as they are; what a system raises is raised."""

        def work(connection: Connection) -> list[Row]:
            found = (rows.find(connection, one, tenant=principal.tenant) for one in sorted(fact_ids))
            return [row for row in found if row is not None and row["body"] is not None]

        wrong: dict[str, str] = {}
        for row in await self._journal.read(work):
            record = self._shelf.fact(row).record
            if record is None:
                continue
            ask = self._records.get(record.system)
            now = None if ask is None else await ask(record.key)
            if ask is None:
                wrong[row["fact_id"]] = f"{record.system} cannot be asked here"
            elif now != record.version:
                wrong[row["fact_id"]] = f"{record.system} has another version of {record.key} now"
        return wrong

    def _when(self, question: Question) -> When:
        now = self._clock()
        valid, recorded = question.valid_at or now, question.recorded_at or now
        if valid.tzinfo is None or recorded.tzinfo is None:
            raise InvalidRequest("the time that is asked about names no time zone", hint="such as UTC")
        if question.limit < 1:
            raise InvalidRequest(f"the limit is {question.limit}", hint="at least one fact")
        return When(valid=micros(valid), recorded=micros(recorded), now=micros(now))

    def _held(self, connection: Connection, principal: Principal, when: When) -> list[Held]:
        """The principal's facts and those of the whole tenant; whole where they were not read before."""
        found: list[Held] = []
        for owner in (principal.user, None):
            ids = rows.visible(connection, tenant=principal.tenant, owner=owner, when=when)
            known = self._gists.known(principal.tenant, owner)
            new = [one for one in ids if one not in known]
            unread = rows.told(connection, new, principal.tenant, when) if new else ()
            found.append(Held(owner=owner, fact_ids=ids, known=known, unread=unread))
        return found

    async def _apart(self, many: int, work: Callable[[], T]) -> T:
        """On another thread if so many facts, or far keys, would take the event loop too long."""
        return work() if many < _MANY and self._near else await asyncio.to_thread(work)

    def _ranked(self, held: Sequence[Held], question: Question, tenant: str) -> _Found:
        """The facts by what they are about, else by their text. Of thousands no objects are made here that
        Python's collector would look at."""
        now = question.valid_at is None and question.recorded_at is None
        gists: dict[str, Gist] = {}
        for one in held:
            gists |= self._gists.of(tenant, one, keep=now)
        if question.purpose is not None:
            fit = ("", question.purpose)
            gists = {fact_id: gist for fact_id, gist in gists.items() if gist.purpose in fit}
        asks = bool(question.query.strip())
        found = scores(question.query, [g.words for g in gists.values()]) if asks else [1.0] * len(gists)
        score, newest = dict[str, float](), dict[str, int]()
        for gist, its in zip(gists.values(), found, strict=True):
            if its > score.get(gist.thing, 0.0):
                score[gist.thing] = its
            if gist.recorded_at > newest.get(gist.thing, _NEVER):
                newest[gist.thing] = gist.recorded_at
        things = sorted(score, key=newest.__getitem__, reverse=True)
        return _Found(gists=gists, things=sorted(things, key=score.__getitem__, reverse=True))

    async def _told(self, found: _Found, question: Question, principal: Principal, when: When) -> list[Fact]:
        """What may be told of these things: of facts that stand, what the policy says, each text once."""
        things: dict[str, list[str]] = {thing: [] for thing in found.things}
        for fact_id, gist in found.gists.items():
            if gist.thing in things:
                things[gist.thing].append(fact_id)
        ids = [one for several in things.values() for one in several]
        held = await self._journal.read(lambda c: rows.told(c, ids, principal.tenant, when))
        ground = await self._ground([row["fact_id"] for row in held], principal, when)
        stands = [row for row in held if FACT + row["fact_id"] in ground]
        known = await self._apart(len(stands), lambda: dict(self._opened(stands, ground, when)))
        told: list[Fact] = []
        for several in things.values():
            there = [known[one] for one in several if one in known]
            rivals = _once([one for one in there if one[1].label.trusted or not question.trusted_only])
            told += rivals if len(rivals) < 2 else self._contradictions(rivals)
        return told

    def _opened(
        self, stands: Iterable[Row], ground: Mapping[str, tuple[str, ...]], when: When
    ) -> Iterator[tuple[str, tuple[str, Fact]]]:
        """By its id each fact with what is the same of its text; not of an owner whose key was destroyed."""
        for row in stands:
            try:
                fact = self._shelf.fact(row, (ground[FACT + row["fact_id"]],), recorded=when.recorded)
            except Forgotten:  # the row is about to go
                self._gists.drop(row["tenant"], row["owner"])
            else:
                yield row["fact_id"], (same_text(fact.text), fact)

    async def _ground(
        self, fact_ids: Collection[str], principal: Principal, when: When
    ) -> dict[str, tuple[str, ...]]:
        """The facts that stand, by ``fact:ID``, with all that they stand on."""

        def work(connection: Connection) -> tuple[Ground, set[str]]:
            ground = rows.ground(connection, fact_ids, principal.tenant, when)
            named = {one.removeprefix(RUN) for one in ground.leaves if one.startswith(RUN)}
            runs = rows.runs_known(connection, named, principal.tenant) if named else set[str]()
            return ground, {RUN + one for one in runs}

        ground, leaves = await self._journal.read(work)
        documents = {one.removeprefix(DOCUMENT) for one in ground.leaves if one.startswith(DOCUMENT)}
        leaves |= {DOCUMENT + one for one in await self.live(documents, principal)}
        stand = standing(ground.facts, ground.supports, leaves)
        return {one: tuple(sorted(frozenset[str]().union(*ground.supports.get(one, ())))) for one in stand}

    async def live(self, documents: set[str], principal: Principal) -> set[str]:
        """The documents that somebody vouches for; a place that cannot be asked vouches for nothing."""
        live = set[str]()
        for sources in self._sources:
            if documents - live:
                with suppress(Exception):  # they may be anybody's: what nobody vouches for is not told
                    live |= await sources.live(documents - live, principal=principal)
        return live & documents


def _once(facts: Sequence[tuple[str, Fact]]) -> list[Fact]:
    """Each text, whatever its case and blanks, once: that which is trusted, was recorded first."""
    ordered = sorted(facts, key=lambda one: (not one[1].label.trusted, one[1].recorded_at, one[1].fact_id))
    known: dict[str, Fact] = {}
    for text, fact in ordered:
        known.setdefault(text, fact)
    return [*known.values()]
