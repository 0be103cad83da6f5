"""What the chain costs where events are appended, and how fast and in how much memory a journal is audited.

Appending is measured as CPU time of the database thread for a transaction of so many events, and for the same
transaction without its block. Auditing is measured on a journal of EVENTS events in runs of fifty.

    python tests/bench/audit.py [EVENTS]
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pilotman.memory.audit.audit import verify
from pilotman.memory.event import NewEvent
from pilotman.memory.journal import blocks, events, runs
from pilotman.memory.journal.chain import Tail
from pilotman.memory.journal.records import RunRow
from pilotman.memory.storage.database import Database, database

NOW = datetime(2026, 1, 2, tzinfo=UTC)
DATA = {
    "path": "task:operator/turn:3/call:0",
    "digest": "fc29b2bbef0522a3a25733e00d4a82edd953f3145e848b2c45860885a79d37d4",
    "tool": "open_ticket",
    "latency_ms": 3.839,
    "text": "as many words as a report has " * 10,
}


def run(run_id: str) -> RunRow:
    return RunRow(
        run_id=run_id,
        tenant="acme",
        user="alice",
        principal={},
        supervisor="desk",
        thread_id=run_id,
        request={},
        state="RECEIVED",
        created_at=NOW,
        updated_at=NOW,
        budget={},
        versions={},
    )


def note(number: int) -> NewEvent:
    return NewEvent(kind="noted", actor="desk", data=DATA, key=f"{number}", at=NOW)


def append(store: Database, run_id: str, first: int, count: int, *, sealed: bool = True) -> float:
    """One transaction; CPU seconds of this thread."""
    noted = [note(number) for number in range(first, first + count)]
    started = time.thread_time()
    with store.transaction("write") as connection:
        tails: dict[str, Tail] = {}
        connection.info[events.TAILS] = tails
        events.append(connection, [events.prepare(run_id, event) for event in noted])
        if sealed:
            blocks.seal(connection, tails)
    return time.thread_time() - started


def appending(store: Database, rounds: int = 400) -> Iterator[tuple[str, ...]]:
    """Rows of a table: events a transaction, microseconds with and without a block. The tenth percentile:
    other processes only ever add."""
    for count in (1, 5, 20):
        spent: dict[bool, list[float]] = {True: [], False: []}
        for sealed in spent:
            with store.transaction("write") as connection:
                runs.create(connection, run(f"run_{count}_{sealed}"), queued=True)
        for turn in range(rounds):
            for sealed, times in spent.items():
                times.append(append(store, f"run_{count}_{sealed}", turn * count, count, sealed=sealed))
        fast = {sealed: sorted(times)[rounds // 10] * 1e6 for sealed, times in spent.items()}
        yield f"{count}", f"{fast[True]:.0f}", f"{fast[False]:.0f}", f"{fast[True] / fast[False]:.2f}"


def audited(path: Path, wanted: int) -> str:
    """Fill a journal and audit it."""
    store = database(f"sqlite:///{path}", busy_timeout=5)
    store.open()
    with closing(store):
        for number in range(wanted // 50):
            with store.transaction("write") as connection:
                runs.create(connection, run(f"run_{number}"), queued=True)
            for first in range(0, 50, 5):
                append(store, f"run_{number}", first, 5)
    before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    report = verify(store)
    spent, after = time.process_time() - started, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert report.sound
    size = f"{report.events} events in {report.blocks} blocks, {path.stat().st_size / 2**20:.0f} MiB"
    each = f"{spent:.1f} s of CPU, {spent / report.events * 1e6:.0f} µs an event"
    return f"{size}: audited in {each}, {(after - before) / 1024:.0f} MiB more memory"


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    table = Table(title="appending, CPU of one transaction")
    for column in ("events", "µs with its block", "µs without", "x"):
        table.add_column(column, justify="right")
    store = database("sqlite://", busy_timeout=5)
    store.open()
    with closing(store):
        for row in appending(store):
            table.add_row(*row)
    Console().print(table)
    with tempfile.TemporaryDirectory() as folder:
        Console().print(audited(Path(folder) / "journal.db", wanted))


if __name__ == "__main__":
    main()
