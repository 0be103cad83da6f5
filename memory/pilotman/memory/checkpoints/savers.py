"""The checkpointers of one memory, with what their checkpoints are sealed by."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Seal, Subject
from pilotman.memory.checkpoints.checkpoints import CheckpointStore, opener
from pilotman.memory.checkpoints.late import LateSaver
from pilotman.memory.checkpoints.parking import ParkingSaver, strict_serde
from pilotman.memory.checkpoints.sealing import INSTALLATION, subject_in
from pilotman.memory.store.acting import acting


class Savers:
    """``ours`` parks the supervisor's graphs, ``users`` stores every checkpoint of users' own.

    ``url`` is the journal's; ``subject`` tells whose a run is. Does no I/O before the first use.
    """

    def __init__(
        self, url: str, seal: Seal, *, subject: Callable[[str], Awaitable[Subject | None]], ephemeral: bool
    ) -> None:
        strict, lenient = strict_serde(), JsonPlusSerializer()
        parked, stored = CheckpointStore(opener(url, strict)), CheckpointStore(opener(url, lenient))
        self._subject = subject
        self._stores = (parked, stored)
        inner = None if ephemeral else LateSaver(parked, strict, seal=seal, owner=self._owner_of_run)
        self.ours = ParkingSaver(inner)
        self.users = LateSaver(stored, lenient, seal=seal, owner=_owner_in)

    def start(self) -> None:
        """Let them open their stores. Starting what is started does nothing."""
        for store in self._stores:
            store.start()

    async def aclose(self) -> None:
        """Close what was opened."""
        for store in self._stores:
            await store.aclose()

    async def _owner_of_run(self, config: RunnableConfig) -> Subject:
        """Whose a parked graph is: its thread is named ``run/path``."""
        thread_id = str(config.get("configurable", {})["thread_id"])
        return await self._subject(thread_id.partition("/")[0]) or INSTALLATION


def _owner_in(config: RunnableConfig) -> Subject:
    return subject_in(config, acting=_acting)


def _acting() -> Principal | None:
    run = acting.get()
    return None if run is None else run.principal
