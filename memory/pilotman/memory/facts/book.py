"""Durable facts of one installation: written, told, taken back. Every write leaves an event."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Connection

from pilotman.guardrails.digest import digest, short_id
from pilotman.guardrails.errors import InvalidRequest, NotFound, PermissionDenied
from pilotman.guardrails.label import Label
from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Forgotten, Seal, Subject
from pilotman.memory.defence import marks
from pilotman.memory.defence.contamination import is_own
from pilotman.memory.defence.watch import Looked, Outdated, Watch
from pilotman.memory.event import NewEvent
from pilotman.memory.facts import erasure, origin, rows
from pilotman.memory.facts.erasure import Spares, spare_none
from pilotman.memory.facts.fact import Fact, Pointer
from pilotman.memory.facts.grounds import looked_up
from pilotman.memory.facts.origin import Origin
from pilotman.memory.facts.rights import check_approver, check_open, owned, permitted, seen
from pilotman.memory.facts.shelf import Shelf, label_text
from pilotman.memory.facts.wording import Statement, reasoned, statement, worded
from pilotman.memory.journal.book import is_book
from pilotman.memory.journal.journal import Journal
from pilotman.memory.provenance.names import own_documents
from pilotman.memory.retention import Retention
from pilotman.memory.selector import Selector
from pilotman.memory.storage.codec import encode, micros, text
from pilotman.memory.storage.statement import Row

ACTOR = "memory"
Live: TypeAlias = Callable[[set[str], Principal], Awaitable[Collection[str]]]
"""Which of these documents, ``SOURCE/ID@VERSION``, are there for a principal."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What somebody wants to have remembered, beside its text. See ``Memory.remember``."""

    source: str
    reason: str
    retention: timedelta | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    about: str = ""
    purpose: str = ""
    derived_from: Sequence[str] = ()
    record: Pointer | None = None
    label: Label | None = None
    shared: bool = False
    key: str | None = None
    corrects: str | None = None


