"""Tells a provenance graph what the journal's outbox holds, beside the runs, which never wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from pilotman.guardrails.errors import PilotmanError, Unavailable
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.outbox import Lag, Parcel
from pilotman.memory.journal.owner import is_dead, owner_name
from pilotman.memory.provenance.graph import Graph
from pilotman.memory.provenance.prov import fold_all
from pilotman.memory.provenance.sheet import Origin, Told

LINGER: Final = 1.0
"""Seconds from news to telling it: most of a run goes together."""
AT_ONCE: Final = 256
"""Events, about, that are told together: to fold them holds the loop up for some milliseconds."""
LONGEST: Final = 30.0
"""Seconds that telling once may take, and the longest rest after it has failed."""
LEASE: Final = timedelta(seconds=2 * LONGEST)
AT_CLOSE: Final = 2.0
"""Seconds that closing gives it; what is not told by then waits for the next start."""


class Drain:
    """One graph's teller in this process. Others may tell the same graph from other processes, in turns."""

    def __init__(
        self,
        journal: Journal,
        graph: Graph,
        *,
        name: str,
        linger: float = LINGER,
        provider: MeterProvider | None = None,
    ) -> None:
        """``name`` is the graph's in the outbox; ``linger`` in seconds."""
        self._journal = journal
        self._graph = graph
        self._name = name
        self._linger = linger
        self._owner = owner_name()
        self._turn: asyncio.Lock | None = None
        self._opening: asyncio.Lock | None = None
        self._task: asyncio.Task[None] | None = None
        self._news: asyncio.Event | None = None
        self._deaf: Callable[[], None] | None = None
        self._opened = False
        self._error: str | None = None
        meter = metrics.get_meter("pilotman", meter_provider=provider)
        self._events = meter.create_gauge(
            "pilotman.provenance.lag.events",
            unit="{event}",
            description="Events of the journal that the provenance graph has not been told",
        )
        self._seconds = meter.create_gauge(
            "pilotman.provenance.lag.time", unit="s", description="Age of the oldest of them"
        )

    def start(self) -> None:
        """Tell it from now on, on this loop. Starting what is started does nothing."""
        if self._task is None:
            news = self._news = asyncio.Event()
            news.set()  # what an earlier process has left
            self._deaf = self._journal.add_listener(lambda _: news.set())
            self._task = asyncio.create_task(self._live(news), name="pilotman-provenance")

    async def aclose(self) -> None:
        """Stop, after a short last try if the graph was there the last time."""
        task, self._task = self._task, None
        if task is not None:
            if self._deaf is not None:
                self._deaf()
            if task.get_loop() is asyncio.get_running_loop():  # else its loop was closed, and it with that
                task.cancel()
                await asyncio.wait([task])
            if self._error is None:
                with suppress(Exception):  # as above: what was not told is told the next time
                    async with asyncio.timeout(AT_CLOSE):
                        await self.drain()
        self._turn = self._opening = self._news = None
        self._opened = False
        await self._graph.aclose()

    async def _live(self, news: asyncio.Event) -> None:
        rest = self._linger
        while True:
            await news.wait()
            await asyncio.sleep(rest)
            news.clear()
            try:
                all_told = await self.drain()
            except Exception:  # a graph may be anybody's: what went wrong is told with the lag
                rest = min(max(2 * rest, self._linger), LONGEST)
                news.set()
            else:
                rest = self._linger
                if not all_told:  # another process is at it, or died at it
                    news.set()
            await self._measure()

    async def _measure(self) -> None:
        with suppress(PilotmanError):
            lag = await self.lag()
            self._events.set(lag.events)
            self._seconds.set(lag.seconds)

    async def lag(self) -> Lag:
        """How far the graph is behind."""
        return replace(await self._journal.feed_lag(self._name), error=self._error)

    async def opened(self) -> Graph:
        """The graph, open.

        Raises:
            Unavailable: it cannot be reached.
        """
        if not self._opened:
            if self._opening is None:
                self._opening = asyncio.Lock()
            async with self._opening:  # two who create constraints at once would wait for each other
                await self._open()
        return self._graph

    async def _open(self) -> None:
        if not self._opened:
            await self._graph.start()
            self._opened = True
            if await self._graph.count() == (0, 0):  # it is new, or was lost
                await self._journal.feed_again(self._name)

    async def drain(self) -> bool:
        """Tell the graph all that it has not been told; False: another process is at it.

        Raises:
            Unavailable: the graph cannot be reached. What it was told remains.
        """
        if self._turn is None:
            self._turn = asyncio.Lock()
        async with self._turn:
            try:
                if not self._opened and not await self._journal.is_unfed(self._name):
                    return True  # what nobody needs makes no file
                async with asyncio.timeout(LONGEST):
                    await self.opened()
                while True:
                    parcel = await self._journal.unfed(
                        self._name, owner=self._owner, lease=LEASE, is_dead=is_dead, most=AT_ONCE
                    )
                    if parcel is None:
                        self._error = None
                        return (await self._journal.feed_lag(self._name)).events == 0
                    await self._tell(parcel)
            except Exception as error:
                self._error = str(error) or type(error).__name__
                raise _unavailable(error) from error

    async def _tell(self, parcel: Parcel) -> None:
        told = await asyncio.to_thread(self._told, parcel)  # keys may be far away
        if told.nodes or told.edges:
            async with asyncio.timeout(LONGEST):
                await self._graph.merge(told.nodes, told.edges)
        await self._journal.fed(self._name, owner=self._owner, block=parcel.block)

    def _told(self, parcel: Parcel) -> Told:
        return fold_all([(Origin.of(run, self._journal.seal), events) for run, events in parcel.runs])


def _unavailable(error: Exception) -> Exception:
    """A graph that does not answer in time is as one that cannot be reached."""
    if isinstance(error, TimeoutError):
        return Unavailable("the provenance graph does not answer", hint="it is told again later")
    return error
