from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from langchain_core.documents import Document
from tests.retrieval.conftest import Clock

from pilotman.retrieval import IndexConfig
from pilotman.retrieval.holdings import Holdings
from pilotman.retrieval.sources.reconciler import Reconciler
from pilotman.retrieval.sources.upkeep import Upkeep, keys_of
from pilotman.retrieval.stock import StoredDocuments

pytestmark = pytest.mark.anyio


class Slow:
    """A source whose listing takes twenty minutes."""

    max_staleness = timedelta(minutes=5)

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        self._clock.forward(minutes=20)
        yield "a", "1"

    async def fetch(self, document_id: str) -> Document:
        return Document(page_content=document_id, metadata={"readers": ["*"]})


async def test_every_source_has_a_key_of_its_own(clock: Clock) -> None:
    sources = [Slow(name, clock) for name in ("a", "a", "a#2", "b", "a")]
    assert keys_of(sources) == ("a", "a#2", "a#2#2", "b", "a#3")


async def test_a_source_that_takes_longer_than_its_objective_rests_as_long(clock: Clock) -> None:
    stock = StoredDocuments(Holdings(None, config=IndexConfig(), clock=clock), {"slow": ""})
    upkeep = Upkeep(
        Slow("slow", clock), "slow", Reconciler(stock, clock=clock), clock=clock, jitter=lambda: 0.0
    )
    await upkeep.bring_up("now")
    assert upkeep.wait() == 1_200
