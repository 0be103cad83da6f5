"""What is in quarantine: listed, let out by a person, and filled with all that came of a poisoned fact."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from pilotman.guardrails.errors import Conflict, NotFound, PermissionDenied
from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Forgotten, Seal
from pilotman.memory.defence import marks
from pilotman.memory.defence.contamination import is_same_origin
from pilotman.memory.event import Event, NewEvent
from pilotman.memory.facts import rows
from pilotman.memory.facts.fact import Fact
from pilotman.memory.facts.origin import FACT, RECALL, RUN, named_in
from pilotman.memory.facts.rights import permitted
from pilotman.memory.facts.shelf import Shelf
from pilotman.memory.facts.tables import facts
from pilotman.memory.facts.wording import reasoned
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import EffectRow
from pilotman.memory.storage.schema import events, runs
from pilotman.memory.storage.statement import Row

_ACTOR = "memory"


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """What came of a fact. ``facts`` are in quarantine now, the fact itself first; ``runs`` were told one of
    them; ``effects`` are what those runs wrote, in order: what of it was wrong is a person's to say."""

    facts: tuple[str, ...]
    runs: tuple[str, ...]
    effects: tuple[EffectRow, ...]


@dataclass(kw_only=True)
class _Found:
    """What a search has come to, in order, and the facts from which it goes on."""

    facts: dict[str, None]
    todo: set[str]
    runs: dict[str, None] = field(default_factory=dict[str, None])

    def meet(self, fact_ids: Iterable[str]) -> None:
        self.todo = set(fact_ids) - self.facts.keys()
        self.facts |= dict.fromkeys(sorted(self.todo))


