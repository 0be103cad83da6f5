"""What blocks say of runs, sorted by run: in a temporary file, for a journal may have millions of blocks."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

from pilotman.memory.audit.run_check import Segment
from pilotman.memory.journal.chain import Head


class Span(NamedTuple):
    """Events ``first`` to ``last`` of a run."""

    run_id: str
    first: int
    last: int


class Segments:
    """A scratch database that is gone when it is closed."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")  # the empty name: in memory as long as it is small, then in a file
        self._db.execute("CREATE TABLE heads (run_id, block, first, seq, hash)")
        self._db.execute("CREATE INDEX by_run ON heads (run_id, seq)")
        self._db.execute("CREATE TABLE seen (run_id PRIMARY KEY) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, block: int | None, heads: Iterable[Head]) -> None:
        """What a block says; None: what lies unsealed."""
        rows = [(head.run_id, block, head.first, head.seq, head.hash) for head in heads]
        self._db.executemany("INSERT INTO heads VALUES (?, ?, ?, ?, ?)", rows)

    def discredit(self, blocks: Iterable[int]) -> None:
        """Take back the hashes that these blocks gave."""
        self._db.execute("CREATE INDEX IF NOT EXISTS by_block ON heads (block)")
        self._db.executemany("UPDATE heads SET hash = NULL WHERE block = ?", ((block,) for block in blocks))

    def of(self, run_id: str) -> Iterator[Segment]:
        """A run's segments in order; one without hash only if it goes on where the last one ends."""
        self._db.execute("INSERT OR IGNORE INTO seen VALUES (?)", (run_id,))
        last = 0
        wanted = "SELECT first, seq, hash FROM heads WHERE run_id = ? ORDER BY seq"
        for first, seq, hash_ in self._db.execute(wanted, (run_id,)):
            if hash_ is not None or first == last + 1:
                last = seq
                yield Segment(first, seq, hash_)

    def unseen(self) -> Iterator[str]:
        """Runs for which nobody asked."""
        rest = "SELECT DISTINCT run_id FROM heads WHERE run_id NOT IN (SELECT run_id FROM seen)"
        yield from (run_id for (run_id,) in self._db.execute(rest).fetchall())

    def after(self, block: int, *, limit: int) -> tuple[int, int, list[Span]]:
        """What came after a block: how many events, of how many runs, and the first of them."""
        later = "FROM heads WHERE block IS NULL OR block > ?"
        totals = f"SELECT coalesce(sum(seq - first + 1), 0), count(DISTINCT run_id) {later}"
        events, runs = self._db.execute(totals, (block,)).fetchone()
        spans = f"SELECT run_id, min(first), max(seq) {later} GROUP BY run_id ORDER BY min(rowid) LIMIT ?"
        return events, runs, [Span(*row) for row in self._db.execute(spans, (block, limit))]
