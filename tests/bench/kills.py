"""SIGKILL at every commit of the journal and around the write, over and over; then the next process goes on.

The ticket server is a process of its own that knows no keys: what is sent twice is two tickets. A run is
killed one to three times, at places drawn by chance, some replies are dropped after the server has committed;
then it is driven to its end, and the server's tickets are compared with what the record says. ``--control``
has a tool without a look-up whose author says, wrongly, that the server knows its keys: doubles must show.

    python tests/bench/kills.py [KILLS] [--control] [--seed N]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table
from tests.supervisor import crash_child

from pilotman.supervisor import Run

SERVICE = [sys.executable, "-m", "pilotman.supervisor.teams.ticket_service", "--port", "0", "--no-dedupe"]
COMMITS = 14
"""Places drawn are at most so far into a run; one that ends before was not killed there."""


class Killer:
    """Starts lives of processes and counts how they ended."""

    def __init__(self, folder: Path, service: str, *, seed: int, control: bool) -> None:
        self._folder, self._service, self._control = folder, service, control
        self._chance = random.Random(seed)
        self._children = multiprocessing.get_context("forkserver")
        self._children.set_forkserver_preload(["tests.supervisor.crash_child"])
        self.count: Counter[str] = Counter()

    def _place(self) -> str:
        drawn = self._chance.random()
        if drawn < 0.35:
            return self._chance.choice(["before", "during", "after"])
        at = "commit" if drawn < 0.65 else "committed"
        return f"{at}:{self._chance.randint(1, COMMITS)}"

    def one(self) -> None:
        """One run: killed, killed again perhaps, and driven to its end."""
        self.count["runs"] += 1
        tenant = f"run-{self.count['runs']}"
        folder = self._folder / tenant
        folder.mkdir()
        for _ in range(self._chance.randint(1, 3)):
            self._tell(drop_replies=int(self._chance.random() < 0.15))
            if self._life(folder, self._place()):
                break
        self._tell(drop_replies=0)
        self._compare(tenant, asyncio.run(self._end(folder)))

    def _life(self, folder: Path, when: str) -> bool:
        """Whether the life came to its end: nothing is left to be killed."""
        self._tell(delay_ms=400 if when == "during" else 0)
        ours, theirs = self._children.Pipe()
        args = (folder, self._service, when, True, theirs, not self._control)
        process = self._children.Process(target=crash_child.life, args=args)
        process.start()
        theirs.close()
        process.join()
        killed = process.exitcode == -9
        self.count["kills" if killed else "lives that ended"] += 1
        self.count[f"killed {when.partition(':')[0]}"] += killed
        ours.close()
        process.close()
        self._tell(delay_ms=0)
        return not killed

    async def _end(self, folder: Path) -> Run:
        team = crash_child.desk(folder, self._service, look_up=not self._control)
        run = await crash_child.drive(team, folder.name, approve=True)
        await asyncio.sleep(0.4 if self._control else 0.0)  # what was sent first may still be under way
        return run

    def _compare(self, tenant: str, run: Run) -> None:
        found: list[dict[str, Any]] = httpx.get(f"{self._service}/tickets", params={"tenant": tenant}).json()
        said = [action.status for action in run.actions if action.tool == "open_ticket"]
        self.count["runs lost"] += run.state != "COMPLETED"
        self.count["effects twice"] += len(found) > 1
        self.count["effects missing that the record has"] += "applied" in said and not found
        self.count["effects that the record has not"] += bool(found) and "applied" not in said
        self.count["outcomes unknown"] += "unknown" in said

    def _tell(self, **faults: int) -> None:
        httpx.post(f"{self._service}/control", json=faults).raise_for_status()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kills", nargs="?", type=int, default=1_000)
    parser.add_argument("--control", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        book = f"{folder}/tickets.db"
        with subprocess.Popen(
            [*SERVICE, "--db", book], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as server:
            assert server.stdout is not None
            url = server.stdout.readline().rsplit(" ", 1)[1].strip()
            killer = Killer(Path(folder), url, seed=wanted.seed, control=wanted.control)
            while killer.count["kills"] < wanted.kills:
                killer.one()
            server.terminate()
    table = Table(title="control: no look-up" if wanted.control else "the tool has a look-up")
    table.add_column("what")
    table.add_column("count", justify="right")
    for what, count in killer.count.items():
        table.add_row(what, str(count))
    Console().print(table)


if __name__ == "__main__":
    main()
