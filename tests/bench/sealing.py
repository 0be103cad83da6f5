"""What encryption costs: a governed run on a file with and without keys, and one value of some sizes.

The rounds of both runs are interleaved. Without keys content is packed all the same, it is not encrypted.

    python -m tests.bench.sealing [ROUNDS]
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.bench.overhead import ME, TURNS, WARM_UP

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel
from pilotman.guardrails import Decision
from pilotman.guardrails.seal import Seal, Subject
from pilotman.memory import Memory
from pilotman.memory.keyring.folder import FolderKeys
from pilotman.memory.keyring.master import Master
from pilotman.supervisor import Supervisor

ROUNDS = 40
VALUES = 2_000
SUBJECT = Subject(ME.tenant, ME.user)


@tool(effect="read")
async def disk_usage(host: str) -> str:
    """Free space of a host."""
    return "97% used, disk full"


@tool(effect="write")
async def open_ticket(title: str, host: str) -> str:
    """Open a ticket."""
    return "OPS-1"


class Plain(Memory):
    """A memory whose journal has no keys."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        vars(self._journal)["_seal"] = Seal()


async def run(memory: Memory) -> tuple[float, float]:
    """Seconds of one run: processor time of this process, and by the clock."""
    team = Supervisor(
        "bench",
        [
            Specialist("diagnostician", "Looks.", tools=[disk_usage]),
            Specialist("operator", "Opens tickets.", tools=[open_ticket]),
        ],
        models=ScriptedChatModel(TURNS),
        policy=lambda _: Decision.allow(),
        memory=memory,
    )
    gc.collect()
    began, since = time.process_time(), time.perf_counter()
    done = await team.run("web-1: disk full, open a ticket", principal=ME)
    spent = time.process_time() - began, time.perf_counter() - since
    assert done.state == "COMPLETED", done.last_error
    await team.aclose()
    return spent


async def runs(folder: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """What each round took, by variant."""
    spent: dict[str, list[tuple[float, float]]] = {"packed": [], "sealed": []}
    async with (
        Plain(f"sqlite:///{folder / 'packed.db'}") as packed,
        Memory(f"sqlite:///{folder / 'sealed.db'}") as sealed,
    ):
        for number in range(rounds + WARM_UP):
            for name, memory in (("packed", packed), ("sealed", sealed)):
                took = await run(memory)
                if number >= WARM_UP:
                    spent[name].append(took)
    return spent


def per_value(work: Callable[[], object]) -> float:
    """Microseconds."""
    work()
    since = time.perf_counter()
    for _ in range(VALUES):
        work()
    return (time.perf_counter() - since) / VALUES * 1e6


def values(folder: Path) -> Table:
    """What one value costs: hexadecimal digits, of which half packs away."""
    table = Table(title="One value, µs")
    for column in ("bytes", "packed", "opened", "sealed", "opened with a key"):
        table.add_column(column, justify="right")
    packing = Seal()
    sealing = Seal(FolderKeys(folder / "keys", Master(os.urandom(32))))
    for size in (100, 1_000, 10_000, 100_000):
        value = os.urandom(size // 2).hex().encode()
        costs: list[float] = []
        for seal in (packing, sealing):
            stored = seal.seal(SUBJECT, value)
            costs += [
                per_value(lambda s=seal, v=value: s.seal(SUBJECT, v)),  # type: ignore[misc]
                per_value(lambda s=seal, v=stored: s.open(SUBJECT, v)),  # type: ignore[misc]
            ]
        table.add_row(f"{size:,}", *(f"{cost:.1f}" for cost in costs))
    return table


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spent = asyncio.run(runs(folder, rounds))
        table = Table(title=f"A governed run on SQLite, medians of {rounds}")
        for column in ("journal", "CPU ms", "ratio", "clock ms", "ratio"):
            table.add_column(column, justify="left" if column == "journal" else "right")
        cpu, clock = [statistics.median(times) for times in zip(*spent["packed"], strict=True)]
        for variant, took in spent.items():
            c, t = (statistics.median(times) for times in zip(*took, strict=True))
            table.add_row(variant, f"{c * 1e3:.1f}", f"{c / cpu:.2f}", f"{t * 1e3:.1f}", f"{t / clock:.2f}")
        Console().print(table)
        Console().print(values(folder))


if __name__ == "__main__":
    main()
