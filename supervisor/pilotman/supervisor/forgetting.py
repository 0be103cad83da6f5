"""Forgetting in all that a team has: its memory and its corpora."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

from pilotman.guardrails.errors import PilotmanError
from pilotman.memory import Memory, Selector
from pilotman.memory.forgetting.forgetting import Forgetting
from pilotman.memory.forgetting.order import Order
from pilotman.memory.forgetting.receipt import Erased
from pilotman.retrieval import Corpus
from pilotman.supervisor.team import Team

EVERY = 3600.0
"""Seconds between two looks at what is over, and at what could not be forgotten before."""


class CorpusStore:
    """A corpus, as it is asked to forget: what a user owns, or what came from a source."""

    def __init__(self, corpus: Corpus, name: str) -> None:
        self._corpus = corpus
        self.name = name

    async def erase(self, order: Order) -> Erased:
        what = order.what
        named = (what.user, what.source)
        if named == (None, None) or (what.run_id, what.fact_id, what.before) != (None, None, None):
            return Erased()  # a corpus knows nothing of runs and facts, nor when a document was new
        held = [hold for hold in order.holds if hold.what.run_id is None and hold.what.fact_id is None]
        if any(_meets(hold.what, what) for hold in held):
            return Erased(held=1)
        source, _, document = (what.source or "").partition("/")
        gone = await self._corpus.forget(
            tenant=order.tenant, owner=what.user, source=source or None, document=document or None
        )
        return Erased(marks=frozenset(f"{kind}:{count} -" for kind, count in gone.items() if count))


def _meets(one: Selector, other: Selector) -> bool:
    """Whether there may be something that both mean."""
    users, sources = {one.user, other.user} - {None}, {one.source, other.source} - {None}
    return len(users) < 2 and len(sources) < 2


def forgetting(memory: Memory, team: Team) -> Forgetting:
    """Who forgets in a memory and in a team's corpora."""
    return memory.forgetting(corpus_stores(team.corpora()))


def corpus_stores(corpora: Iterable[Corpus]) -> list[CorpusStore]:
    """Corpora as they are asked to forget, numbered."""
    return [CorpusStore(corpus, f"corpus-{number}") for number, corpus in enumerate(corpora, start=1)]


@asynccontextmanager
async def tidied(memory: Memory, team: Team, *, every: float = EVERY) -> AsyncIterator[None]:
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
