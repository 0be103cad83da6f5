"""Places at tools, models and tenants: bulkheads and rate limits, shared by all runs of one supervisor."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pilotman.guardrails.limit import Limit

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.aio.strategies import RateLimiter

_NO_LIMIT: Final = Limit()
_SHORTEST_WAIT: Final = 0.001


class Bulkhead:
    """The places at one dependency, or of one tenant. Who waits gets one in turn."""

    def __init__(self, name: str, limit: Limit) -> None:
        self.name = name
        most = limit.max_concurrent
        self._slots = None if most is None else asyncio.Semaphore(most)
        self._rates: Sequence[RateLimitItem] = ()
        self._turn = asyncio.Lock()
        if limit.rate is not None:
            self._limiter, self._rates = _limiter(limit.rate)

    async def enter(self) -> None:
        """Wait for a place and take it. Cancelled, it takes none."""
        if self._slots is not None:
            await self._slots.acquire()
        try:
            if self._rates:
                await self._pace()
        except BaseException:
            self.leave()
            raise

    async def _pace(self) -> None:
        """Wait until every rate lets one more call begin, and count it."""
        async with self._turn:
            for rate in self._rates:
                while not await self._limiter.test(rate, self.name):
                    free_at = (await self._limiter.get_window_stats(rate, self.name)).reset_time
                    await asyncio.sleep(max(_SHORTEST_WAIT, free_at - time.time()))  # the package's clock
            for rate in self._rates:
                await self._limiter.hit(rate, self.name)

    def leave(self) -> None:
        """Give the place back."""
        if self._slots is not None:
            self._slots.release()


class Place:
    """What one call holds while it runs. Leave it once; leaving again does nothing."""

    def __init__(self) -> None:
        self._held: list[Bulkhead] = []

    def leave(self) -> None:
        """The call is over."""
        while self._held:
            self._held.pop().leave()

    async def take(self, bulkheads: Sequence[Bulkhead], seconds: float) -> str | None:
        """Take a place at each, the same order for everybody; or give the name of the one that had none in
        time, and hold none."""
        name = ""
        try:
            async with asyncio.timeout(seconds):
                for bulkhead in bulkheads:
                    name = bulkhead.name
                    await bulkhead.enter()
                    self._held.append(bulkhead)
        except TimeoutError:
            self.leave()
            return name
        except BaseException:
            self.leave()
            raise
        return None


class Limits:
    """The bulkheads of one supervisor.

    ``limits`` by ``tool:NAME``, ``model:PROVIDER``, ``model:PROVIDER:NAME``, ``tenant`` (each of them) and
    ``tenant:NAME``; a tool's own limit comes on top.
    """

    def __init__(self, limits: Mapping[str, Limit] | None = None) -> None:
        self._limits = dict(limits or {})
        self._bulkheads: dict[tuple[str, Limit], Bulkhead] = {}

    def of_tool(self, name: str, own: Limit, tenant: str) -> Sequence[Bulkhead]:
        """Those that a call of a tool has to pass; usually none."""
        if not self._limits:
            return (self._bulkhead(f"tool:{name}", own),) if own else ()
        found = [*self._of_tenant(tenant), *self._named(f"tool:{name}")]
        return (*found, self._bulkhead(f"tool:{name}", own)) if own else found

    def of_model(self, name: str, tenant: str) -> Sequence[Bulkhead]:
        """The same for a model, ``provider:name``."""
        if not self._limits:
            return ()
        provider, _, model = name.partition(":")
        names = [f"model:{provider}", f"model:{name}"] if model else [f"model:{name}"]
        return (*self._of_tenant(tenant), *(found for one in names for found in self._named(one)))

    def _of_tenant(self, tenant: str) -> Sequence[Bulkhead]:
        limit = self._limits.get(f"tenant:{tenant}") or self._limits.get("tenant", _NO_LIMIT)
        return (self._bulkhead(f"tenant:{tenant}", limit),) if limit else ()

    def _named(self, name: str) -> Sequence[Bulkhead]:
        limit = self._limits.get(name, _NO_LIMIT)
        return (self._bulkhead(name, limit),) if limit else ()

    def _bulkhead(self, name: str, limit: Limit) -> Bulkhead:
        found = self._bulkheads.get((name, limit))
        if found is None:
            found = self._bulkheads[name, limit] = Bulkhead(name, limit)
        return found


def _limiter(rate: str) -> tuple[RateLimiter, Sequence[RateLimitItem]]:
    """Exact over every window, in this process."""
    from limits import parse_many  # a fifth of a second, for those who limit
    from limits.aio.storage import MemoryStorage
    from limits.aio.strategies import MovingWindowRateLimiter

    return MovingWindowRateLimiter(MemoryStorage()), parse_many(rate)
