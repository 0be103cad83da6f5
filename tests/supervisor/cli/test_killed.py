"""``pilotman triage`` killed with SIGKILL and resumed ends as if nothing had happened: exactly one ticket.

The ticket service runs in another process and does not know our keys (``--no-dedupe``): a write that is sent
twice is two tickets. The killed processes come from a fork server, so that they cost no start-up.
"""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.patience import PROCESS_PATIENCE
from tests.supervisor.cli import killed_child

from pilotman.supervisor.teams.samples import sample_alert


class Service:
    """The ticket service and what it counted, and where the processes come from that are killed."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.children: Any = multiprocessing.get_context("forkserver")
        self.children.set_forkserver_preload([killed_child.__name__])

    def tell(self, **faults: int) -> None:
        httpx.post(f"{self.url}/control", json=faults).raise_for_status()

    def tickets(self, tenant: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{self.url}/tickets", params={"tenant": tenant}).json()
        return found


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    command = [sys.executable, "-m", "pilotman.supervisor.teams.ticket_service", "--port", "0", "--no-dedupe"]
    with subprocess.Popen(
        [*command, "--db", str(folder / "t.db")], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield Service(server.stdout.readline().rsplit(" ", 1)[1].strip())
        server.terminate()


class Scene:
    """One alert in one home; the tenant is its own, so that tickets can be told apart."""

    def __init__(self, folder: Path, service: Service) -> None:
        folder.mkdir()
        self.folder = folder
        self.tenant = folder.name
        self.service = service
        alert = folder / "alert.json"
        alert.write_text(json.dumps(sample_alert(host="web-1")))
        self._triage = ["triage", str(alert), "--tickets-url", service.url]

    def pilotman(self, when: str, *args: str) -> subprocess.CompletedProcess[str]:
        home = ["--home", str(self.folder / "home"), "--tenant", self.tenant, "--json"]
        process = self.service.children.Process(
            target=killed_child.life, args=(when, [*args, *home], self.folder)
        )
        process.start()
        process.join(PROCESS_PATIENCE)
        code = process.exitcode
        assert code is not None, "it hangs"
        process.close()
        written = [(self.folder / name).read_text() for name in (killed_child.OUTPUT, killed_child.ERRORS)]
        return subprocess.CompletedProcess(args, code, *written)

    def triage(self, when: str) -> subprocess.CompletedProcess[str]:
        return self.pilotman(when, *self._triage)

    def go_on(self) -> dict[str, Any]:
        """As a person would: resume the run that is there; if there is none, send the alert again."""
        runs = json.loads(self.pilotman("never", "runs").stdout)
        ended = self.pilotman("never", "resume", runs[0]["run_id"]) if runs else self.triage("never")
        run: dict[str, Any] = json.loads(ended.stdout)
        return run

    def check(self, run: dict[str, Any]) -> None:
        """It ended as if nothing had happened."""
        assert run["state"] == "ESCALATED", run["caveats"]
        status = {action["tool"]: action["status"] for action in run["actions"]}
        assert status == {"open_ticket": "applied", "restart_service": "waiting"}
        assert [t["run_id"] for t in self.service.tickets(self.tenant)] == [run["run_id"]]
        assert "T-" in run["answer"]
        assert run["citations"]


@pytest.mark.parametrize("when", ["before", "during", "after", "commit:20"])
def test_killed_around_the_write(tmp_path: Path, service: Service, when: str) -> None:
    scene = Scene(tmp_path / when.replace(":", "-"), service)
    service.tell(delay_ms=1_000 if when == "during" else 0)
    assert scene.triage(when).returncode == -9
    service.tell(delay_ms=0)
    scene.check(scene.go_on())


def test_a_reply_that_is_dropped_after_the_commit(tmp_path: Path, service: Service) -> None:
    scene = Scene(tmp_path / "dropped", service)
    service.tell(drop_replies=1)
    scene.check(json.loads(scene.triage("never").stdout))


@pytest.mark.slow
def test_killed_at_each_commit_of_the_journal(tmp_path: Path, service: Service) -> None:
    number, killed = 0, True
    while killed:
        number += 1
        scene = Scene(tmp_path / f"each-{number}", service)
        first = scene.triage(f"commit:{number}")
        killed = first.returncode == -9
        scene.check(scene.go_on() if killed else json.loads(first.stdout))
    assert number > 20


@pytest.mark.slow
def test_an_approved_run_killed_at_each_commit_restarts_once(tmp_path: Path, service: Service) -> None:
    number, killed = 0, True
    while killed:
        number += 1
        scene = Scene(tmp_path / f"approved-{number}", service)
        run = json.loads(scene.triage("never").stdout)
        [asked] = [a["approval_id"] for a in run["actions"] if "approval_id" in a]
        killed = scene.pilotman(f"commit:{number}", "approve", asked).returncode == -9
        runs = json.loads(scene.pilotman("never", "approvals").stdout)
        if runs:  # the answer was not stored: it is given again
            scene.pilotman("never", "approve", asked)
        ended = json.loads(scene.pilotman("never", "resume", run["run_id"]).stdout)
        assert ended["state"] == "COMPLETED", (number, ended["caveats"])
        assert {a["tool"]: a["status"] for a in ended["actions"]} in (
            {"open_ticket": "applied", "restart_service": "applied"},
            {"open_ticket": "applied", "restart_service": "unknown"},  # no look-up: a person is asked
        )
        assert len(scene.service.tickets(scene.tenant)) == 1
