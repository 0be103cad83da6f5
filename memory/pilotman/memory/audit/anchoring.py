"""Anchors a journal every so often, while it is in use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pilotman.guardrails.errors import ConfigurationError, PilotmanError
from pilotman.memory.audit.anchor import Anchor
from pilotman.memory.audit.anchor_store import AnchorStore, anchor_store
from pilotman.memory.journal.chain import EMPTY
from pilotman.memory.journal.journal import Journal

if TYPE_CHECKING:
    from pilotman.memory.audit.keys import SecretKey


@dataclass(frozen=True, kw_only=True)
class Anchors:
    """Where a journal's anchors go, and how often.

    ``to``: a file, another database's URL, ``-`` for standard output, or a store of yours. Keep one place for
    each journal, out of reach of who can write the journal. ``key``: the file of an Ed25519 key that signs
    them, created on first use; without one they are not signed.

    Raises:
        ConfigurationError: ``every`` is no time at all.
    """

    to: str | Path | AnchorStore
    key: str | Path | None = None
    every: timedelta = timedelta(minutes=1)

    def __post_init__(self) -> None:
        if self.every <= timedelta():
            raise ConfigurationError(
                "anchors cannot be made without a pause", hint="every=timedelta(minutes=1)"
            )

    def store(self) -> AnchorStore:
        """What keeps them.

        Raises:
            ConfigurationError: not a URL of a database that we can reach.
        """
        return anchor_store(self.to) if isinstance(self.to, str | Path) else self.to


class Anchoring:
    """Anchors a journal while it is open, and once more when it closes."""

    def __init__(self, journal: Journal, anchors: Anchors, clock: Callable[[], datetime]) -> None:
        self._journal = journal
        self._store = anchors.store()
        self._path = None if anchors.key is None else Path(anchors.key)
        self._every = anchors.every
        self._clock = clock
        self._last = EMPTY.hash
        self._key: SecretKey | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. Starting what is started does nothing.

        Raises:
            ConfigurationError: the key cannot be used.
            Unavailable: it cannot be created.
        """
        if self._task is None:
            if self._path is not None:
                from pilotman.memory.audit.keys import SecretKey  # it takes time to load

                self._key = SecretKey.open(self._path)
            self._task = asyncio.create_task(self._go_on(), name="pilotman-anchors")

    async def aclose(self) -> None:
        """End, with a last anchor. Closing what is closed does nothing.

        Raises:
            Unavailable: the last anchor could not be kept.
        """
        task, self._task = self._task, None
        if task is not None:
            if task.get_loop() is asyncio.get_running_loop():  # else its loop was closed, and it with that
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            await self._anchor()

    async def _go_on(self) -> None:
        while True:
            await asyncio.sleep(self._every.total_seconds())
            with suppress(PilotmanError):  # runs go on; the next anchor covers what this one would have
                await self._anchor()

    async def _anchor(self) -> None:
        """Anchor what was added, if anything was."""
        tip = await self._journal.tip()
        if tip.hash != self._last:
            line = Anchor.of(tip, at=self._clock(), key=self._key).to_json()
            await asyncio.to_thread(self._store.append, line)
            self._last = tip.hash
