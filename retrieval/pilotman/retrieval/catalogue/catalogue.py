"""What is stored, and who may find it: the truth that the vectors follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import orjson

from pilotman.guardrails.seal import Forgotten, Seal, Tampered
from pilotman.retrieval.access import tenant_of
from pilotman.retrieval.catalogue.change import Change
from pilotman.retrieval.catalogue.database import Database
from pilotman.retrieval.catalogue.entry import COLUMNS, GOVERNANCE, PUBLIC, Record, is_text
from pilotman.retrieval.catalogue.filtering import Filtering
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.catalogue.sealing import Content, Sealing
from pilotman.retrieval.catalogue.selection import mark_of
from pilotman.retrieval.catalogue.sight import Sight
from pilotman.retrieval.catalogue.visibility import Visibility
from pilotman.retrieval.sources.terms import version_of
from pilotman.retrieval.vectors.allowed import Allowed

Class: TypeAlias = Literal["tenant", "source"]
Filter: TypeAlias = Mapping[str, Any] | Callable[[Record], bool]

_LISTED = 500
"""Rows that one statement names."""
_AT_ONCE = 50_000
"""Changes that are taken in at a time."""
_LAST_ROW = 2**62


class Catalogue:
    """Chunks by row, in SQLite under ``folder`` or in memory, for any number of threads and processes.

    Each look into it first follows what others have committed: a deletion by anybody holds for the very
    next query. Times are seconds since 1970. With ``drop_stale`` nothing is found that is past its expiry.
    Of a chunk that somebody owns, text and metadata are sealed by ``seal``; without its owner's key it is as
    good as not there. ``tampered``: rows whose content is not what was sealed.

    Raises:
        CorruptIndex: the file is damaged, another program's, or of a newer version; it was left untouched.
        Unavailable: it cannot be opened.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        drop_stale: bool = True,
        seal: Seal | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = Database(folder)
        self._sealing = Sealing(seal or Seal())
        self.tampered: set[int] = set()
        self._clock = clock
        self._visibility = Visibility(drop_stale=drop_stale)
        self._filtering = Filtering(self._metadata, self._read)
        self._drop_stale = drop_stale
        self._token: tuple[int, int] | None = None
        self._state = 0
        self._seq = 0
        self._permission_seq = 0

    @property
    def seal(self) -> Seal:
        """What seals the chunks that somebody owns."""
        return self._sealing.seal

    def seal_with(self, seal: Seal) -> None:
        """Another seal; what could not be read without it is looked at again."""
        with self._database.lock:
            self._sealing = Sealing(seal)
            self.tampered.clear()
            self._filtering = Filtering(self._metadata, self._read)
            self._token, self._seq = None, 0
        self.seal_owned()

    def seal_owned(self) -> None:
        """Seal what lies in clear although somebody owns it, where there are keys."""
        if self.seal.keys is None:
            return
        with self.change() as change:
            sealed = change.seal_owned()
        if sealed:
            self._database.truncate()

    @property
    def permission_epoch(self) -> int:
        """The number of the last change of who may read what."""
        self.follow()
        return self._permission_seq

    @property
    def epoch(self) -> int:
        """The number of the last change that was taken in."""
        return self._seq

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
                where = "tenant = ? AND id IN (?, ?) AND readers IS NOT NULL"
                query = f"SELECT {COLUMNS}, text FROM chunk WHERE {where}"  # noqa: S608
                for record in self._records(query, (tenant, *self._sealing.forms(id_))):
                    if self._readable(record, sight, now):
                        found[id_] = record
        return found

    def stale(self, record: Record) -> bool:
        """Whether it is past its expiry."""
        return record.expires_at is not None and record.expires_at <= self._clock()

    def listed(self, source: str) -> dict[str, str]:
        """The documents of a source that are kept, each with its version in the listing; not those of owners
        whose keys are gone."""
        query = "SELECT document, listed, owner, name FROM document WHERE source = ?"
        found = (
            (document, listed) if name is None else self._sealing.unkept(owner, document, name)
            for document, listed, owner, name in self._database.read(query, (source,))
        )
        return dict(one for one in found if one is not None)

    def documents_kept(self) -> int:
        """How many documents of sources are kept."""
        return int(self._database.read("SELECT count(*) FROM document")[0][0])

    def sources(self) -> set[str]:
        """The sources of which documents are kept."""
        return {source for (source,) in self._database.read("SELECT DISTINCT source FROM document")}

    def standing_documents(
        self, places: Iterable[tuple[str | None, str]], sight: Sight
    ) -> set[tuple[str | None, str]]:
        """Which documents are there and may be read: what a replay may serve again. A place is a source and
        its document, or None and the id of a text that somebody added."""
        self.follow()
        standing: set[tuple[str | None, str]] = set()
        for source, name in dict.fromkeys(places):
            found = self.by_ids([name], sight) if source is None else self.of_document(source, name)
            records = found.values() if isinstance(found, dict) else found
            if any(self._readable(record, sight, self._clock()) for record in records):
                standing.add((source, name))
        return standing

    def classes(self, rows: Sequence[int], by: Class) -> list[str]:
        """What chunks at the rows are told apart by: ``tenant:acme`` whose or for whom alone they are, or
        ``source:books`` they come from; what is for all is ``tenant:``, what was added ``source:``."""
        self.follow()
        marks, readers = ",".join("?" * len(rows)), self._visibility.readers
        query = f"SELECT row, tenant, source, readers FROM chunk WHERE row IN ({marks})"  # noqa: S608
        named = {
            row: (tenant or tenant_of(readers.get(number, ())) or PUBLIC) if by == "tenant" else source or ""
            for row, tenant, source, number in self._database.read(query, rows)
        }
        return [f"{by}:{named.get(row, '')}" for row in rows]

    def standing_versions(
        self, places: Iterable[tuple[str | None, str, str]], sight: Sight
    ) -> set[tuple[str | None, str, str]]:
        """Which documents are there in that version and may be read; a place as above, and its version, or
        its owner's pseudonyms for both."""
        self.follow()
        standing: set[tuple[str | None, str, str]] = set()
        for source, name, version in places:
            found = self.by_ids([name], sight) if source is None else self.of_document(source, name)
            records = [*(found.values() if isinstance(found, dict) else found)]
            if name.startswith("~"):
                records += self._of_ref(source, name)
            for record in records:
                same = version == _version(record) or record.ref == f"{name}@{version}"
                if same and self._readable(record, sight, self._clock()):
                    standing.add((source, name, version))
        return standing

    def _of_ref(self, source: str | None, ref: str) -> list[Record]:
        """What stands under its owner's pseudonym for a document."""
        query = f"SELECT {COLUMNS}, text FROM chunk WHERE ref = ? AND source IS ?"  # noqa: S608
        return self._records(query, (ref, source))

    def stopped(self, source: str, documents: Iterable[str]) -> set[str]:
        """Those of a source's documents that were forgotten, or whose owner's key is gone: they are not taken
        any more."""
        query = "SELECT digest FROM forgotten WHERE source = ?"
        marks = {mark for (mark,) in self._database.read(query, (source,))}
        query = "SELECT document, owner, name FROM document WHERE source = ? AND name IS NOT NULL"
        kept = self._database.read(query, (source,))
        lost = {one for one, owner, name in kept if self._sealing.is_lost(owner, name)}
        if not marks and not lost:
            return set()
        named = ((name, self._sealing.forms(name)) for name in documents)
        return {
            name
            for name, forms in named
            if not (marks.isdisjoint(map(mark_of, forms)) and lost.isdisjoint(forms))
        }

    def to_purge(self) -> tuple[int, int]:
        """What the files still hold of what was forgotten, and its number: see ``database``."""
        how, number = self._database.read("SELECT purge, purges FROM state")[0]
        return int(how), int(number)

    def unerased(self) -> list[int]:
        """The tombstones whose vectors are still there."""
        return [row for (row,) in self._database.read("SELECT row FROM chunk WHERE erased = 0")]

    def truncate(self) -> bool:
        """Empty the log; False where another process keeps it busy."""
        return self._database.truncate()

    def generation(self) -> int:
        """Of the vectors: another one after each change of the model."""
        return int(self._database.read("SELECT generation FROM state")[0][0])

    def waiting(self, count: int, limit: int) -> dict[int, Record | None]:
        """The first rows from ``count`` on, which have no vector yet; None for what is deleted."""
        query = "SELECT row FROM chunk WHERE row >= ? ORDER BY row LIMIT ?"
        rows = [row for (row,) in self._database.read(query, (count, limit))]
        found = {record.row: record for record in self._read(rows)}
        return {row: found.get(row) for row in rows}

    def changes(self, after: tuple[int, int], limit: int) -> list[tuple[bool, int, int]]:
        """What was changed after a place (a sequence number and a row), in this order: whether the row is
        alive, the row, the sequence number. A row comes once, at its last change."""
        query = (
            "SELECT readers IS NOT NULL, row, seq FROM chunk WHERE (seq, row) > (?, ?)"
            " ORDER BY seq, row LIMIT ?"
        )
        found = self._database.read(query, (*after, limit))
        return [(bool(alive), row, seq) for alive, row, seq in found]

    def chunks(self, rows: Sequence[int]) -> list[Record]:
        """What stands at the rows, whoever may read it: for indexes, which serve nobody."""
        return [
            record
            for first in range(0, len(rows), _LISTED)
            for record in self._read(rows[first : first + _LISTED])
        ]

    def of_document(self, source: str, document: str) -> list[Record]:
        """The chunks of a source's document in their order, whoever may read them."""
        where = "source = ? AND document IN (?, ?) AND readers IS NOT NULL"
        query = f"SELECT {COLUMNS}, text FROM chunk WHERE {where} ORDER BY row"  # noqa: S608
        return self._records(query, (source, *self._sealing.forms(document)))

    def count_waiting(self, count: int) -> int:
        """How many rows there are from ``count`` on."""
        return int(self._database.read("SELECT count(*) FROM chunk WHERE row >= ?", (count,))[0][0])

    def model(self) -> Model | None:
        """What the vectors were made by, or None before the first."""
        found = self._database.read("SELECT name, dimensions, probe FROM model")
        return Model(*found[0]) if found else None

    @contextmanager
    def change(self) -> Generator[Change]:
        """One transaction: all of it is on the disk when this ends, or nothing."""
        with self._database.change() as connection:
            yield Change(connection, self._sealing)

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
        query = f"SELECT {COLUMNS}, x'' FROM chunk WHERE row IN ({marks}) AND readers IS NOT NULL"  # noqa: S608
        if governed:
            return ((record.row, record.metadata) for record in self._records(query, rows))
        found = ((columns[0], self._opened(columns)) for columns in self._database.read(query, rows))
        return ((row, orjson.loads(content.metadata)) for row, content in found if content is not None)

    def _read(self, rows: Sequence[int]) -> list[Record]:
        marks = ",".join("?" * len(rows))
        query = f"SELECT {COLUMNS}, text FROM chunk WHERE row IN ({marks}) AND readers IS NOT NULL"  # noqa: S608
        return self._records(query, rows)

    def _records(self, query: str, parameters: Sequence[Any]) -> list[Record]:
        found = self._database.read(query, parameters)
        known = self._visibility.readers
        if any(columns[1] not in known for columns in found):
            self.follow()
        opened = ((columns, self._opened(columns)) for columns in found)
        return [
            Record.of(columns, content, known[columns[1]])
            for columns, content in opened
            if content is not None
        ]

    def _opened(self, columns: Sequence[Any]) -> Content | None:
        """Content in clear. What cannot be opened is found no more, unless it changes."""
        row, owner, content = columns[0], columns[4], Content(*columns[GOVERNANCE:])
        if owner is None:
            return content
        try:
            return self._sealing.opened(row, owner, content)
        except Tampered:
            self.tampered.add(row)
        except Forgotten:
            pass
        nobody, never = np.zeros(1, dtype=np.int32), np.full(1, np.inf)
        with self._database.lock:
            self._visibility.apply(np.array([row]), nobody, never, self._clock())
        return None

    def _readable(self, record: Record, sight: Sight, now: float) -> bool:
        if self._drop_stale and record.expires_at is not None and record.expires_at <= now:
            return False
        return not sight.tags.isdisjoint(record.readers)


def _version(record: Record) -> str:
    """Of the record's document; a text that somebody added is one by itself."""
    own = record.metadata.get("version")
    return version_of(record.text.encode("utf-8", "surrogatepass")) if own is None else str(own)
