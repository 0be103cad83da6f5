"""What is stored, and who may find it: the truth that the vectors follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import orjson

from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.catalogue.database import Database
from pilotman.retrieval.catalogue.entry import COLUMNS, PUBLIC, Record, is_text
from pilotman.retrieval.catalogue.filtering import Filtering
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.catalogue.visibility import Visibility
from pilotman.retrieval.vectors.allowed import Allowed

Filter: TypeAlias = Mapping[str, Any] | Callable[[Record], bool]

_AT_ONCE = 50_000
"""Changes that are taken in at a time."""
_LAST_ROW = 2**62


class Catalogue:
    """Chunks by row, in SQLite under ``folder`` or in memory, for any number of threads and processes.

    Each look into it first follows what others have committed: a deletion by anybody holds for the very
    next query. Times are seconds since 1970. With ``drop_stale`` nothing is found that is past its expiry.

    Raises:
        CorruptIndex: the file is damaged, another program's, or of a newer version; it was left untouched.
        Unavailable: it cannot be opened.
    """

    def __init__(
        self, folder: Path | None, *, drop_stale: bool = True, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = Database(folder)
        self._clock = clock
        self._visibility = Visibility(drop_stale=drop_stale)
        self._filtering = Filtering(self._metadata, self._read)
        self._drop_stale = drop_stale
        self._token: tuple[int, int] | None = None
        self._state = 0
        self._seq = 0
        self._permission_seq = 0

    @property
    def permission_epoch(self) -> int:
        """The number of the last change of who may read what."""
        self.follow()
        return self._permission_seq

    def follow(self) -> int:
        """Take in what was committed since the last look, by anybody, and what has expired.

        Returns the number of the state that is known: another one whenever anything was committed.
        """
        with self._database.lock:
            token = self._database.token()
            if token != self._token:
                self._take_in()
                self._token = token
                self._state += 1
            self._visibility.expire(self._clock())
            return self._state

    def allowed(self, sight: Sight, filter: Filter | None = None) -> Allowed:
        """The rows that may be found, as of the last ``follow``.

        Raises:
            InvalidRequest: the filter cannot be understood.
        """
        with self._database.lock:
            allowed = self._visibility.allowed(sight.tags, self._clock())
        if filter is None:
            return allowed
        if callable(filter):
            return Allowed(self._filtering.meeting(filter, allowed))
        return self._filtering.narrowed(allowed, filter, lambda: self._visibility.size)

    def records(self, rows: Sequence[int], sight: Sight) -> dict[int, Record]:
        """What stands at the rows and may be read, now: this statement is what decides."""
        now = self._clock()
        found = self._read(rows)
        return {record.row: record for record in found if self._readable(record, sight, now)}

    def by_ids(self, ids: Sequence[str], sight: Sight) -> dict[str, Record]:
        """What may be read under the ids: the tenant's own, else the public one."""
        self.follow()
        found: dict[str, Record] = {}
        now = self._clock()
        for tenant in dict.fromkeys((sight.tenant, PUBLIC)):
            for id_ in ids:
                if id_ in found or not is_text(id_):
                    continue
                where = "tenant = ? AND id = ? AND readers IS NOT NULL"
                query = f"SELECT {COLUMNS}, text FROM chunk WHERE {where}"  # noqa: S608
                for record in self._records(query, (tenant, id_)):
                    if self._readable(record, sight, now):
                        found[id_] = record
        return found

    def stale(self, record: Record) -> bool:
        """Whether it is past its expiry."""
        return record.expires_at is not None and record.expires_at <= self._clock()

    def versions(self, source: str) -> dict[str, str]:
        """The documents of a source, each with the version that is stored."""
        query = "SELECT DISTINCT document, version FROM chunk WHERE source = ? AND readers IS NOT NULL"
        return dict(self._database.read(query, (source,)))

    def documents(self, source: str, documents: Sequence[str], sight: Sight) -> set[str]:
        """Which of a source's documents are there and may be read: what a replay may serve again."""
        self.follow()
        query = "SELECT DISTINCT readers FROM chunk WHERE source = ? AND document = ? AND readers IS NOT NULL"
        known = self._visibility.readers
        standing: set[str] = set()
        for document in documents:
            sets = self._database.read(query, (source, document))
            if any(known.get(number, frozenset()) & sight.tags for (number,) in sets):
                standing.add(document)
        return standing

    def model(self) -> Model | None:
        """What the vectors were made by, or None before the first."""
        found = self._database.read("SELECT name, dimensions, probe FROM model")
        return Model(*found[0]) if found else None

    @contextmanager
    def change(self) -> Generator[Change]:
        """One transaction: all of it is on the disk when this ends, or nothing."""
        with self._database.change() as connection:
            yield Change(connection)

    def memory(self) -> Mapping[str, int]:
        """Bytes that are held, by part."""
        return {"rows": self._visibility.memory(), "filters": self._filtering.memory()}

    def close(self) -> None:
        self._database.close()

    def _take_in(self) -> None:
        """Follow the change feed, under the lock. What changes meanwhile comes last, having a new number."""
        read, seq, row = self._database.read, self._seq, _LAST_ROW
        query = (
            "SELECT row, coalesce(readers, 0), coalesce(expires_at, 9e999), seq FROM chunk"
            " WHERE (seq, row) > (?, ?) ORDER BY seq, row LIMIT ?"
        )
        while found := read(query, (seq, row, _AT_ONCE)):
            changes = np.array(found, dtype=np.float64)
            rows = changes[:, 0].astype(np.int64)
            self._visibility.apply(rows, changes[:, 1].astype(np.int32), changes[:, 2], self._clock())
            self._filtering.changed(rows)
            row, seq = found[-1][0], found[-1][3]
        self._seq = seq
        most = max(self._visibility.readers, default=0)
        sets = read("SELECT id, names FROM readers WHERE id > ?", (most,))
        if sets:
            self._visibility.learn((number, frozenset(orjson.loads(names))) for number, names in sets)
        self._permission_seq = read("SELECT permission_seq FROM state")[0][0]

    def _metadata(self, rows: Sequence[int], governed: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        """The rows' metadata, with what else is known of them or without."""
        marks = ",".join("?" * len(rows))
        columns = f"{COLUMNS}, x''" if governed else "row, metadata"
        query = f"SELECT {columns} FROM chunk WHERE row IN ({marks}) AND readers IS NOT NULL"  # noqa: S608
        if governed:
            return ((record.row, record.metadata) for record in self._records(query, rows))
        return ((row, orjson.loads(metadata)) for row, metadata in self._database.read(query, rows))

    def _read(self, rows: Sequence[int]) -> list[Record]:
        marks = ",".join("?" * len(rows))
        query = f"SELECT {COLUMNS}, text FROM chunk WHERE row IN ({marks}) AND readers IS NOT NULL"  # noqa: S608
        return self._records(query, rows)

    def _records(self, query: str, parameters: Sequence[Any]) -> list[Record]:
        found = self._database.read(query, parameters)
        known = self._visibility.readers
        if any(columns[1] not in known for columns in found):
            self.follow()
        return [Record.of(columns, known[columns[1]]) for columns in found]

    def _readable(self, record: Record, sight: Sight, now: float) -> bool:
        if self._drop_stale and record.expires_at is not None and record.expires_at <= now:
            return False
        return not sight.tags.isdisjoint(record.readers)
