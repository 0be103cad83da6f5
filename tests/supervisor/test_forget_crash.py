"""A process is killed while it forgets, or sweeps: the next one goes on to the end, and nothing is left."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PROCESS_PATIENCE, until
from tests.supervisor import forget_child
from tests.supervisor.forget_child import KEPT, later, url_at
from tests.supervisor.remains import corpus_at, desk, leaves, left, mark, marks, olga, vectors, who

from pilotman.guardrails.seal import Subject
from pilotman.memory import Memory, Selector
from pilotman.memory.forgetting.receipt import digest_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SHARED = mark("olga", "shared")


@pytest.fixture(scope="module")
def children() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.supervisor.forget_child"])
    return context


@dataclass
class Life:
    """What came of a process: whether it was killed, what it told, and how many moments it had."""

    killed: bool
    told: Mapping[str, int]
    moments: int


def plain(told: Mapping[str, int]) -> dict[str, int]:
    """What was erased, however the corpus's folder is called."""
    return {name.partition("-")[0]: number for name, number in told.items()}


class Home:
    """A home with all that alice and bob have, to be copied for each life."""

    def __init__(self, folder: Path, children: Any) -> None:
        self.folder, self.children = folder, children
        self.secrets: list[str | bytes] = []

    async def fill(self) -> None:
        folder = self.folder / "home"
        folder.mkdir()
        async with Memory(url_at(folder), retention=KEPT) as memory:
            corpus = corpus_at(folder)
            async with desk(memory, "alice", corpus):
                for user in ("alice", "bob"):
                    await leaves(memory, corpus, user)
                self.secrets = [*marks("alice"), *vectors(corpus, "alice")]
            one = await memory.remember(SHARED, principal=olga, source="wiki", reason="asked", shared=True)
            await memory.why(one.fact_id, principal=olga)  # the graph has it then, in clear
        assert left([folder], [SHARED])

    def copy(self, name: object) -> Path:
        folder = self.folder / str(name)
        shutil.copytree(self.folder / "home", folder)
        return folder

    def live(self, what: str, folder: Path, when: int, *, killed_after: float | None = None) -> Life:
        """``killed_after``: so many seconds after it has begun, instead."""
        ours, theirs = self.children.Pipe()
        process = self.children.Process(target=forget_child.life, args=(what, folder, when, theirs))
        process.start()
        theirs.close()
        assert ours.recv() == "begun"
        if killed_after is not None:
            time.sleep(killed_after)
            process.kill()
        process.join(PROCESS_PATIENCE)
        assert process.exitcode in (0, -9), (when, process.exitcode)
        killed = process.exitcode == -9
        nothing: tuple[dict[str, int], int] = ({}, 0)
        told, moments = nothing if killed else ours.recv()
        ours.close()
        process.close()
        return Life(killed, plain(told), moments)


def some(moments: int) -> list[int]:
    """Of all moments; the last ones may not come: what tells the graph commits when it likes."""
    return sorted(random.Random(7).sample(range(1, moments), min(moments - 1, 40)))


@pytest.fixture
async def home(tmp_path: Path, children: Any) -> Home:
    made = Home(tmp_path, children)
    await made.fill()
    return made


async def _is_forgotten(home: Home, folder: Path, whole: Mapping[str, int]) -> None:
    """The next process that opens a team ends what was begun, if it was, and counts as if nothing was."""
    async with Memory(url_at(folder)) as memory:
        corpus = corpus_at(folder)
        async with desk(memory, "alice", corpus) as team:

            async def done() -> bool:
                return all(one.is_complete for one in await memory.receipts(principal=olga))

            begun = await memory.receipts(principal=olga)
            await until(done)
            if not begun:  # it was not even noted: nothing was erased either
                await team.forget(Selector(user="alice"), principal=who("alice"))
            (receipt,) = await memory.receipts(principal=olga)
            told = await memory.archive.marks(receipt.receipt_id, tenant="acme")
            assert (plain(receipt.erased), receipt.held) == (whole, {})
            assert receipt.digest == digest_of(told)
            assert memory.seal.keys is not None
            assert memory.seal.keys.find(Subject("acme", "alice")) is None
            assert not left([folder], home.secrets), "write-ahead logs included"
            assert {run.user for run in await memory.journal.runs(tenant="acme")} == {"bob"}
            assert len(await memory.recall(principal=who("bob"))) == 3
            snapshot = await corpus.search("in which drawer does it lie", principal=who("bob"))
            assert mark("bob", "document") in str(snapshot.documents)
        assert (await memory.verify()).sound
    assert not left([folder], home.secrets)


async def _is_swept(folder: Path, whole: Mapping[str, int]) -> None:
    async with Memory(url_at(folder), retention=KEPT, clock=later) as memory:
        await memory.sweep()
        assert not left([folder], [SHARED]), "write-ahead logs included"
        assert dict(await memory.sweep()) == dict.fromkeys(whole, 0)
        rows = await memory.journal.runs(tenant="acme")
        assert [(row.user, row.state) for row in rows] == [("bob", "ESCALATED"), ("alice", "ESCALATED")]
        for user in ("alice", "bob"):
            assert await memory.recall(principal=who(user)) == []
        graph = await memory.provenance.graph()
        assert SHARED not in str(await graph.count())
        assert (await memory.verify()).sound
    assert not left([folder], [SHARED])


async def test_killed_at_any_moment_forgetting_is_gone_on_with_and_nothing_is_left(home: Home) -> None:
    whole = home.live("forget", home.copy("whole"), 0)
    assert not whole.killed
    assert whole.told.keys() == {"runs", "facts", "items", "graphs", "corpus", "provenance", "keys"}
    await _is_forgotten(home, home.folder / "whole", whole.told)
    for when in some(whole.moments):
        folder = home.copy(when)
        home.live("forget", folder, when)
        await _is_forgotten(home, folder, whole.told)
        shutil.rmtree(folder)


async def test_killed_at_any_time_it_is_as_well(home: Home) -> None:
    dice = random.Random(7)
    whole = home.live("forget", home.copy("whole"), 0)
    for number in range(12):
        folder = home.copy(number)
        home.live("forget", folder, 0, killed_after=dice.uniform(0, 0.5))
        await _is_forgotten(home, folder, whole.told)
        shutil.rmtree(folder)


async def test_killed_at_any_moment_a_sweep_is_gone_on_with_and_nothing_is_left(home: Home) -> None:
    whole = home.live("sweep", home.copy("whole"), 0)
    assert whole.told == {"runs": 2, "facts": 7, "items": 4}
    for when in some(whole.moments):
        folder = home.copy(when)
        home.live("sweep", folder, when)
        await _is_swept(folder, whole.told)
        shutil.rmtree(folder)
