"""All sources of a corpus, each listed anew before its objective is past: by a call, a search or a watch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.retrieval.source import Source
from pilotman.retrieval.sources.reconciler import Reconciler
from pilotman.retrieval.sources.status import SourceStatus
from pilotman.retrieval.sources.upkeep import Upkeep, When, keys_of

_PATIENCE, _FIRST_PATIENCE = 10.0, 60.0
"""Seconds that a search waits for a source that is known already, and for one that is not; after them the
search goes on with what there is."""


class Freshness:
    """The upkeep of the ``sources``, all at the same time: none waits for another.

    ``after_each`` is awaited after each pass of each of them, also where the source failed.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        reconciler: Reconciler,
        after_each: Callable[[], Awaitable[None]],
        *,
        clock: Callable[[], datetime],
        jitter: Callable[[], float],
    ) -> None:
        self._upkeeps = tuple(
            Upkeep(source, key, reconciler, clock=clock, jitter=jitter)
            for source, key in zip(sources, keys_of(sources), strict=True)
        )
        self._after_each = after_each
        self._passes: set[asyncio.Task[None]] = set()

    @property
    def listed(self) -> bool:
        """Whether each has been listed at all."""
        return all(upkeep.listed for upkeep in self._upkeeps)

    def status(self) -> tuple[SourceStatus, ...]:
        """A row for each."""
        return tuple(upkeep.status() for upkeep in self._upkeeps)

    def caveats(self) -> list[str]:
        """What an answer that rests on them has to add."""
        return [caveat for upkeep in self._upkeeps for caveat in upkeep.caveats()]

    async def reconcile(self) -> Mapping[str, int]:
        """List all of them now; returns the documents ``added, updated, deleted``.

        Raises:
            ConfigurationError: a source cannot be used.
            Unavailable: a source is gone for now; the others are up to date.
        """
        await self._bring_up(self._upkeeps, "now")
        failed = [upkeep.error for upkeep in self._upkeeps if upkeep.error is not None]
        if failed:
            raise failed[0]
        outcomes = [upkeep.outcome for upkeep in self._upkeeps if upkeep.outcome is not None]
        return {
            "added": sum(outcome.added for outcome in outcomes),
            "updated": sum(outcome.updated for outcome in outcomes),
            "deleted": sum(outcome.deleted for outcome in outcomes),
        }

    async def refresh(self) -> None:
        """List what a search has to wait for. What fails then, or takes too long, stays as it was.

        Raises:
            ConfigurationError: a source that was never listed cannot be used at all.
            Unavailable: none has ever been reached.
        """
        due = [upkeep for upkeep in self._upkeeps if upkeep.is_due()]
        timeout = _PATIENCE if all(upkeep.listed for upkeep in due) else _FIRST_PATIENCE
        await self._bring_up(due, "stale", timeout=timeout)
        unread = [upkeep.error for upkeep in self._upkeeps if upkeep.error is not None and not upkeep.listed]
        fatal = [error for error in unread if isinstance(error, ConfigurationError)]
        if fatal or len(unread) == len(self._upkeeps):
            raise (fatal or unread)[0]
        if not any(upkeep.listed for upkeep in self._upkeeps):
            raise Unavailable(f"no source has answered within {_FIRST_PATIENCE:.0f} s")

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[None]:
        """Inside, each is listed in the background when it ought to be."""
        loops = [asyncio.create_task(self._watched(upkeep)) for upkeep in self._upkeeps]
        try:
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)

    async def _bring_up(self, upkeeps: Iterable[Upkeep], when: When, *, timeout: float | None = None) -> None:
        """A pass of each, at the same time. What takes longer than ``timeout`` goes on by itself."""
        passes = [asyncio.create_task(self._pass(upkeep, when)) for upkeep in upkeeps]
        if not passes:
            return
        for one in passes:
            self._passes.add(one)
            one.add_done_callback(self._ended)
        done, _ = await asyncio.wait(passes, timeout=timeout)
        for one in done:
            one.result()

    def _ended(self, one: asyncio.Task[None]) -> None:
        self._passes.discard(one)
        if not one.cancelled():
            one.exception()  # looked at: where nobody waits any more, nothing complains

    async def _pass(self, upkeep: Upkeep, when: When) -> None:
        await upkeep.bring_up(when)
        await self._after_each()

    async def _watched(self, upkeep: Upkeep) -> None:
        while True:
            await asyncio.sleep(upkeep.wait())
            with contextlib.suppress(Exception):  # the next search meets it too, and says so
                await self._pass(upkeep, "scheduled")
