"""A checkpointer that opens its store at the first use, so that a graph can be compiled with it before."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from typing import Any

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
from pilotman.memory.checkpoints.checkpoints import CheckpointStore, Saver, storage_errors


class LateSaver(BaseCheckpointSaver[str]):
    """Passes everything on to the store's saver.

    Synchronous methods work once an asynchronous one has opened it, and from another thread than the event
    loop's, as with LangGraph's own asynchronous savers.
    """

    def __init__(self, store: CheckpointStore, serde: SerializerProtocol) -> None:
        super().__init__(serde=serde)
        self._store = store
        self._allowed: tuple[tuple[str, ...], ...] = ()
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

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        saver = await self._saver()
        with storage_errors():
            return await saver.aget_tuple(config)

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
                yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        saver = await self._saver()
        with storage_errors():
            return await saver.aput(config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        saver = await self._saver()
        with storage_errors():
            await saver.aput_writes(config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        saver = await self._saver()
        with storage_errors():
            await saver.adelete_thread(thread_id)

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._opened().get_tuple(config)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        return self._opened().list(config, filter=filter, before=before, limit=limit)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self._opened().put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self._opened().put_writes(config, writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        self._opened().delete_thread(thread_id)

    def get_next_version(self, current: str | None, channel: None) -> str:
        return self._versions.get_next_version(current, channel)
