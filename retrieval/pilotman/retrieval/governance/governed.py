"""Our own variant: a corpus, and the store beneath it, in a folder that other processes use too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from langchain_core.documents import Document

from pilotman.guardrails.errors import NotFound
from pilotman.guardrails.principal import Principal
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.config import IndexConfig
from pilotman.retrieval.corpus import Corpus
from pilotman.retrieval.governance.deleter import Deleter
from pilotman.retrieval.governance.space import Hit
from pilotman.retrieval.governance.truth import Change, Truth

_BEGIN = datetime(2026, 1, 5, tzinfo=UTC)
_BATCH = 5_000


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A source of the corpus: passages of the truth, of which it tells nobody who does not ask."""

    name: str
    passages: range
    max_staleness: timedelta
    truth: Truth

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        truth = self.truth
        for passage in self.passages:
            if truth.alive[passage]:
                yield f"passage {passage}", f"{truth.revision[passage]}.{truth.readers[passage]}"

    async def fetch(self, document_id: str) -> Document:
        truth, passage = self.truth, int(document_id.removeprefix("passage "))
        if not truth.alive[passage]:
            raise NotFound(f"{document_id} is gone")
        metadata = {"readers": sorted(truth.readers_of(passage))}
        return Document(page_content=truth.text(passage), metadata=metadata)


class Governed:
    """What is told goes to the store; the sources nobody tells of are listed every ``interval`` seconds.

    It is asked in two ways, the store by vector and the corpus by words and meaning.
    """

    name = "pilotman"

    def __init__(
        self, truth: Truth, folder: Path, *, sources: Sequence[range], interval: int, config: IndexConfig
    ) -> None:
        self._truth = truth
        self._folder = folder
        self._now = 0
        origins = [
            Origin(
                name=f"origin {passages.start}",
                passages=passages,
                max_staleness=timedelta(seconds=interval),
                truth=truth,
            )
            for passages in sources
            if truth.watched[passages.start]
        ]
        self._corpus = Corpus(
            origins,
            path=folder,
            embedding=truth.space,
            config=config,
            clock=lambda: _BEGIN + timedelta(seconds=self._now),
            jitter=lambda: 0.0,
        )
        self._store = self._corpus.store
        self._racing: dict[str, int] = {}
        self._deleter: Deleter | None = None

    async def load(self) -> None:
        told = np.flatnonzero(~self._truth.watched)
        for first in range(0, len(told), _BATCH):
            await off_loop(self._write, [int(one) for one in told[first : first + _BATCH]])
        await self._corpus.reconcile()
        await off_loop(self._store.holdings.rebuilding.wait)
        self._deleter = Deleter(self._folder)
        await self._deleter.deleted({"ready"})

    async def tell(self, change: Change) -> None:
        if change.kind == "update":
            await off_loop(self._write, change.passages)
        elif change.kind == "delete":
            await off_loop(self._store.delete, _ids(change.passages))
        else:
            await off_loop(self._store.set_readers, _ids(change.passages), change.readers)

    async def search(self, query: str, principal: Principal, k: int, now: int) -> Sequence[Sequence[Hit]]:
        self._now = now
        if not all(status.fresh for status in self._corpus.status()):
            await self._corpus.reconcile()  # what ``async with corpus:`` does, by the clock of the experiment
        bound = self._store.for_principal(principal)
        by_vector = await off_loop(bound.similarity_search, query, k)
        snapshot = await self._corpus.search(query, principal=principal, k=k)
        return [[Hit.of(one.page_content) for one in found] for found in (by_vector, snapshot.documents)]

    async def crash(self, passages: Collection[int]) -> None:
        assert self._deleter is not None
        await self._deleter.hang(_ids(passages))

    async def recover(self) -> None:
        assert self._deleter is not None
        await self._deleter.kill()
        self._deleter = None

    async def race(self, passages: Collection[int]) -> None:
        assert self._deleter is not None
        self._racing = dict(zip(_ids(passages), passages, strict=True))
        self._deleter.delete(self._racing)

    def gone(self) -> frozenset[int]:
        if self._deleter is None or not self._racing:
            return frozenset()
        return frozenset(self._racing[one] for one in self._deleter.gone() if one in self._racing)

    async def join(self) -> None:
        assert self._deleter is not None
        await self._deleter.deleted(self._racing.keys())
        self._racing = {}

    async def close(self) -> None:
        if self._deleter is not None:
            await self._deleter.kill()
        await off_loop(self._store.close)

    def _write(self, passages: Sequence[int]) -> None:
        truth = self._truth
        texts = [truth.text(one) for one in passages]
        readers = [{"readers": sorted(truth.readers_of(one))} for one in passages]
        self._store.add_texts(texts, readers, ids=_ids(passages), batch_size=_BATCH)


def _ids(passages: Collection[int]) -> list[str]:
    return [f"passage {one}" for one in passages]
