"""A journal that was written as supervisors do, and somebody with SQL who has got at it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from pilotman.memory.audit.anchor import Anchor
from pilotman.memory.audit.anchor_store import AnchorStore
from pilotman.memory.audit.audit import Report, verify
from pilotman.memory.audit.block_check import heads_of
from pilotman.memory.audit.finding import Finding
from pilotman.memory.audit.keys import PublicKey
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.chain import EMPTY, HASHED, Block, chained, genesis
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import RunRow
from pilotman.memory.storage.database import database, parse

NOW = datetime(2026, 1, 2, tzinfo=UTC)
COLUMNS = [name for name in HASHED if name not in ("run_id", "seq")]


def event(key: str, **data: Any) -> NewEvent:
    facts = {"path": f"task:{key}", "tool": "look", "latency_ms": 1.5, "cost_nusd": 7, "status": "ok"}
    return NewEvent(kind="noted", actor="desk", data=facts | data, key=key, at=NOW)


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


async def fill(journal: Journal, runs: Sequence[str] = ("run_a", "run_b", "run_c"), rounds: int = 4) -> None:
    """Runs with ``1 + 3 * rounds`` events each, in turns; with bodies, one of them redacted."""
    for run_id in runs:
        await journal.create_run(run(run_id), events=[event("started")])
    for turn in range(rounds):
        for run_id in runs:
            body = journal.put_payload(run_id, f"{run_id} {turn}".encode())
            journal.append(run_id, [event(f"{turn}.0", result={"payload": body}), event(f"{turn}.1")])
            if turn % 2:
                await journal.flush()
            journal.append(run_id, [event(f"{turn}.2", text="ü" * turn)])
    await journal.flush()
    digest = journal.put_payload(runs[0], b"secret")
    await journal.flush()
    await journal.redact_payload(runs[0], digest, tenant="acme", reason="personal data", actor="alice")


class Kept:
    """An anchor store in memory."""

    name = "kept"

    def __init__(self, *lines: str) -> None:
        self.kept = list(lines)

    def append(self, line: str) -> None:
        self.kept.append(line)

    def lines(self) -> Iterator[str]:
        yield from self.kept


class Vault:
    """A journal at a URL, closed."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def connected(self) -> Generator[Connection]:
        """Somebody else's connection: it knows nothing of foreign keys on SQLite."""
        engine = create_engine(parse(self.url), poolclass=NullPool)
        with engine.begin() as connection:
            yield connection

    def execute(self, sql: str, **values: Any) -> None:
        with self.connected() as connection:
            for statement in sql.split(";"):
                names = [name for name in values if f":{name}" in statement]
                connection.execute(text(statement), {name: values[name] for name in names})

    def rows(self, sql: str, **values: Any) -> list[Any]:
        with self.connected() as connection:
            return [tuple(row) for row in connection.execute(text(sql), values)]

    def value(self, sql: str, **values: Any) -> Any:
        return self.rows(sql, **values)[0][0]

    @property
    def runs(self) -> list[str]:
        return [run_id for (run_id,) in self.rows("SELECT run_id FROM runs ORDER BY run_id")]

    def last(self, run_id: str) -> int:
        return int(self.value("SELECT max(seq) FROM events WHERE run_id = :run", run=run_id))

    def blocks(self) -> list[Block]:
        return [
            Block(*row)
            for row in self.rows(
                "SELECT number, heads, events, runs, previous, hash FROM blocks ORDER BY number"
            )
        ]

    def anchor(self) -> str:
        return Anchor.of(self.blocks()[-1], at=NOW, key=None).to_json()

    # what somebody does to a run

    def edit(self, run_id: str, seq: int, column: str, value: Any) -> Self:
        where = "WHERE run_id = :run AND seq = :seq"
        self.execute(f"UPDATE events SET {column} = :value {where}", run=run_id, seq=seq, value=value)
        return self

    def drop(self, run_id: str, first: int, last: int) -> Self:
        where = "WHERE run_id = :run AND seq BETWEEN :first AND :last"
        self.execute(f"DELETE FROM events {where}", run=run_id, first=first, last=last)
        return self

    def shift(self, run_id: str, first: int, by: int) -> Self:
        """Give the events from ``first`` on other numbers; by way of negative ones, for each is unique."""
        self.execute(
            "UPDATE events SET seq = -seq WHERE run_id = :run AND seq >= :first;"
            "UPDATE events SET seq = -seq + :by WHERE run_id = :run AND seq < 0",
            run=run_id,
            first=first,
            by=by,
        )
        return self

    def insert(self, run_id: str, seq: int) -> Self:
        """Put a copy of another event in."""
        others = ", ".join(name for name in COLUMNS if name != "key")
        self.execute(
            f"INSERT INTO events (run_id, seq, key, hash, {others})"
            f" SELECT run_id, :seq, 'new', hash, {others} FROM events WHERE run_id = :run AND key = '1.1'",
            run=run_id,
            seq=seq,
        )
        return self

    def swap(self, run_id: str, one: int, other: int) -> Self:
        for old, new in ((one, -1), (other, one), (-1, other)):
            self.execute(
                "UPDATE events SET seq = :new WHERE run_id = :run AND seq = :old",
                run=run_id,
                old=old,
                new=new,
            )
        return self

    def drop_run(self, run_id: str) -> None:
        for table in ("events", "payloads", "runs"):
            self.execute(f"DELETE FROM {table} WHERE run_id = :run", run=run_id)

    def swap_blocks(self, one: int, other: int) -> None:
        for old, new in ((one, -1), (other, one), (-1, other)):
            self.execute("UPDATE blocks SET number = :new WHERE number = :old", old=old, new=new)

    def rehash(self, run_id: str, first: int, last: int) -> Self:
        """Forge the hashes of events ``first`` to ``last``, as one can who has read how they are made."""
        where = "FROM events WHERE run_id = :run AND seq = :seq"
        before = self.rows(f"SELECT hash {where}", run=run_id, seq=first - 1)
        previous = before[0][0] if before else genesis(run_id, "acme")
        for seq in range(first, last + 1):
            (row,) = self.rows(f"SELECT {', '.join(HASHED)} {where}", run=run_id, seq=seq)
            plain = [*(str(value) if isinstance(value, bytes) else value for value in row[:-1]), row[-1]]
            previous = chained(previous, plain)
            self.edit(run_id, seq, "hash", previous)
        return self

    def reseal(self) -> None:
        """Forge all blocks, so that they say what the events say now."""
        last = EMPTY
        for block in self.blocks():
            where = "FROM events WHERE run_id = :run AND seq = :seq"
            last = last.follow(
                head._replace(hash=self.value(f"SELECT hash {where}", run=head.run_id, seq=head.seq))
                for head in heads_of(block)
            )
            self.execute(
                "UPDATE blocks SET heads = :heads, previous = :previous, hash = :hash WHERE number = :number",
                **{name: getattr(last, name) for name in ("heads", "previous", "hash", "number")},
            )

    # what is found

    def report(self, *stores: AnchorStore, key: PublicKey | None = None) -> Report:
        return verify(database(self.url, busy_timeout=5), stores, key=key)


def said(report: Report) -> list[tuple[Any, ...]]:
    """The findings in short."""
    return [(f.kind, f.what, f.run_id, f.first, f.last) for f in report.findings]


def names(finding: Finding, run_id: str, seq: int) -> bool:
    """Whether a finding names this event."""
    if finding.run_id != run_id:
        return False
    if finding.what == "run":
        return True
    return finding.first is not None and (finding.since or finding.first) <= seq <= (finding.last or 0)


def copied(path: Path, to: Path) -> Vault:
    """A copy of a journal's file that is closed."""
    to.write_bytes(path.read_bytes())
    return Vault(f"sqlite:///{to}")
