"""What people do instead: a copy of everything, made anew now and then."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol

from pilotman.guardrails.principal import Principal
from pilotman.retrieval.governance.space import Hit, nearest
from pilotman.retrieval.governance.truth import Change, Truth

_FETCHED = 5
"""Results fetched for one that is wanted, where a filter comes after the search (LangChain: 20 for 4)."""


class Variant(Protocol):
    """A store in the experiment. Times are seconds; ``truth`` stands for the origins, which may be read."""

    name: str

    async def load(self) -> None:
        """Take in all passages, at second 0."""
        ...

    async def tell(self, change: Change) -> None:
        """A change that somebody tells; in effect when this returns."""
        ...

    async def search(self, query: str, principal: Principal, k: int, now: int) -> Sequence[Sequence[Hit]]:
        """What is served, best first, by each of its ways of asking."""
        ...

    async def crash(self, passages: Collection[int]) -> None:
        """Somebody deletes them and hangs in the middle, for good."""
        ...

    async def recover(self) -> None:
        """It is killed."""
        ...

    async def race(self, passages: Collection[int]) -> None:
        """Somebody begins to delete them, one after the other, while queries go on."""
        ...

    def gone(self) -> frozenset[int]:
        """Those of the race whose deletion has returned."""
        ...

    async def join(self) -> None:
        """Until the race is over."""
        ...

    async def close(self) -> None:
        """Let everything go."""
        ...


class Copied:
    """A flat copy of what the origins hold, made anew ``every`` so many seconds, or never.

    Nobody can tell it anything. ``filter``: of readers as they were copied, ``before`` the search, ``after``
    it on five times as many results as are wanted, or ``none``.
    """

    def __init__(
        self, name: str, truth: Truth, *, every: int | None, filter: Literal["none", "before", "after"]
    ) -> None:
        self.name = name
        self._truth = truth
        self._every = every
        self._filter = filter
        self._racing: frozenset[int] = frozenset()

    async def load(self) -> None:
        self._copy(0)

    async def tell(self, change: Change) -> None:
        pass

    async def search(self, query: str, principal: Principal, k: int, now: int) -> Sequence[Sequence[Hit]]:
        if self._every is not None and now - self._copied_at > self._every:
            self._copy(now)
        permitted = self._truth.may_read(principal)[self._readers]
        among = self._alive & permitted if self._filter == "before" else self._alive
        wide = k * _FETCHED if self._filter == "after" else k
        found = nearest(self._vectors, self._truth.space.embedded(query), wide, among)
        kept = [one for one in found if self._filter != "after" or permitted[one]][:k]
        return [[Hit(passage=one, revision=int(self._revision[one])) for one in kept]]

    async def crash(self, passages: Collection[int]) -> None:
        pass

    async def recover(self) -> None:
        pass

    async def race(self, passages: Collection[int]) -> None:
        self._racing = frozenset(passages)

    def gone(self) -> frozenset[int]:
        return self._racing

    async def join(self) -> None:
        self._racing = frozenset()

    async def close(self) -> None:
        pass

    def _copy(self, now: int) -> None:
        truth = self._truth
        self._alive = truth.alive.copy()
        self._alive[list(truth.leaving)] = False
        self._revision, self._readers = truth.revision.copy(), truth.readers.copy()
        self._vectors = truth.vectors.copy()
        self._copied_at = now
