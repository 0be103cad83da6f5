"""A checkpointer that opens its store at the first use, so that a graph can be compiled with it before."""

from __future__ import annotations

import asyncio
import copy
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from typing import Any, TypeAlias

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.base import SerializerProtocol

from pilotman.guardrails.errors import ConfigurationError
from pilotman.guardrails.seal import Forgotten, Seal, Subject
from pilotman.memory.checkpoints.checkpoints import CheckpointStore, Saver, holding, storage_errors, threads
from pilotman.memory.checkpoints.sealing import INSTALLATION, Sealing, signs

Owner: TypeAlias = Callable[[RunnableConfig], Subject | Awaitable[Subject]]


_OF_A_RUN = re.compile(r"run_[0-9a-f]{32}/")
"""How threads of the supervisor's graphs are named, which lie beside."""


def _nobody(_: RunnableConfig) -> Subject:
    return INSTALLATION


class LateSaver(BaseCheckpointSaver[str]):
    """Passes everything on to the store's saver.

    Synchronous methods work once an asynchronous one has opened it, and from another thread than the event
    loop's, as with LangGraph's own asynchronous savers.
    """

    def __init__(
        self,
        store: CheckpointStore,
        serde: SerializerProtocol,
        *,
        seal: Seal | None = None,
        owner: Owner = _nobody,
    ) -> None:
        """Where ``seal`` has keys, what is stored is sealed for the ``owner`` of what a config names."""
        super().__init__(serde=serde)
        self._store = store
        self._seal = None if seal is None or seal.keys is None else seal
        self._owner = owner
        self._allowed: tuple[tuple[str, ...], ...] = ()
        self._owners: defaultdict[str, set[Subject]] = defaultdict(set)  # where what is stored does not say
        self._versions = InMemorySaver()  # only for its way of counting, which all savers share

    def with_allowlist(self, extra_allowlist: Collection[tuple[str, ...]]) -> LateSaver:
        clone = copy.copy(self)
        clone._allowed = (*self._allowed, *extra_allowlist)
        return clone

    def _with_allowed(self, saver: Saver) -> Saver:
        return saver.with_allowlist(self._allowed) if self._allowed else saver

    async def _saver(self) -> Saver:
        return self._with_allowed(await self._store.saver())

    def _opened(self) -> Saver:
        if self._store.opened is None:
            raise ConfigurationError(
                "the checkpoint store is not open",
                hint="use ainvoke: it is opened by the first asynchronous call",
            )
        return self._with_allowed(self._store.opened)

    def _sealing(self, saver: Saver) -> Sealing | None:
        return None if self._seal is None else Sealing(self._seal, saver.serde)

    async def _subject(self, config: RunnableConfig) -> Subject:
        found = self._owner(config)
        return found if isinstance(found, Subject) else await found

    def _subject_now(self, config: RunnableConfig) -> Subject:
        found = self._owner(config)
        if not isinstance(found, Subject):
            raise ConfigurationError("whose this is can only be asked in an event loop", hint="use ainvoke")
        return found

    # keys lie on a disk or a server: an event loop does not wait for them

    async def forget(self, under: str) -> None:
        """Delete all threads whose names begin with ``under`` and a slash."""
        saver = await self._store.saver()
        with storage_errors():
            for thread_id in await threads(saver, under):
                await saver.adelete_thread(thread_id)

    async def is_used(self) -> bool:
        """Whether there is anything of users' own graphs."""
        saver = await self._store.saver()
        with storage_errors():
            async for item in saver.alist(None):
                if _OF_A_RUN.match(_thread(item.config)) is None:
                    return True
        return False

    async def owned(self, subject: Subject) -> dict[str, CheckpointTuple]:
        """The threads of users' own graphs in which something is the subject's, each with its newest
        checkpoint as it is stored."""
        found: dict[str, CheckpointTuple] = {}
        saver = await self._store.saver()
        with storage_errors():
            if self._seal is None:
                theirs = sorted(name for name, whose in self._owners.items() if subject in whose)
            else:
                theirs = await holding(saver, *signs(subject))
            for name in theirs:
                if _OF_A_RUN.match(name) is None:
                    async for item in saver.alist({"configurable": {"thread_id": name}}):
                        newest = found.setdefault(name, item)
                        if newest.checkpoint["id"] < item.checkpoint["id"]:
                            found[name] = item
        return found

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """The checkpoint; None also for one that was forgotten."""
        saver = await self._saver()
        with storage_errors():
            item = await saver.aget_tuple(config)
        return None if item is None else await asyncio.to_thread(_opened, self._sealing(saver), item)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        saver = await self._saver()
        with storage_errors():
            async for item in saver.alist(config, filter=filter, before=before, limit=limit):
                found = await asyncio.to_thread(_opened, self._sealing(saver), item)
                if found is not None:
                    yield found

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        saver = await self._saver()
        sealing = self._sealing(saver)
        if sealing is not None:
            subject = await self._subject(config)
            checkpoint = await asyncio.to_thread(sealing.checkpoint, subject, config, checkpoint)
        else:
            self._owners[_thread(config)].add(await self._subject(config))
        with storage_errors():
            return await saver.aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        saver = await self._saver()
        sealing = self._sealing(saver)
        if sealing is not None:
            writes = await asyncio.to_thread(sealing.writes, await self._subject(config), config, writes)
        with storage_errors():
            await saver.aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        saver = await self._saver()
        with storage_errors():
            await saver.adelete_thread(thread_id)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        saver = self._opened()
        item = saver.get_tuple(config)
        return None if item is None else _opened(self._sealing(saver), item)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        saver = self._opened()
        for item in saver.list(config, filter=filter, before=before, limit=limit):
            found = _opened(self._sealing(saver), item)
            if found is not None:
                yield found

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        saver = self._opened()
        sealing = self._sealing(saver)
        if sealing is not None:
            checkpoint = sealing.checkpoint(self._subject_now(config), config, checkpoint)
        else:
            self._owners[_thread(config)].add(self._subject_now(config))
        return saver.put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        saver = self._opened()
        sealing = self._sealing(saver)
        if sealing is not None:
            writes = sealing.writes(self._subject_now(config), config, writes)
        saver.put_writes(config, writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        self._opened().delete_thread(thread_id)

    def get_next_version(self, current: str | None, channel: None) -> str:
        return self._versions.get_next_version(current, channel)


def _opened(sealing: Sealing | None, item: CheckpointTuple) -> CheckpointTuple | None:
    """A checkpoint as it was put; None: it was forgotten."""
    try:
        return item if sealing is None else sealing.opened(item)
    except Forgotten:
        return None


def _thread(config: RunnableConfig) -> str:
    return str(config.get("configurable", {})["thread_id"])
