"""Forgetting in all that a team has: its memory and its corpora."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress

from pilotman.guardrails.errors import Conflict, NotFound, PilotmanError
from pilotman.memory import Memory, Selector
from pilotman.memory.facts.origin import is_within
from pilotman.memory.forgetting.forgetting import Forgetting
from pilotman.memory.forgetting.order import Order, Store
from pilotman.memory.forgetting.receipt import Erased
from pilotman.memory.forgetting.stores import under_way
from pilotman.memory.journal.owner import is_dead
from pilotman.memory.journal.records import ENDED
from pilotman.retrieval import Corpus
from pilotman.supervisor.team import Team

_VERSION = re.compile(r"@~?[0-9a-f]{8,}$")
_LOOK = 0.1
PATIENCE = 10.0
"""Seconds that are waited for runs to stop that are to be forgotten."""
EVERY = 3600.0
"""Seconds between two looks at what is over, and at what could not be forgotten before."""


class CorpusStore:
    """A corpus, as it is asked to forget: what a user owns, or what came from a source."""

    def __init__(self, corpus: Corpus, name: str) -> None:
        self._corpus = corpus
        self.name = name

    async def find(self, order: Order) -> Erased:
        """A corpus counts what goes only when it has gone."""
        return Erased(held=int(_named(order.what) is not None and _is_held(order)))

    async def erase(self, order: Order) -> Erased:
        named = _named(order.what)
        if named is None or _is_held(order):
            return await self.find(order)
        gone = await self._corpus.forget(tenant=order.tenant, **named)
        chunks = gone["chunks"]
        return Erased(marks=frozenset({f"chunks:{chunks} - {chunks}"} if chunks else ()))


def _named(what: Selector) -> dict[str, str | None] | None:
    """What is meant in a corpus; None: nothing. It knows nothing of runs and facts, nor when a document was
    new. A document goes with all its versions: it has one at a time."""
    if (what.run_id, what.fact_id, what.before) != (None, None, None):
        return None
    if what.source is None:
        return {"owner": what.user}
    kind, _, inside = what.source.partition(":")
    if kind in ("run", "fact"):
        return None
    source, slash, document = (inside if kind == "document" else what.source).partition("/")
    if slash:
        document = _VERSION.sub("", document)
    if not (source or document):
        return None  # it would mean the whole tenant
    return {"owner": what.user, "source": source or None, "document": document or None}


def _is_held(order: Order) -> bool:
    """Whether a hold may cover some of it: then all of it stays."""
    about = [hold.what for hold in order.holds if (hold.what.run_id, hold.what.fact_id) == (None, None)]
    return any(_meets(one, order.what) for one in about)


def _meets(one: Selector, other: Selector) -> bool:
    """Whether there may be something that both mean."""
    users, sources = {one.user, other.user} - {None}, {one.source, other.source} - {None}
    apart = len(sources) == 2 and not (
        is_within(str(one.source), str(other.source)) or is_within(str(other.source), str(one.source))
    )
    return len(users) < 2 and not apart


class Halt:
    """Asks runs that are to be forgotten to stop, and waits a while for those that somebody drives. What does
    not stop stores nothing more once it is erased."""

    name = "under way"

    def __init__(self, memory: Memory, team: str, stop: Callable[[str], Awaitable[object]]) -> None:
        """``stop`` brings a run of this ``team`` to its end, as cancelled."""
        self._memory = memory
        self._team = team
        self._stop = stop

    async def find(self, order: Order) -> Erased:  # noqa: ARG002
        return Erased()

    async def erase(self, order: Order) -> Erased:
        journal = self._memory.journal
        found = await journal.read(lambda connection: under_way(connection, order))
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
                await self._stop(run_id)
            row = await self._memory.journal.run(run_id, tenant=order.tenant)
            while row.state not in ENDED and row.owner is not None and not is_dead(row.owner):
                await asyncio.sleep(_LOOK)
                row = await self._memory.journal.run(run_id, tenant=order.tenant)


def forgetting(memory: Memory, team: Team, *, first: Sequence[Store] = ()) -> Forgetting:
    """Who forgets in a memory and in a team's corpora; ``first`` are asked before."""
    return memory.forgetting(corpus_stores(team.corpora()), first=first)


def corpus_stores(corpora: Iterable[Corpus]) -> list[CorpusStore]:
    """Corpora as they are asked to forget, numbered."""
    return [CorpusStore(corpus, f"corpus-{number}") for number, corpus in enumerate(corpora, start=1)]


@asynccontextmanager
async def tidied(memory: Memory, team: Team, *, every: float = EVERY) -> AsyncGenerator[None]:
    """While this is open, what is over goes, and what could not be forgotten is tried again."""
    task = asyncio.create_task(_tidy(memory, team, every))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _tidy(memory: Memory, team: Team, every: float) -> None:
    while True:
        with suppress(PilotmanError):  # it is unreachable: the next time is as good
            await forgetting(memory, team).go_on()
            await memory.sweep()
        await asyncio.sleep(every)
