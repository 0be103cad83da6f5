"""``pilotman worker`` and ``pilotman queue``, as processes of their own on one journal."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PROCESS_PATIENCE
from tests.supervisor.cli.worker_team import PLAN, desk
from typer.testing import CliRunner

from pilotman.guardrails import Principal
from pilotman.supervisor import Run, Supervisor
from pilotman.supervisor.cli.app import app

ROOT = Path(__file__).parents[3]
TEAM = "tests.supervisor.cli.worker_team:team"
alice = Principal(tenant="default", user="alice")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(tmp_path: Path, shared_url: str) -> Iterator[Start]:
    """Starts workers, and leaves none behind."""
    begun: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        program = "from pilotman.supervisor.cli.app import main; main()"
        env = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
        env |= {"DESK": str(tmp_path), "DESK_URL": shared_url}
        command = [sys.executable, "-c", program, "worker", TEAM, *options]
        begun.append(subprocess.Popen(command, cwd=ROOT, env=env, stderr=subprocess.PIPE, text=True))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


async def until(true: Callable[[], Any]) -> None:
    """Wait for processes, which have to be loaded first."""
    async with asyncio.timeout(PROCESS_PATIENCE):
        while not await asyncio.to_thread(true):
            await asyncio.sleep(0.05)


async def stopped(process: subprocess.Popen[str], number: int) -> None:
    process.send_signal(number)
    _, told = await asyncio.to_thread(process.communicate, timeout=PROCESS_PATIENCE)
    assert process.returncode == 0, told


def called(folder: Path) -> list[str]:
    """Who called the tool, by process."""
    log = folder / "log"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


async def submitted(team: Supervisor, number: int) -> list[Run]:
    return [await team.submit("web-1", principal=alice, plan=PLAN) for _ in range(number)]


@pytest.mark.anyio
async def test_two_workers_share_a_queue_and_never_a_run(
    tmp_path: Path,
    shared_url: str,
    start: Start,
) -> None:
    async with desk(tmp_path, shared_url) as team:
        runs = await submitted(team, 12)
        workers = [start("--concurrency", "1") for _ in range(2)]
        await until(lambda: len(called(tmp_path)) == 2)
        assert set(called(tmp_path)) == {str(worker.pid) for worker in workers}
        (tmp_path / "go").touch()
        done = [await finished(team, run) for run in runs]
        assert {run.state for run in done} == {"COMPLETED"}
        assert len(called(tmp_path)) == 12
        events = [e for run in done async for e in team.events(run.run_id, principal=alice)]
        assert "run_resumed" not in {e.kind for e in events}, "nobody took over what another drove"
    await asyncio.gather(*(stopped(worker, signal.SIGTERM) for worker in workers))


async def finished(team: Supervisor, run: Run) -> Run:
    async with asyncio.timeout(PROCESS_PATIENCE):
        while not (run := await team.get(run.run_id, principal=alice)).ended:
            await asyncio.sleep(0.05)
    return run


@pytest.mark.anyio
async def test_what_does_not_stop_in_time_is_left_to_others_at_once(
    tmp_path: Path,
    shared_url: str,
    start: Start,
) -> None:
    async with desk(tmp_path, shared_url) as team:
        [run] = await submitted(team, 1)
        worker = start("--drain", "0")
        await until(lambda: called(tmp_path))
        await stopped(worker, signal.SIGTERM)
        assert [r.run_id for r in await team.queue(principal=alice)] == [run.run_id], "it is nobody's"
    (tmp_path / "go").touch()
    async with desk(tmp_path, shared_url, max_runs=1) as team:
        done = await finished(team, run)
    assert done.state == "COMPLETED"
    assert called(tmp_path) == [str(worker.pid), str(os.getpid())]


@pytest.mark.anyio
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_who_is_told_to_stop_ends_what_it_has_begun_and_takes_nothing_more(
    tmp_path: Path,
    shared_url: str,
    start: Start,
    number: int,
) -> None:
    async with desk(tmp_path, shared_url) as team:
        first, second = await submitted(team, 2)
        worker = start("--concurrency", "1", "--drain", "120")
        await until(lambda: called(tmp_path))
        worker.send_signal(number)
        (tmp_path / "go").touch()
        _, told = await asyncio.to_thread(worker.communicate, timeout=PROCESS_PATIENCE)
        assert (worker.returncode, "no longer working" in told) == (0, True), told
        states = [(await team.get(run.run_id, principal=alice)).state for run in (first, second)]
    assert states == ["COMPLETED", "RECEIVED"]


def said(monkeypatch: pytest.MonkeyPatch, folder: Path, *words: str) -> tuple[int, str]:
    monkeypatch.setenv("DESK", str(folder))
    monkeypatch.setenv("DESK_URL", f"sqlite:///{folder}/j.db")
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output if done.exception is None else repr(done.exception)


def test_the_queue_is_listed_for_its_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fill() -> list[Run]:
        async with desk(tmp_path, f"sqlite:///{tmp_path}/j.db") as team:
            return await submitted(team, 2)

    runs = asyncio.run(fill())
    code, told = said(monkeypatch, tmp_path, "queue", "list", TEAM, "--json")
    assert code == 0
    assert [row["run_id"] for row in json.loads(told)] == [run.run_id for run in runs]
    assert said(monkeypatch, tmp_path, "queue", "list", TEAM, "--tenant", "other") == (0, "no runs\n")
    assert said(monkeypatch, tmp_path, "queue", "dead", TEAM) == (0, "no runs\n")
    again = said(monkeypatch, tmp_path, "queue", "resend", TEAM, runs[0].run_id)[1]
    assert "is RECEIVED, not FAILED" in again


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("json:dumps", "makes no team"),
        ("json:JSONDecoder", "is no Supervisor"),
        ("tests.supervisor.cli.worker_team:broken", "makes no team"),
        ("tests.supervisor.cli.worker_team:nobody", "cannot be imported"),
        ("pilotman.supervisor.teams:support_team", "keeps its runs in memory"),
    ],
)
def test_what_is_no_team_for_a_worker_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, told: str
) -> None:
    for command in (["worker", name], ["queue", "list", name]):
        assert told in said(monkeypatch, tmp_path, *command)[1]
