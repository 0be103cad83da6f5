"""What is told of durable facts. Whether one may be told is decided for every reader; nothing is kept."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import Connection

from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Forgotten, Seal
from pilotman.memory.facts import rows
from pilotman.memory.facts.contradiction import Contradictions
from pilotman.memory.facts.fact import Fact, Records, Sources
from pilotman.memory.facts.origin import DOCUMENT, FACT, RUN, is_within
from pilotman.memory.facts.ranking import scores
from pilotman.memory.facts.rows import Ground, When
from pilotman.memory.facts.shelf import Said, Shelf
from pilotman.memory.facts.support import standing, standing_on
from pilotman.memory.journal.journal import Journal
from pilotman.memory.keyring.place import is_near
from pilotman.memory.storage.codec import micros
from pilotman.memory.storage.statement import Row

_AT_ONCE = 64
"""Things whose facts are looked at together: the most relevant first, until enough may be told."""
_NO_RECORDS: Records = MappingProxyType({})
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


@dataclass(eq=False)
class _Thing:
    """What is held about one thing, opened: rows with what they say, and the numbers of their texts."""

    held: list[tuple[Row, Said]] = field(default_factory=list[tuple[Row, Said]])
    texts: list[int] = field(default_factory=list[int])
    newest: int = 0


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
    ) -> None:
        self._journal = journal
        self._shelf = Shelf(seal)
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
        who = {"tenant": principal.tenant, "user": principal.user}
        held = await self._journal.read(lambda connection: rows.visible(connection, **who, when=when))
        if len(held) < _MANY and self._near:
            things = self._things(held, question)
        else:
            things = await asyncio.to_thread(self._things, held, question)
        found: list[Fact] = []
        for first in range(0, len(things), _AT_ONCE):
            found += await self._told(things[first : first + _AT_ONCE], question, principal, when)
            if len(found) >= question.limit:
                break
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

    async def impacted(self, source: str, principal: Principal) -> list[str]:
        """Ids of the facts that stand on a source, directly or through other facts, whatever else they stand
        on: a document, a run, a fact, or all documents of a source. One's own and those of nobody; operators
        are told all of the tenant's."""

        def work(connection: Connection) -> list[str]:
            upon = rows.upon(connection, principal.tenant)
            named = {one for sets in upon.values() for group in sets for one in group}
            roots = [one for one in {*named, source} if is_within(one, source)]
            found = [one.removeprefix(FACT) for one in standing_on(roots, upon)]
            owners = rows.owners(connection, found)
            every = OPERATOR in principal.roles
            return sorted(one for one in found if every or owners[one] in (None, principal.user))

        return await self._journal.read(work)

    def _when(self, question: Question) -> When:
        now = self._clock()
        valid, recorded = question.valid_at or now, question.recorded_at or now
        if valid.tzinfo is None or recorded.tzinfo is None:
            raise InvalidRequest("the time that is asked about names no time zone", hint="such as UTC")
        if question.limit < 1:
            raise InvalidRequest(f"the limit is {question.limit}", hint="at least one fact")
        return When(valid=micros(valid), recorded=micros(recorded), now=micros(now))

    def _things(self, held: Sequence[Row], question: Question) -> list[_Thing]:
        """The rows by what they are about, else by their text; the most relevant first."""
        things: defaultdict[str, _Thing] = defaultdict(_Thing)
        texts: list[str] = []
        for row in held:
            if not _fits(row, question):
                continue
            with suppress(Forgotten):  # its owner's key was destroyed: the row is about to go
                said = self._shelf.said(row)
                thing = things[said["about"].casefold() or f"\n{row['digest']}"]
                thing.held.append((row, said))
                thing.newest = max(thing.newest, row["recorded_at"])
                thing.texts.append(len(texts))
                texts.append(f"{said['about']} {said['text']}")
        if not question.query.strip():
            return sorted(things.values(), key=lambda thing: thing.newest, reverse=True)
        found = scores(question.query, texts)
        ranked = [(max(found[n] for n in thing.texts), thing) for thing in things.values()]
        ranked.sort(key=lambda pair: (pair[0], pair[1].newest), reverse=True)
        return [thing for score, thing in ranked if score > 0]

    async def _told(
        self, things: Sequence[_Thing], question: Question, principal: Principal, when: When
    ) -> list[Fact]:
        """What may be told of these things: of facts that stand, what the policy says, each text once."""
        ids = [row["fact_id"] for thing in things for row, _ in thing.held]
        ground = await self._ground(ids, principal, when)
        told: list[Fact] = []
        for thing in things:
            known = [
                (row["digest"], self._shelf.fact(row, (ground[name],), recorded=when.recorded, said=said))
                for row, said in thing.held
                if (name := FACT + row["fact_id"]) in ground
            ]
            rivals = _once([one for one in known if one[1].label.trusted or not question.trusted_only])
            told += rivals if len(rivals) < 2 else self._contradictions(rivals)
        return told

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
        leaves |= {DOCUMENT + one for one in await self._live(documents, principal)}
        stand = standing(ground.facts, ground.supports, leaves)
        return {one: tuple(sorted(frozenset[str]().union(*ground.supports.get(one, ())))) for one in stand}

    async def _live(self, documents: set[str], principal: Principal) -> set[str]:
        """The documents that somebody vouches for; a place that cannot be asked vouches for nothing."""
        live = set[str]()
        for sources in self._sources:
            if documents - live:
                with suppress(Exception):  # they may be anybody's: what nobody vouches for is not told
                    live |= await sources.live(documents - live, principal=principal)
        return live & documents


def _fits(row: Row, question: Question) -> bool:
    """Whether it may be used for the purpose."""
    return question.purpose is None or row["purpose"] in ("", question.purpose)


def _once(facts: Sequence[tuple[str, Fact]]) -> list[Fact]:
    """Each text, told by its digest, once: that which is trusted, was recorded first."""
    ordered = sorted(facts, key=lambda one: (not one[1].label.trusted, one[1].recorded_at, one[1].fact_id))
    known: dict[str, Fact] = {}
    for text, fact in ordered:
        known.setdefault(text, fact)
    return [*known.values()]