class FactBook:
    """Writes facts and takes them back. Who reads them is ``Reader``."""

    def __init__(
        self,
        journal: Journal,
        seal: Seal,
        *,
        retention: Retention,
        clock: Callable[[], datetime],
        live: Live | None = None,
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        """``live`` says which documents are there, to whoever asks."""
        self._journal = journal
        self._seal = seal
        self._live = live
        self._shelf = Shelf(seal)
        self._watch = Watch(journal, seal)
        self._retention = retention
        self._clock = clock
        self._new_id = new_id

    async def remember(self, said_text: str, principal: Principal, said: Said) -> Fact:
        """Store a fact; see ``Memory.remember``."""
        said = await self._privately(said, principal)
        found = await self._origin(principal, said)
        checked = statement(said_text, own=is_own(found.label))
        made = self._made(checked, principal, said, found)
        while True:  # somebody else stores what changes the verdict: so it comes to an end
            with suppress(Outdated):
                return await self._stored(await self._watch.look(made), principal, said, found)

    async def _stored(self, looked: Looked, principal: Principal, said: Said, found: Origin) -> Fact:
        """The fact that was looked at, or that which the key has named before.

        Raises:
            Outdated: it would be seen with other eyes by now; nothing was stored.
        """
        fact = looked.fact
        row = await asyncio.to_thread(self._row, fact, principal)  # a key may be far away
        held, same = looked.verdict.others, f"the same as {fact.fact_id}"
        event = self._event(
            "fact_remembered", fact, principal, supports=sorted(found.supports), why=looked.verdict.reasons
        )
        told = [self._noted("fact_quarantined", one, principal, again=True, reason=same) for one in held]

        def work(connection: Connection) -> bool:
            looked.check(connection)
            if said.corrects is not None:
                self._end(connection, said.corrects, principal, said.reason)
            if not rows.add(connection, row, found.supports):
                return False
            marks.add(connection, fact.fact_id, principal.tenant, looked.marks)
            rows.hold(connection, held)
            return True

        if not await self._journal.record(principal, [event, *told], work):
            return await self.get(fact.fact_id, principal)
        return fact

    async def get(self, fact_id: str, principal: Principal) -> Fact:
        """One fact as it is now, told or not.

        Raises:
            NotFound: there is none for this principal.
            Forgotten: its content is gone.
        """

        def work(connection: Connection) -> tuple[Row, Any]:
            row = seen(rows.get(connection, fact_id, tenant=principal.tenant), principal)
            return row, rows.supports_of(connection, [fact_id]).get(fact_id, ())

        row, supports = await self._journal.read(work)
        if row["body"] is None:
            raise Forgotten(f"the fact {fact_id} was forgotten", hint="nobody can read it any more")
        return await asyncio.to_thread(self._shelf.fact, row, supports)

    async def check_seen(self, fact_id: str, principal: Principal) -> None:
        """See that a fact is not another user's; one that there is not is nobody's.

        Raises:
            NotFound: it is.
        """
        row = await self._journal.read(lambda c: rows.find(c, fact_id, tenant=principal.tenant))
        if row is not None:
            seen(row, principal)

    async def kept(self, key: str, principal: Principal) -> Fact | None:
        """What was remembered with a key; None: nothing was, or it was forgotten."""
        try:
            return await self.get(_named(principal, key), principal)
        except NotFound:
            return None

    async def support(self, fact_id: str, ids: Iterable[str], principal: Principal) -> Fact:
        """Let a fact stand on all of ``ids`` too, besides what it stands on."""
        permitted()
        parts = [await self._part(await self._own(one, principal), principal, None) for one in ids]
        if not parts:
            raise InvalidRequest("a fact can only stand on something", hint="name documents, runs or facts")
        supports = Origin.join(parts).supports
        fact = await self.get(fact_id, principal)
        event = self._event("fact_supported", fact, principal, again=True, supports=sorted(supports))

        def work(connection: Connection) -> None:
            owned(rows.claim(connection, fact_id, tenant=principal.tenant), principal)
            number = rows.sets_of(connection, fact_id)
            if number:  # else it stands by itself
                rows.support(connection, fact_id, principal.tenant, supports, number=number)

        await self._journal.record(principal, [event], work)
        return await self.get(fact_id, principal)

    async def retract(self, fact_id: str, principal: Principal, reason: str) -> Fact:
        """End what is believed; see ``Memory.retract``."""
        permitted()
        why = reasoned(reason)
        event = self._noted("fact_retracted", fact_id, principal)
        await self._journal.record(
            principal, [event], lambda connection: self._end(connection, fact_id, principal, why)
        )
        return await self.get(fact_id, principal)

    async def promote(self, fact_id: str, principal: Principal, approved_by: Principal) -> Fact:
        """Trust a fact from now on; see ``Memory.promote``."""
        permitted()
        now = micros(self._clock())
        event = self._noted("fact_promoted", fact_id, principal, again=True, approved_by=approved_by.user)

        def work(connection: Connection) -> None:
            row = seen(rows.claim(connection, fact_id, tenant=principal.tenant), principal)
            check_approver(row, principal, approved_by)
            check_open(row)
            changed: Row = {"promoted_at": now, "promoted_by": text(approved_by.user), "status": "live"}
            rows.change(connection, fact_id, changed)

        await self._journal.record(principal, [event], work)
        return await self.get(fact_id, principal)

    async def quarantine(self, fact_id: str, principal: Principal, reason: str) -> None:
        """Tell it to nobody until somebody promotes it; see ``Memory.quarantine``."""
        permitted()
        why = reasoned(reason)
        event = self._noted("fact_quarantined", fact_id, principal, again=True, reason=why)

        def work(connection: Connection) -> None:
            owned(rows.claim(connection, fact_id, tenant=principal.tenant), principal)
            rows.hold(connection, [fact_id])

        await self._journal.record(principal, [event], work)

    async def forget(
        self, selector: Selector, principal: Principal, *, spares: Spares = spare_none
    ) -> dict[str, str]:
        """Erase the content of the tenant's facts that a selector means, at once for every process; their ids
        and digests stay. One that is meant for its source or run stays too, if it stands on something else,
        and so does what is spared. It is noted in the principal's book.

        Who asks is not looked at: this is for the verb that reaches every store. Gives what ``meant`` does.
        """
        tenant, now = principal.tenant, self._clock()
        ids, kept, gone = await self._meant(selector, tenant, spares)
        if ids or kept:
            told = [self._noted("fact_forgotten", one, principal, again=True) for one in ids]
            await self._journal.record(
                principal,
                told,
                lambda c: erasure.erase(c, gone, list(ids), kept, actor=ACTOR, now=now),
            )
        return ids

    async def meant(self, selector: Selector, tenant: str, *, spares: Spares = spare_none) -> dict[str, str]:
        """The facts that ``forget`` would erase: the SHA-256 of what is stored of each, by id."""
        return (await self._meant(selector, tenant, spares))[0]

    async def _meant(
        self, selector: Selector, tenant: str, spares: Spares
    ) -> tuple[dict[str, str], list[str], frozenset[str]]:
        return await self._journal.read(lambda c: erasure.meant(c, selector, tenant, spares, seal=self._seal))

    # what a new fact is made of

    async def _privately(self, said: Said, principal: Principal) -> Said:
        """The principal's own documents by what stands for them where their names must not."""
        if isinstance(said.derived_from, str):
            raise InvalidRequest("derived_from is a sequence of ids", hint=f"[{said.derived_from!r}]")
        called = {one: await self._own(one, principal) for one in (said.source, *said.derived_from)}
        derived = tuple(called[one] for one in said.derived_from)
        return replace(said, source=called[said.source], derived_from=derived)

    async def _own(self, name: str, principal: Principal) -> str:
        if self._live is None or not name.startswith(origin.DOCUMENT):
            return name
        whose, bare = Subject(principal.tenant, principal.user), name.removeprefix(origin.DOCUMENT)
        ways = await asyncio.to_thread(own_documents, bare, self._seal, whose)
        found = await self._live(set(ways), principal) if ways else ()
        return next((origin.DOCUMENT + one for one in ways if one in found), name)

    async def _origin(self, principal: Principal, said: Said) -> Origin:
        """What it is derived from, all together; inside a run that run, whatever its tool says.

        Raises:
            PermitRefused: a run moves, and no permitted write of it is being executed.
        """
        worded(said.source, "the source of a fact")
        run = permitted()
        within = () if run is None else (f"{origin.RUN}{run.run_id}",)
        named = [*dict.fromkeys((said.source, *said.derived_from, *within))]
        return Origin.join([await self._part(one, principal, said.label) for one in named])

    async def _part(self, name: str, principal: Principal, given: Label | None) -> Origin:
        """One thing that something is derived from.

        Raises:
            NotFound: it names a run or a fact that there is not, for this principal.
        """
        if not name:
            raise InvalidRequest("a fact needs its source", hint='"user", or the id of a run or a document')
        if name.startswith(origin.RUN):
            run_id = name.removeprefix(origin.RUN)
            if is_book(run_id):  # nothing that anybody said stands there
                raise NotFound(f"there is no run {run_id}")
            events = await self._journal.events(run_id, tenant=principal.tenant)
            told = await looked_up(self._journal, run_id, events, principal.tenant)
            return origin.of_run(run_id, events, principal.tenant, told)
        if name.startswith(origin.FACT):
            fact = await self.get(name.removeprefix(origin.FACT), principal)
            return Origin(label=fact.label, supports=frozenset({name}))
        if name == origin.DOCUMENT:
            raise InvalidRequest("a document without a name", hint="document:SOURCE/ID@VERSION")
        if name.startswith(origin.DOCUMENT):
            return origin.of_document(name, principal.tenant, given)
        return origin.said(worded(name, "the name of another place", word=True), principal.tenant, given)

    def _made(self, checked: Statement, principal: Principal, said: Said, found: Origin) -> Fact:
        now = self._clock()
        if said.shared and OPERATOR not in principal.roles:
            what = f"{principal.user} may not remember for all of {principal.tenant}"
            raise PermissionDenied(what, hint=f"this needs the role {OPERATOR}")
        retention = said.retention or self._retention.ttl(
            "fact", tenant=principal.tenant, purpose=said.purpose
        )
        since = said.valid_from or now
        _check_times(since, said.valid_to, said.retention)
        end = None if retention is None else _later(now, retention)
        suspicions = found.label.suspicions | checked.suspicions
        return Fact(
            fact_id=f"fact_{self._new_id()[:20]}" if said.key is None else _named(principal, said.key),
            text=text(checked.text),
            owner=None if said.shared else text(principal.user),
            source=text(said.source),
            reason=reasoned(said.reason),
            label=replace(
                found.label,
                suspicions=suspicions,
                trusted=found.label.trusted and checked.status == "live",
            ),
            valid_from=since,
            valid_to=said.valid_to,
            recorded_at=now,
            expires_at=end,
            about=text(worded(said.about, "the name of a thing")),
            purpose=text(worded(said.purpose, "a purpose", word=True)),
            status=checked.status,
            derived_from=tuple(sorted(found.supports)),
            corrects=said.corrects,
            record=said.record,
        )

    def _row(self, fact: Fact, principal: Principal) -> Row:
        same = ("fact_id", "owner", "source", "purpose", "status", "corrects")
        times = ("valid_from", "valid_to", "recorded_at", "expires_at")
        return {
            **{name: encode(getattr(fact, name)) for name in (*same, *times)},
            "tenant": principal.tenant,
            "body": self._shelf.body(fact, principal.tenant),
            "digest": self._shelf.digest(fact, principal.tenant),
            "label": label_text(fact.label),
            "recorded_by": text(principal.user),
        }

    def _end(self, connection: Connection, fact_id: str, principal: Principal, reason: str) -> None:
        row = owned(rows.claim(connection, fact_id, tenant=principal.tenant), principal)
        check_open(row)
        ended: Row = {"retracted_at": micros(self._clock()), "retracted_by": text(principal.user)}
        rows.change(connection, fact_id, {**ended, "retraction": self._shelf.why(row, text(reason))})

    # events

    def _event(
        self, kind: str, fact: Fact, principal: Principal, *, again: bool = False, **more: Any
    ) -> NewEvent:
        """What the provenance graph needs; text only of what nobody owns."""
        told: dict[str, Any] = {
            "owner": fact.owner,
            "source": fact.source,
            "status": fact.status,
            "label": fact.label.to_dict(),
            "text_digest": digest(fact.text),
            "expires_at": None if fact.expires_at is None else fact.expires_at.isoformat(),
            "corrects": fact.corrects,
            **({"text": fact.text} if fact.owner is None and not again else {}),
        }
        return self._noted(kind, fact.fact_id, principal, again=again, **told, **more)

    def _noted(
        self, kind: str, fact_id: str, principal: Principal, *, again: bool = False, **data: Any
    ) -> NewEvent:
        """``again``: it can happen to a fact more than once."""
        key = f"{kind}:{fact_id}" + (f":{self._new_id()}" if again else "")
        told: Mapping[str, Any] = {"fact_id": fact_id, "by": principal.user, **data}
        return NewEvent(kind=kind, actor=ACTOR, data=told, key=key, at=self._clock())


def _named(principal: Principal, key: str) -> str:
    """The id of the fact that a principal has remembered with a key."""
    return short_id("fact", principal.tenant, principal.user, key)


def _check_times(since: datetime, until: datetime | None, retention: timedelta | None) -> None:
    if any(time is not None and time.tzinfo is None for time in (since, until)):
        raise InvalidRequest("a time of a fact names no time zone", hint="such as UTC")
    if until is not None and until <= since:
        raise InvalidRequest("a fact would end before it begins", hint="valid_to lies after valid_from")
    if retention is not None and retention <= timedelta(0):
        raise InvalidRequest(f"the retention is {retention}", hint="a positive time")


def _later(now: datetime, retention: timedelta) -> datetime:
    try:
        return now + retention
    except OverflowError:
        raise InvalidRequest(f"the retention is {retention}", hint="None: until it is forgotten") from None
