"""One life of a process that forgets alice, or sweeps what is over, and is killed on cue.

``when`` counts the moments at which it may be: before and after each commit of the journal and of the graph,
each question to a store, each change of the corpus's files, and the destruction of the key. 0: never.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import signal
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine.default import DefaultDialect
from tests.supervisor.remains import corpus_at, desk, mark, plan, who
from tests.supervisor.scene import yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails.errors import NotFound
from pilotman.memory import Memory, Retention, Selector
from pilotman.memory.forgetting.stores import FactStore, GraphEcho, GraphStore, ItemStore, RunStore
from pilotman.memory.keyring.folder import FolderKeys
from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.catalogue.database import Database
from pilotman.retrieval.vectors import VectorIndex
from pilotman.supervisor import Supervisor
from pilotman.supervisor.forgetting import CorpusStore

DAY = timedelta(days=1)
KEPT = Retention(session_ttl=DAY, fact_ttl=DAY, run_ttl=DAY)
MOMENTS: tuple[tuple[Any, tuple[str, ...]], ...] = (
    *(
        (kind, ("find", "erase"))
        for kind in (RunStore, FactStore, ItemStore, GraphStore, GraphEcho, CorpusStore)
    ),
    (DefaultDialect, ("do_commit",)),
    (FolderKeys, ("destroy",)),
    (Change, ("bury",)),
    (Database, ("truncate",)),
    (VectorIndex, ("purge",)),
)


def url_at(folder: Path) -> str:
    return f"sqlite:///{folder / 'desk.db'}"


def later() -> datetime:
    """When everything that has an end is over."""
    return datetime.now(UTC) + 30 * DAY


async def forget(folder: Path, begin: Callable[[], object]) -> Mapping[str, int]:
    """What the receipt of forgetting alice says."""
    async with Memory(url_at(folder)) as memory:
        team = desk(memory, "alice", corpus_at(folder))
        begin()
        return (await team.forget(Selector(user="alice"), principal=who("alice"))).erased


async def sweep(folder: Path, begin: Callable[[], object]) -> Mapping[str, int]:
    """What was over."""
    async with Memory(url_at(folder), retention=KEPT, clock=later) as memory:
        begin()
        return await memory.sweep()


def count(when: int) -> Callable[[], int]:
    """Die at this moment; gives how many there have been."""
    passed = 0

    def moment() -> None:
        nonlocal passed
        passed += 1
        if passed == when:
            os.kill(os.getpid(), signal.SIGKILL)

    for kind, names in MOMENTS:
        for name in names:
            setattr(kind, name, _between(getattr(kind, name), moment))
    return lambda: passed


def _between(work: Any, moment: Callable[[], None]) -> Any:
    if inspect.iscoroutinefunction(work):

        @functools.wraps(work)
        async def awaited(*args: Any) -> Any:
            moment()
            result = await work(*args)
            moment()
            return result

        return awaited

    @functools.wraps(work)
    def done(*args: Any, **more: Any) -> Any:
        moment()
        result = work(*args, **more)
        moment()
        return result

    return done


def drives(folder: Path, told: Any) -> None:
    """A process that drives a run of alice's, whose tool hangs until it is cancelled; tells what it heard."""

    async def drive() -> str:
        @tool(effect="read")
        async def look(what: str) -> str:
            """Look."""
            told.send("begun")
            await asyncio.get_running_loop().create_future()
            return mark("alice", "result")

        model = ScriptedChatModel([call("look", what=mark("alice", "argument")), mark("alice", "answer")])
        agents = [Specialist("operator", "Looks.", tools=[look])]
        memory = Memory(url_at(folder))
        async with memory, Supervisor("desk", agents, models=model, policy=yes, memory=memory) as team:
            asked = team.run(mark("alice", "request"), principal=who("alice"), plan=plan("alice"))
            try:
                return (await asked).state
            except NotFound:
                return "gone"

    told.send(asyncio.run(drive()))


def life(what: str, folder: Path, when: int, told: Any) -> None:
    """The whole life; tells when it begins, and if it gets there, what came of it and its moments."""
    passed: list[Callable[[], int]] = []

    def begin() -> None:
        passed.append(count(when))
        told.send("begun")

    work = {"forget": forget, "sweep": sweep}[what]
    told.send((asyncio.run(work(folder, begin)), passed[0]()))
