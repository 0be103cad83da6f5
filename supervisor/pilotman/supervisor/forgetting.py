"""Forgetting in all that a team has: its memory and its corpora."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Literal, TypeAlias

from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import Conflict, NotFound, PilotmanError
from pilotman.memory import Memory, Selector
from pilotman.memory.facts.origin import FACT, RUN, document_id
from pilotman.memory.forgetting.forgetting import Forgetting
from pilotman.memory.forgetting.hold import Thing, selects
from pilotman.memory.forgetting.order import Order
from pilotman.memory.forgetting.receipt import Erased
from pilotman.memory.journal.owner import is_dead
from pilotman.memory.journal.records import ENDED
from pilotman.retrieval import Corpus
from pilotman.retrieval.access import subject_of
from pilotman.retrieval.catalogue.selection import Piece
from pilotman.supervisor.team import Team

Stop: TypeAlias = Callable[[str, str], Awaitable[object]]
_VERSION = re.compile(r"@~?[0-9a-f]{8,}$")
_EVER = datetime.min.replace(tzinfo=UTC)
_LOOK = 0.1
PATIENCE = 10.0
"""Seconds that are waited for runs to stop that are to be forgotten."""
EVERY = 3600.0
"""Seconds between two looks at what is over, and at what could not be forgotten before."""


class CorpusStore:
    """A corpus, as it is asked to forget: what a user owns, or what came from a source, chunk by chunk."""

    def __init__(self, corpus: Corpus, name: str) -> None:
        self._corpus = corpus
        self.name = name

    async def find(self, order: Order) -> Erased:
        if not _reaches(order.what):
            return Erased()
        pieces = await self._corpus.pieces(tenant=order.tenant, owner=order.what.user)
        marks: dict[tuple[str | None, str], list[int]] = {}
        held = untimed = 0
        for piece in pieces:
            if (fits := _fits(piece, order)) == "meant":
                marks.setdefault((piece.source, piece.document), []).append(piece.row)
            held += fits == "held"
            untimed += fits == "untimed"
        return Erased(
            marks=frozenset(f"chunks:{rows[0]} - {len(rows)}" for rows in marks.values()),
            held=held,
            left=f"chunks of which nobody knows since when they are there: {untimed}" if untimed else "",
        )

    async def erase(self, order: Order) -> Erased:
        found = await self.find(order)
        if _reaches(order.what):  # also where nothing was found: what a crash left of it goes
            whole = order.what == Selector(user=order.what.user) and not found.held
            only = None if whole else partial(_is_meant, order)
            await self._corpus.forget(tenant=order.tenant, owner=order.what.user, only=only)
        return found


def _reaches(what: Selector) -> bool:
    """Whether there may be chunks that are meant: a corpus knows nothing of runs and facts."""
    return (what.run_id, what.fact_id) == (None, None) and not (what.source or "").startswith((RUN, FACT))


def _is_meant(order: Order, piece: Piece) -> bool:
    return _fits(piece, order) == "meant"


def _fits(piece: Piece, order: Order) -> Literal["meant", "held", "untimed", ""]:
    """What becomes of a chunk. A document goes, and is held, with all its versions: it has one at a time."""
    subject = None if piece.owner is None else subject_of(piece.owner)
    thing = Thing(
        user=None if subject is None or subject.tenant != order.tenant else subject.user,
        sources=frozenset(document_id(piece.source, name, version or "") for name, version in piece.names),
        at=_EVER if piece.fetched_at is None else datetime.fromtimestamp(piece.fetched_at, UTC),
    )
    if not selects(_of_any_version(order.what), thing):
        return ""
    if any(replace(hold, what=_of_any_version(hold.what)).covers(thing) for hold in order.holds):
        return "held"
    return "untimed" if order.what.before is not None and piece.fetched_at is None else "meant"


def _of_any_version(what: Selector) -> Selector:
    return what if what.source is None else replace(what, source=_VERSION.sub("", what.source))


class Halt:
    """Asks runs that are to be forgotten to stop, and waits a while for those that somebody drives. What does
    not stop stores nothing more once it is erased."""

    name = "under way"

    def __init__(self, memory: Memory, team: str, stop: Stop) -> None:
        """``stop`` brings a run of this ``team`` to its end, as cancelled; it is told its id and tenant."""
        self._memory = memory
        self._team = team
        self._stop = stop

    async def find(self, order: Order) -> Erased:  # noqa: ARG002
        return Erased()

    async def erase(self, order: Order) -> Erased:
        journal = self._memory.journal
        found = await self._memory.under_way(order)
        for run_id, _ in found:
            with suppress(Conflict, NotFound):  # it is over
                await journal.request_cancel(run_id, tenant=order.tenant, reason="it is to be forgotten")
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*(self._stopped(run_id, team, order) for run_id, team in found))
        return Erased()

    async def _stopped(self, run_id: str, team: str, order: Order) -> None:
        with suppress(PilotmanError):  # it cannot be driven: it is erased as it is
            if team == self._team:
                await self._stop(run_id, order.tenant)
            row = await self._memory.journal.run(run_id, tenant=order.tenant)
            while row.state not in ENDED and row.owner is not None and not is_dead(row.owner):
                await asyncio.sleep(_LOOK)
                row = await self._memory.journal.run(run_id, tenant=order.tenant)


def forgetting(memory: Memory, team: Team, stop: Stop) -> Forgetting:
    """Who forgets in a memory and in a team's corpora, and stops the team's runs before."""
    corpora = team.corpora()
    stay = corpus_stores(one for one in corpora if one.folder is not None)
    pass_by = corpus_stores(one for one in corpora if one.folder is None)
    return memory.forgetting(stay, first=(Halt(memory, team.name, stop), *pass_by))


def corpus_stores(corpora: Iterable[Corpus]) -> list[CorpusStore]:
    """Corpora as they are asked to forget. Those in folders are called the same in all processes."""
    return [CorpusStore(corpus, _called(corpus, number)) for number, corpus in enumerate(corpora, start=1)]


def _called(corpus: Corpus, number: int) -> str:
    if corpus.folder is None:
        return f"corpus-{number}"
    return f"corpus-{digest(str(corpus.folder.resolve()))[:8]}"


@asynccontextmanager
async def tidied(memory: Memory, team: Team, stop: Stop, *, every: float = EVERY) -> AsyncGenerator[None]:
    """While this is open, what is over goes, and what could not be forgotten is tried again."""
    task = asyncio.create_task(_tidy(memory, forgetting(memory, team, stop), every))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _tidy(memory: Memory, forgetful: Forgetting, every: float) -> None:
    while True:
        with suppress(PilotmanError):  # it is unreachable: the next time is as good
            await forgetful.go_on()
            await memory.sweep()
        await asyncio.sleep(every)