class Ward:
    """Facts that are told to nobody until a person says so."""

    def __init__(
        self,
        journal: Journal,
        seal: Seal,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        self._journal = journal
        self._shelf = Shelf(seal)
        self._clock = clock
        self._new_id = new_id

    async def held(self, principal: Principal) -> list[Fact]:
        """What is in quarantine, the oldest first; see ``Memory.quarantined``."""
        wanted = [
            facts.c.tenant == principal.tenant,
            facts.c.status == "quarantined",
            facts.c.body.is_not(None),
        ]
        if OPERATOR not in principal.roles:
            wanted.append(or_(facts.c.owner == principal.user, facts.c.owner.is_(None)))
        query = select(facts).where(*wanted).order_by(facts.c.recorded_at, facts.c.fact_id)

        def work(connection: Connection) -> tuple[list[Row], Any]:
            found = [dict(row) for row in connection.execute(query).mappings()]
            return found, rows.supports_of(connection, [row["fact_id"] for row in found])

        found, supports = await self._journal.read(work)
        return await asyncio.to_thread(lambda: list(self._opened(found, supports)))

    def _opened(self, found: Iterable[Row], supports: Any) -> Iterator[Fact]:
        for row in found:
            with suppress(Forgotten):
                yield self._shelf.fact(row, supports.get(row["fact_id"], ()))

    async def release(self, fact_id: str, principal: Principal, reason: str) -> None:
        """Let a fact out, as little trusted as before; see ``Memory.release``."""
        permitted()
        why = reasoned(reason)
        if OPERATOR not in principal.roles:
            what = "what is in quarantine is let out by an operator"
            raise PermissionDenied(what, hint="or promoted: then another person vouches for it")
        event = self._noted("fact_released", fact_id, principal, reason=why)

        def work(connection: Connection) -> None:
            row = rows.claim(connection, fact_id, tenant=principal.tenant)
            if row["status"] != "quarantined" or row["body"] is None:
                raise Conflict(f"the fact {fact_id} is not in quarantine", hint="nothing was changed")
            rows.change(connection, fact_id, {"status": "live"})

        await self._journal.record(principal, [event], work)

    async def pull(self, fact_id: str, principal: Principal, reason: str) -> Pulled:
        """Put a fact into quarantine, and all that came of it; see ``Memory.pull``."""
        permitted()
        why = reasoned(reason)
        whose = None if OPERATOR in principal.roles else principal.user
        root = await self._journal.read(lambda c: rows.get(c, fact_id, tenant=principal.tenant))
        if whose is not None and root["owner"] != whose:
            raise NotFound(f"there is no fact {fact_id} of yours", hint=f"others' need the role {OPERATOR}")
        found = _Found(facts={fact_id: None}, todo={fact_id})
        told = await self._tellings(principal.tenant, whose)
        while found.todo:
            new, found.todo = found.todo, set()
            reached = {run_id for run_id, known in told.items() if known & new} - found.runs.keys()
            found.runs |= dict.fromkeys(sorted(reached))
            found.meet(await self._upon(new, reached, principal.tenant, whose))
        pulled = [*found.facts]
        noted = [
            self._noted("fact_quarantined", one, principal, reason=why, pulled_with=fact_id) for one in pulled
        ]
        noted.append(self._noted("fact_pulled", fact_id, principal, facts=pulled, runs=[*found.runs]))
        await self._journal.record(principal, noted, lambda connection: rows.hold(connection, pulled))
        effects = [await self._journal.effects(run_id, tenant=principal.tenant) for run_id in found.runs]
        ordered = sorted(
            (e for several in effects for e in several), key=lambda e: (e.intended_at, e.effect_id)
        )
        return Pulled(facts=tuple(pulled), runs=tuple(found.runs), effects=tuple(ordered))

    async def _upon(
        self, fact_ids: Collection[str], run_ids: Collection[str], tenant: str, whose: str | None
    ) -> list[str]:
        """The facts that stand on these, that these runs came to, or that say the same likewise."""
        roots = [*(FACT + one for one in fact_ids), *(RUN + one for one in run_ids)]

        def work(connection: Connection) -> list[str]:
            ids = rows.upon(connection, tenant, roots)
            for fact_id in fact_ids:
                own = marks.of(connection, fact_id)
                known = marks.near(connection, tenant, own)
                this = next((one for one in known if one.memory == fact_id), None)
                ids |= {one.memory for one in known if this is not None and is_same_origin(this, one)}
            owners = rows.owners(connection, ids)
            return sorted(one for one, owner in owners.items() if whose is None or owner == whose)

        return await self._journal.read(work)

    async def _tellings(self, tenant: str, whose: str | None) -> dict[str, set[str]]:
        """The facts that each run was told, of runs that were told any."""
        asked = or_(events.c.kind == "facts_recalled", events.c.tool == RECALL)
        query = select(events.c.run_id).join(runs, runs.c.run_id == events.c.run_id).distinct()
        query = query.where(runs.c.tenant == tenant, asked)
        if whose is not None:
            query = query.where(runs.c.user == whose)
        run_ids = await self._journal.read(lambda c: [str(one) for one in c.execute(query).scalars()])
        return {run_id: await self._told(run_id, tenant) for run_id in run_ids}

    async def _told(self, run_id: str, tenant: str) -> set[str]:
        ids = set[str]()
        kinds = ("facts_recalled", "tool_call_completed")
        for event in await self._journal.events(run_id, tenant=tenant, kinds=kinds):
            if event.kind == "facts_recalled":
                ids |= {str(row["fact_id"]) for row in event.data["documents"]}
            elif event.kind == "tool_call_completed" and event.data.get("tool") == RECALL:
                ids |= await self._looked_up(event, tenant)
        return ids

    async def _looked_up(self, event: Event, tenant: str) -> set[str]:
        """The facts that an agent was told when it asked."""
        with suppress(NotFound):  # it was forgotten
            return named_in(
                await self._journal.payload(event.run_id, event.data["result"]["payload"], tenant=tenant)
            )
        return set()

    def _noted(self, kind: str, fact_id: str, principal: Principal, **data: Any) -> NewEvent:
        told = {"fact_id": fact_id, "by": principal.user, **data}
        key = f"{kind}:{fact_id}:{self._new_id()}"
        return NewEvent(kind=kind, actor=_ACTOR, data=told, key=key, at=self._clock())
