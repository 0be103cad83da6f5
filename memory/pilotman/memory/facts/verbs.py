"""The verbs about durable facts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pilotman.guardrails.label import Label
from pilotman.guardrails.principal import Principal
from pilotman.memory.facts.book import FactBook, Said
from pilotman.memory.facts.fact import Fact, Pointer
from pilotman.memory.facts.inventory import Inventory
from pilotman.memory.facts.origin import RUN
from pilotman.memory.facts.reader import Question, Reader
from pilotman.memory.selector import Selector
from pilotman.memory.store.acting import tell


def told(facts: list[Fact]) -> list[Fact]:
    """The facts; a run that reads them takes over their labels."""
    for fact in facts:
        tell(fact.label, [fact.text], by=fact.source.removeprefix(RUN))
    return facts


class Facts:
    """A part of ``Memory``: what is remembered on purpose, and what of it is told."""

    _facts: FactBook
    _reader: Reader
    _inventory: Inventory

    @property
    def facts(self) -> Reader:
        """Who tells facts, and knows which of them stand."""
        return self._reader

    @property
    def fact_book(self) -> FactBook:
        """Who writes facts, and forgets them."""
        return self._facts

    async def remember(
        self,
        fact: str,
        *,
        principal: Principal,
        source: str,
        reason: str,
        retention: timedelta | None = None,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
        about: str = "",
        purpose: str = "",
        derived_from: Sequence[str] = (),
        record: Pointer | None = None,
        label: Label | None = None,
        shared: bool = False,
        key: str | None = None,
    ) -> Fact:
        """Write a fact down for the principal, on purpose; it leaves an event.

        ``source`` is ``"user"`` for what the principal says, ``run:ID`` for what a run came to,
        ``document:SOURCE/ID@VERSION``, ``fact:ID``, or another place's name. With ``derived_from`` the fact
        stands on all of these too: once one is deleted, changed or retracted, it is told to nobody. Its label
        is the least trusted of all that; of other places, and of documents, ``label`` says otherwise.

        It holds from ``valid_from`` (now) to ``valid_to``, and is kept for ``retention``. ``about`` names the
        thing that it is about: facts about the same thing contradict each other. With a ``purpose`` it is
        told for that one only. ``record`` says where the thing itself is kept. ``shared`` makes it
        everybody's of the tenant (role ``operator``). The same ``key`` of a principal remembers once.

        A text that reads like orders to a model is quarantined: see ``Fact.status``.

        Raises:
            InvalidRequest: the text is empty, too long or holds a secret; no reason; times that cannot be.
            NotFound: no such run or fact for this principal.
            PermissionDenied: ``shared`` without the role.
        """
        said = Said(
            source=source,
            reason=reason,
            retention=retention,
            valid_from=valid_from,
            valid_to=valid_to,
            about=about,
            purpose=purpose,
            derived_from=derived_from,
            record=record,
            label=label,
            shared=shared,
            key=key,
        )
        return await self._facts.remember(fact, principal, said)

    async def kept(self, key: str, *, principal: Principal) -> Fact | None:
        """The fact that the principal has had remembered with this key, or None."""
        found = await self._facts.kept(key, principal)
        told([] if found is None else [found])
        return found

    async def recall(
        self,
        query: str = "",
        *,
        principal: Principal,
        limit: int = 10,
        valid_at: datetime | None = None,
        recorded_at: datetime | None = None,
        purpose: str | None = None,
        trusted_only: bool = False,
    ) -> list[Fact]:
        """What was believed at ``recorded_at`` (now) to hold at ``valid_at`` (now), the most relevant first.

        Without a query the newest. Only the principal's own facts and those of the whole tenant; none that is
        expired, retracted, forgotten or quarantined, and none that stands on something that is gone: that is
        looked up at every recall. With ``purpose`` only facts for that one and for any.

        Raises:
            InvalidRequest: a time without a time zone, or a limit below one.
        """
        question = Question(
            query=query,
            limit=limit,
            valid_at=valid_at,
            recorded_at=recorded_at,
            purpose=purpose,
            trusted_only=trusted_only,
        )
        return told(await self._reader.recall(question, principal))

    async def inventory(self, selector: Selector, *, principal: Principal) -> list[Mapping[str, Any]]:
        """What is kept, why and until when: a mapping each, ``kind`` ``fact``, ``item`` and ``session`` (of
        stores), ``run`` or ``book`` (the events about a user's facts and items), with ``id``, ``owner``,
        ``source``, ``since``, ``until`` (None: until it is forgotten), ``state``, and where one may read it
        ``what`` and ``why``.

        One's own and what belongs to nobody; for the role ``operator`` all of the tenant's, without others'
        words, and what has expired and was not swept yet. An empty selector lists nothing.
        """
        return await self._inventory.kept(selector, principal)

    async def retract(self, fact_id: str, *, principal: Principal, reason: str) -> Fact:
        """Believe a fact no longer. Who asks what was believed before is still told.

        Raises:
            NotFound: no such fact for this principal.
            PermissionDenied: it belongs to the whole tenant, and the principal is no operator.
            Conflict: it was retracted before.
        """
        return await self._facts.retract(fact_id, principal, reason)

    async def correct(
        self,
        fact_id: str,
        text: str,
        *,
        principal: Principal,
        reason: str,
        source: str = "user",
        valid_from: datetime | None = None,
    ) -> Fact:
        """Retract a fact and remember another one in its place, about the same thing and for the same time.

        Where the fact was right and the thing has changed, ``remember`` what holds now: the later one counts.

        Raises:
            As with ``remember`` and ``retract``; nothing was changed then.
        """
        old = await self._facts.get(fact_id, principal)
        said = Said(
            source=source,
            reason=reason,
            about=old.about,
            purpose=old.purpose,
            valid_from=valid_from or old.valid_from,
            valid_to=old.valid_to,
            shared=old.owner is None,
            corrects=fact_id,
        )
        return await self._facts.remember(text, principal, said)

    async def support(self, fact_id: str, derived_from: Iterable[str], *, principal: Principal) -> Fact:
        """Let a fact stand on all of ``derived_from`` as well: it is told while one of its grounds is there.

        Raises:
            NotFound: no such fact, or no such run or fact to stand on.
        """
        return await self._facts.support(fact_id, derived_from, principal)

    async def promote(self, fact_id: str, *, principal: Principal, approved_by: Principal) -> Fact:
        """Trust a fact from now on, and let it out of quarantine.

        Raises:
            NotFound: no such fact for this principal.
            PermissionDenied: ``approved_by`` is not another person of the tenant, nor an operator of it.
            Conflict: it was retracted.
        """
        return await self._facts.promote(fact_id, principal, approved_by)

    async def quarantine(self, fact_id: str, *, principal: Principal, reason: str) -> None:
        """Tell a fact to nobody, nor what stands on it alone, until somebody promotes it.

        Raises:
            NotFound: no such fact for this principal.
        """
        await self._facts.quarantine(fact_id, principal, reason)
