"""Checkpoints that stay in process while a graph runs and go to a store when it waits for a person."""

from __future__ import annotations

import marshal
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    get_checkpoint_id,
)
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from pilotman.memory.checkpoints.late import LateSaver


def strict_serde() -> JsonPlusSerializer:
    """Only plain data and LangChain messages are revived from a checkpoint, whatever the environment says."""
    return JsonPlusSerializer(allowed_msgpack_modules=None)


class _Kept:
    """One thread in this process. What a graph puts is packed only when somebody looks: most never do."""

    def __init__(self, serde: SerializerProtocol) -> None:
        self.stored = False  # ``inner`` has some of it
        self.unpacked: list[Callable[[InMemorySaver], object]] = []
        self._serde = serde
        self._saver: InMemorySaver | None = None
        self._folded: bytes | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever put."""
        return self._saver is None and self._folded is None and not self.unpacked

    @property
    def saver(self) -> InMemorySaver:
        """All that was put."""
        if self._saver is None:
            self._saver = InMemorySaver(serde=self._serde)
            self._unfold(self._saver)
        for put in self.unpacked:
            put(self._saver)
        self.unpacked.clear()
        return self._saver

    def fold(self) -> None:
        """Make it small: what waits for a person may wait for days. The next look unfolds it."""
        saver = self.saver
        storage = {name: dict(spaces) for name, spaces in saver.storage.items()}
        self._folded = zlib.compress(marshal.dumps((storage, dict(saver.writes), dict(saver.blobs))))
        self._saver = None

    def _unfold(self, saver: InMemorySaver) -> None:
        if self._folded is not None:
            folded = zlib.decompress(self._folded)
            storage, writes, blobs = marshal.loads(folded)  # noqa: S302 (it never left this process)
            for name, spaces in storage.items():
                saver.storage[name].update(spaces)
            saver.writes.update(writes)
            saver.blobs.update(blobs)
            self._folded = None


class ParkingSaver(BaseCheckpointSaver[str]):
    """A checkpointer for graphs with ``durability="exit"``, each thread driven by one process at a time.

    A thread is read from ``inner`` once, then lives in this process until it is parked (handed to ``inner``,
    its memory freed) or dropped. Without ``inner`` a parked thread stays in memory, folded. What was
    not parked is lost with the process: the journal is the write-ahead log.
    """

    def __init__(self, inner: BaseCheckpointSaver[str] | None = None) -> None:
        super().__init__(serde=strict_serde())
        self.inner = inner
        self._threads: dict[str, _Kept] = {}
        self._versions = InMemorySaver()  # only for its way of counting

    def begin(self, thread_id: str) -> None:
        """A thread that is new: ``inner`` is not asked for it. Optional; saves a look-up a run."""
        self._threads.setdefault(thread_id, _Kept(self.serde))

    def holds(self, thread_id: str) -> bool:
        """Whether the thread takes memory in this process."""
        return thread_id in self._threads

    async def park(self, thread_id: str) -> None:
        """Hand the thread to ``inner``, durable when this returns, and free its memory."""
        kept = self._threads.get(thread_id)
        if kept is None:
            return
        if self.inner is None:
            kept.fold()
            return
        saver = kept.saver
        kept.stored = True  # from the first row on, also if this fails half-way
        for item in sorted(saver.list(_whole(thread_id)), key=_age):
            rows = saver.writes.get(_position(item), {})
            paths = {task_id: path for task_id, _, _, path in rows.values()}
            await _copy(item, self.inner, paths)
        self._threads.pop(thread_id, None)

    async def drop(self, thread_id: str) -> None:
        """The graph has ended: forget the thread, here and in ``inner``."""
        kept = self._threads.pop(thread_id, None)
        if self.inner is not None and (kept is None or kept.stored):
            await self.inner.adelete_thread(thread_id)

    async def forget(self, run_id: str) -> None:
        """Drop all threads of a run that is forgotten, in this process and in ``inner``."""
        for thread_id in [name for name in self._threads if name.startswith(f"{run_id}/")]:
            del self._threads[thread_id]
        if isinstance(self.inner, LateSaver):
            await self.inner.forget(run_id)

    async def _keep(self, thread_id: str) -> _Kept:
        """The thread in this process; if need be read from ``inner``, each namespace's newest checkpoint."""
        if thread_id not in self._threads:
            kept = _Kept(self.serde)
            if self.inner is not None:
                newest: dict[str, CheckpointTuple] = {}
                async for item in self.inner.alist(_whole(thread_id)):
                    newest.setdefault(_position(item)[1], item)
                for item in newest.values():
                    await _copy(item, kept.saver, {})
                kept.stored = bool(newest)
            self._threads.setdefault(thread_id, kept)  # another task may have been faster
        return self._threads[thread_id]

    # LangGraph's interface

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        kept = await self._keep(_thread(config))
        found = None if kept.is_empty else await kept.saver.aget_tuple(config)
        if found is None and self.inner is not None and get_checkpoint_id(config):
            return await self.inner.aget_tuple(config)  # an earlier checkpoint than those that are kept
        return found

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        found = {_position(item): item for item in self._list(config, filter, before)}
        if self.inner is not None:
            async for item in self.inner.alist(config, filter=filter, before=before):
                found.setdefault(_position(item), item)
        for item in sorted(found.values(), key=_age, reverse=True)[:limit]:
            yield item

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        kept = await self._keep(_thread(config))
        kept.unpacked.append(lambda saver: saver.put(config, checkpoint, metadata, new_versions))
        given = config.get("configurable", {})
        place = {name: given[name] for name in ("thread_id", "checkpoint_ns")}
        return {"configurable": {**place, "checkpoint_id": checkpoint["id"]}}

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        kept = await self._keep(_thread(config))
        kept.unpacked.append(lambda saver: saver.put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        await self.drop(thread_id)

    def get_next_version(self, current: str | None, channel: None) -> str:
        return self._versions.get_next_version(current, channel)

    def _list(
        self, config: RunnableConfig | None, filter: dict[str, Any] | None, before: RunnableConfig | None
    ) -> Iterator[CheckpointTuple]:
        for thread_id in [_thread(config)] if config else list(self._threads):
            kept = self._threads.get(thread_id)
            if kept is not None:
                yield from kept.saver.list(config or _whole(thread_id), filter=filter, before=before)


async def _copy(item: CheckpointTuple, to: BaseCheckpointSaver[str], paths: Mapping[str, str]) -> None:
    """Write a checkpoint and its pending writes to another saver, as they stood."""
    thread_id, namespace, _ = _position(item)
    parent = (item.parent_config or {}).get("configurable", {}).get("checkpoint_id")
    under: RunnableConfig = {
        "configurable": {"thread_id": thread_id, "checkpoint_ns": namespace, "checkpoint_id": parent}
    }
    await to.aput(under, item.checkpoint, item.metadata, item.checkpoint["channel_versions"])
    tasks: dict[str, list[tuple[str, Any]]] = {}
    for task_id, channel, value in item.pending_writes or ():
        tasks.setdefault(task_id, []).append((channel, value))
    for task_id, writes in tasks.items():
        # apart, so that ordinary writes count from 0 again, as the task wrote them
        special = [write for write in writes if write[0] in WRITES_IDX_MAP]
        ordinary = [write for write in writes if write[0] not in WRITES_IDX_MAP]
        for group in filter(None, (special, ordinary)):
            await to.aput_writes(item.config, group, task_id, paths.get(task_id, ""))


def _thread(config: RunnableConfig) -> str:
    return str(config.get("configurable", {})["thread_id"])


def _position(item: CheckpointTuple) -> tuple[str, str, str]:
    place = item.config.get("configurable", {})
    return place["thread_id"], place["checkpoint_ns"], place["checkpoint_id"]


def _whole(thread_id: str) -> RunnableConfig:
    """All namespaces of a thread."""
    return {"configurable": {"thread_id": thread_id}}


def _age(item: CheckpointTuple) -> str:
    return item.checkpoint["id"]
