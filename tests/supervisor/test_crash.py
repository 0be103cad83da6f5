"""A process is killed at each commit and around the write; the next one ends the run as if nothing had been.

The ticket service is a process of its own and does not know our keys: a write that is sent twice is two
tickets. Children come from a fork server, so that they cost no start-up.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.patience import PROCESS_PATIENCE
from tests.supervisor import crash_child
from tests.supervisor.scene import alice, check_moves, history

from pilotman.supervisor import Run

SERVICE = [sys.executable, "-m", "pilotman.supervisor.teams.ticket_service", "--port", "0", "--no-dedupe"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    book = str(tmp_path_factory.mktemp("service") / "t.db")
    with subprocess.Popen([*SERVICE, "--db", book], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().rsplit(" ", 1)[1].strip()
        server.terminate()


@pytest.fixture(scope="module")
def children() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.supervisor.crash_child"])
    return context


class Scene:
    """One request in one journal; the tenant is its own, so that tickets can be told apart."""

    def __init__(self, folder: Path, service: str, children: Any) -> None:
        folder.mkdir()
        self.folder, self.service, self.children = folder, service, children

    def tell(self, **faults: int) -> None:
        httpx.post(f"{self.service}/control", json=faults).raise_for_status()

    def tickets(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(
            f"{self.service}/tickets", params={"tenant": self.folder.name}
        ).json()
        return found

    def live(self, when: str, *, approve: bool = False) -> int | None:
        """One life; its number of commits, or None: it was killed."""
        ours, theirs = self.children.Pipe()
        args = (self.folder, self.service, when, approve, theirs)
        process = self.children.Process(target=crash_child.life, args=args)
        process.start()
        theirs.close()
        process.join(PROCESS_PATIENCE)
        assert process.exitcode in (0, -9), (when, process.exitcode)
        commits: int | None = ours.recv() if process.exitcode == 0 else None
        ours.close()
        process.close()
        return commits

    async def end(self) -> Run:
        """The next process goes on to the end."""
        team = crash_child.desk(self.folder, self.service)
        run = await crash_child.drive(team, self.folder.name, approve=True)
        async with team:
            check_moves(run, await history(team, run))
            await self.check(run, len(await team.runs(principal=run.principal)))
        return run

    async def check(self, run: Run, runs: int) -> None:
        """It ended as if nothing had happened."""
        assert (run.state, run.outcome, runs) == ("COMPLETED", "answered", 1), run.last_error
        assert [(action.tool, action.status) for action in run.actions] == [("open_ticket", "applied")]
        assert len(run.approvals) == 1
        assert re.sub(r"T-\d+", "T-1", str(run.answer)) == await self.expected()
        assert [ticket["run_id"] for ticket in self.tickets()] == [run.run_id]
        assert run.usage.steps <= 8

    async def expected(self) -> str:
        whole = Path(self.folder.parent / "expected")
        if not whole.exists():
            whole.write_text("")
            calm = Scene(self.folder.parent / f"{self.folder.name}-calm", self.service, self.children)
            team = crash_child.desk(calm.folder, self.service)
            run = await crash_child.drive(team, calm.folder.name, approve=True)
            whole.write_text(re.sub(r"T-\d+", "T-1", str(run.answer)))
        return whole.read_text()


@pytest.mark.anyio
@pytest.mark.parametrize("when", ["before", "during", "after", "commit:3", "committed:5", "committed:9"])
async def test_killed_once(tmp_path: Path, service: str, children: Any, when: str) -> None:
    scene = Scene(tmp_path / when.replace(":", "-"), service, children)
    scene.tell(delay_ms=700 if when == "during" else 0)
    assert scene.live(when, approve=True) is None
    scene.tell(delay_ms=0)
    run = await scene.end()
    if when == "during":  # the service was slow, but not for ever: what it was sent first has arrived by now
        await asyncio.sleep(0.7)
        await scene.check(run, 1)


@pytest.mark.anyio
async def test_killed_while_parked_and_after_the_approval(
    tmp_path: Path, service: str, children: Any
) -> None:
    scene = Scene(tmp_path / "parked", service, children)
    assert scene.live("never") is not None, "this process ends while the run waits"
    team = crash_child.desk(scene.folder, service)
    async with team:  # another one takes the answer, and never resumes
        who = type(alice)(tenant="parked", user="bob")
        [asked] = await team.approvals(principal=who)
        await team.approve(asked.approval_id, principal=who)
    assert scene.live("commit:2", approve=True) is None
    assert scene.live("after", approve=True) is None
    await scene.end()


@pytest.mark.anyio
async def test_a_reply_that_is_dropped_after_the_commit(tmp_path: Path, service: str, children: Any) -> None:
    scene = Scene(tmp_path / "dropped", service, children)
    scene.tell(drop_replies=1)
    await scene.end()


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("place", ["commit", "committed"])
async def test_killed_at_each_commit(tmp_path: Path, service: str, children: Any, place: str) -> None:
    number, commits = 0, None
    while commits is None:
        number += 1
        scene = Scene(tmp_path / f"each-{place}-{number}", service, children)
        commits = scene.live(f"{place}:{number}", approve=True)
        await scene.end()
    assert number > 8


@pytest.mark.slow
@pytest.mark.anyio
@pytest.mark.parametrize("first", ["commit:4", "committed:7", "before", "after"])
async def test_killed_again_while_it_recovers(
    tmp_path: Path, service: str, children: Any, first: str
) -> None:
    number, commits = 0, None
    while commits is None:
        number += 1
        scene = Scene(tmp_path / f"{first.replace(':', '-')}-{number}", service, children)
        assert scene.live(first, approve=True) is None
        commits = scene.live(f"committed:{number}", approve=True)
        await scene.end()
