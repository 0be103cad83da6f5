"""What one transaction does to the catalogue."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, replace
from typing import Any

import orjson

from pilotman.guardrails.errors import PermissionDenied
from pilotman.guardrails.seal import Forgotten, Tampered
from pilotman.retrieval.access import inside, reader_of_user
from pilotman.retrieval.catalogue.entry import COLUMNS, GOVERNANCE, Entry, is_text
from pilotman.retrieval.catalogue.kept import Kept
from pilotman.retrieval.catalogue.model import Model
from pilotman.retrieval.catalogue.sealing import Content, Sealing, version_in
from pilotman.retrieval.catalogue.selection import Piece, Selection, mark_of
from pilotman.retrieval.catalogue.sight import Sight

_BURY = """UPDATE chunk SET seq = ?, readers = NULL, expires_at = NULL, erased = 0, tenant = NULL, id = NULL,
 owner = NULL, source = NULL, document = NULL, version = NULL, fetched_at = NULL, trusted = NULL,
 label = NULL, ref = NULL, metadata = NULL, text = NULL WHERE row = ?"""
_ADD = """INSERT INTO chunk (row, seq, readers, expires_at, tenant, owner, source, fetched_at, trusted, id,
 document, version, label, ref, metadata, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_MOVE = """UPDATE chunk SET (seq, readers, expires_at, tenant, owner, source, fetched_at, trusted, id,
 document, version, label, ref, metadata, text) = (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
 WHERE row = ?"""
_SEAL = """UPDATE chunk SET (id, document, version, label, ref, metadata, text) = (?, ?, ?, ?, ?, ?, ?)
 WHERE row = ?"""

_PIECE = "row, owner, source, coalesce(document, id), version, ref, metadata, fetched_at"

_CONFIRM = """UPDATE chunk SET seq = ?, expires_at = min(?, coalesce((SELECT d.expires_at FROM document d
 WHERE d.source = chunk.source AND d.document = chunk.document), 9e999)) WHERE source = ?
 AND document IN (?, ?)"""


class Change:
    """The verbs of a transaction that is open; its changes share one sequence number."""

    def __init__(self, connection: sqlite3.Connection, sealing: Sealing) -> None:
        self._connection = connection
        self._sealing = sealing
        self._number: int | None = None
        self._names: dict[int, frozenset[str]] = {}

    def at_ids(self, tenant: str, ids: Iterable[str]) -> dict[int, frozenset[str]]:
        """The living rows of a tenant's ids, each with its readers."""
        where = "tenant = ? AND id IN (?, ?)"
        known = (self._sealing.forms(id_) for id_ in ids if is_text(id_))
        return {row: names for forms in known for row, names in self._living(where, (tenant, *forms)).items()}

    def of_tenant(self, tenant: str) -> dict[int, frozenset[str]]:
        """All living rows that a tenant wrote."""
        return self._living("tenant = ?", (tenant,))

    def of_documents(self, source: str, documents: Iterable[str]) -> dict[int, frozenset[str]]:
        """The living rows of a source's documents."""
        where = "source = ? AND document IN (?, ?)"
        return {
            row: names
            for document in documents
            for row, names in self._living(where, (source, *self._sealing.forms(document))).items()
        }

    def replaced(
        self, entries: Sequence[Entry], replacing: Mapping[str, Collection[str]], sight: Sight
    ) -> set[int]:
        """The rows in whose place entries come: those at their ids, and those of the documents by source.

        Raises:
            PermissionDenied: one of them may not be changed by whoever writes.
        """
        ids: dict[str, list[str]] = {}
        for entry in entries:
            ids.setdefault(entry.tenant, []).append(entry.id)
        found = (self.at_ids(tenant, named) for tenant, named in ids.items())
        old = {row: readers for rows in found for row, readers in rows.items()}
        if not all(sight.may_change(readers) for readers in old.values()):
            raise PermissionDenied(
                "one of these ids is of a document that this principal may not read; nothing was written",
                hint="let the store choose the ids, or choose others",
            )
        documents = (self.of_documents(source, named) for source, named in replacing.items())
        return set(old).union(*documents)

    def add(self, rows: Sequence[int], entries: Sequence[Entry]) -> None:
        """Entries at rows that were never used."""
        sets = {entry.readers: self._set(entry.readers) for entry in entries}
        seq = self._seq()
        self._connection.executemany(
            _ADD,
            (
                (
                    row,
                    seq,
                    sets[entry.readers],
                    None if entry.expires_at is None else entry.expires_at.timestamp(),
                    *self._columns(row, entry),
                )
                for row, entry in zip(rows, entries, strict=True)
            ),
        )

    def move(self, entries: Mapping[int, Entry]) -> None:
        """Entries in place of what stands at their rows, and has their vectors."""
        if not entries:
            return
        # One may get the id that another one has now.
        nameless = "UPDATE chunk SET id = NULL WHERE row = ?"
        self._connection.executemany(nameless, ((row,) for row in entries))
        seq = self._seq()
        for row, entry in entries.items():
            until = None if entry.expires_at is None else entry.expires_at.timestamp()
            values = (seq, self._set(entry.readers), until, *self._columns(row, entry), row)
            self._connection.execute(_MOVE, values)

    def seal_owned(self) -> int:
        """Seal what lies in clear although somebody owns it; returns how many chunks and documents."""
        where = "owner IS NOT NULL AND readers IS NOT NULL AND ref IS NULL"
        query = f"SELECT {COLUMNS}, text FROM chunk WHERE {where}"  # noqa: S608
        found = self._connection.execute(query).fetchall()
        self._connection.executemany(_SEAL, (self._sealed(columns) for columns in found))
        query = "SELECT source, document, listed, expires_at, owner FROM document WHERE name IS NULL"
        owned = [columns for columns in self._connection.execute(query).fetchall() if columns[-1] is not None]
        for source, document, *_ in owned:
            self.drop(source, [document])
        self.keep(Kept(*columns) for columns in owned)
        return len(found) + len(owned)

    def _sealed(self, columns: Sequence[Any]) -> tuple[Any, ...]:
        """What a chunk holds that was stored without keys, or before names were sealed; and its row."""
        row, owner, old = columns[0], columns[4], Content(*columns[GOVERNANCE:])
        try:
            content = self._sealing.opened(row, owner, old)
            closed = self._sealing.closed(row, owner, content, version_in(content))
        except (Forgotten, Tampered):  # nobody opens it again
            document = None if old.document is None else self._sealing.blind(old.document)
            closed = replace(
                old, id=self._sealing.blind(old.id), document=document, version=None, label=None, ref=""
            )
        return (*astuple(closed), row)

    def bury(self, rows: Collection[int]) -> None:
        """A tombstone each; what stood there is overwritten."""
        if not rows:
            return
        seq = self._seq()
        self._connection.executemany(_BURY, ((seq, row) for row in rows))

    def selected(self, selection: Selection) -> list[Piece]:
        """The living chunks that are meant."""
        where, values = ["readers IS NOT NULL"], list[Any]()
        if selection.tenant is not None:
            whose, given = self._of_tenant(selection.tenant)
            where.append(whose)
            values += given
        if selection.subject is not None:
            where.append("owner = ?")
            values.append(selection.subject)
        if selection.source is not None:
            where.append("source = ?")
            values.append(selection.source)
        if selection.document is not None:
            its = "source IS NULL AND (id" if selection.source is None else "(document"
            where.append(f"{its} IN (?, ?) OR ref = ?)")
            values += [*self._sealing.forms(selection.document), selection.document]
        query = f"SELECT {_PIECE} FROM chunk WHERE {' AND '.join(where)} ORDER BY row"  # noqa: S608
        found = (self._piece(*columns) for columns in self._connection.execute(query, values))
        return [one for one in found if selection.only is None or selection.only(one)]

    def _piece(
        self,
        row: int,
        owner: str | None,
        source: str | None,
        document: str,
        version: str | None,
        ref: str | None,
        metadata: bytes,
        fetched_at: float | None,
    ) -> Piece:
        names = {(ref or document, version)}
        if owner is not None and ref is not None:
            with suppress(Forgotten, Tampered):
                names.add(self._sealing.names(row, owner, metadata))
        return Piece(
            row=row,
            owner=owner,
            source=source,
            document=document,
            names=frozenset(names),
            fetched_at=fetched_at,
        )

    def _of_tenant(self, tenant: str) -> tuple[str, tuple[Any, ...]]:
        """What belongs to a tenant: what it wrote, its users own, or nobody else may read."""
        sets = self._connection.execute("SELECT id, names FROM readers").fetchall()
        its = [number for number, names in sets if tenant and inside(tenant, orjson.loads(names))]
        owners = reader_of_user(tenant, "")
        where = "(tenant = ? OR (owner >= ? AND owner < ?) OR readers IN (SELECT value FROM json_each(?)))"
        # the sign after the slash ends the range of the tenant's users
        return where, (tenant, owners, owners[:-1] + "0", orjson.dumps(its).decode())

    def stop(self, marks: Iterable[tuple[str, bytes]], at: float) -> None:
        """Take nothing of these any more: a source and the mark of its document, or none and an owner's."""
        insert = "INSERT OR IGNORE INTO forgotten VALUES (?, ?, ?)"
        self._connection.executemany(insert, ((source, mark, at) for source, mark in marks))

    def readmit(self, selection: Selection) -> int:
        """Take again what was forgotten; returns how many entries of the list went."""
        where, values = "source = ? AND digest IN (?, ?)", list[Any]([selection.source or ""])
        if selection.source is None:
            values += [mark_of(selection.subject or "")] * 2
        elif selection.document is not None:
            values += map(mark_of, self._sealing.forms(selection.document))
        else:
            where = "source = ?"
        self._drop_lost(selection)
        return self._connection.execute(f"DELETE FROM forgotten WHERE {where}", values).rowcount  # noqa: S608

    def _drop_lost(self, selection: Selection) -> None:
        """What cannot be opened any more is not kept: it may come anew."""
        query = "SELECT source, document, owner, name FROM document WHERE name IS NOT NULL"
        for source, document, owner, name in self._connection.execute(query).fetchall():
            meant = selection.source in (None, source) and selection.subject in (None, owner)
            if meant and self._sealing.is_lost(owner, name):
                self.drop(source, [document])

    def is_blind(self) -> bool:
        """Whether names are sealed here, and this process has no keys: what is owned cannot be told apart."""
        query = "SELECT 1 FROM chunk WHERE ref IS NOT NULL LIMIT 1"
        return self._sealing.seal.keys is None and self._connection.execute(query).fetchone() is not None

    def stopped(self, entries: Iterable[Entry], documents: Iterable[Kept]) -> set[tuple[str, str]]:
        """The documents among these that are not taken any more, each with its source."""
        blind = self.is_blind()
        if not blind and self._connection.execute("SELECT 1 FROM forgotten LIMIT 1").fetchone() is None:
            return set()
        named: list[tuple[str, str, str | None]] = [
            (one.source, one.document, one.owner) for one in documents
        ]
        named += [(e.source, e.document, e.owner) for e in entries if e.source and e.document is not None]
        return {
            (source, document)
            for source, document, owner in named
            if self._stops(source, document) or (owner and (blind or self._stops("", owner)))
        }

    def _stops(self, source: str, name: str) -> bool:
        query = "SELECT 1 FROM forgotten WHERE source = ? AND digest IN (?, ?)"
        marks = map(mark_of, self._sealing.forms(name))
        return self._connection.execute(query, (source, *marks)).fetchone() is not None

    def stopping(self, source: str, document: str) -> str:
        """What stands for a document on the list of what is not taken: its name where that lies in clear."""
        query = "SELECT 1 FROM chunk WHERE source = ? AND document = ? AND owner IS NULL LIMIT 1"
        public = self._connection.execute(query, (source, document)).fetchone() is not None
        return document if public else self._sealing.blind(document)

    def to_purge(self, how: int) -> None:
        """What was forgotten has to go from the trained indexes too, see ``database``."""
        update = "UPDATE state SET purge = purge | ?, purges = purges + 1"
        self._connection.execute(update, (how,))

    def purged(self, number: int) -> None:
        """Nothing is left of what was forgotten up to this number."""
        self._connection.execute("UPDATE state SET purge = 0 WHERE purges = ?", (number,))

    def set_readers(self, rows: Collection[int], readers: frozenset[str]) -> None:
        """Other readers."""
        if not rows:
            return
        seq, number = self._seq(), self._set(readers)
        update = "UPDATE chunk SET seq = ?, readers = ? WHERE row = ?"
        self._connection.executemany(update, ((seq, number, row) for row in rows))
        self._connection.execute("UPDATE state SET permission_seq = ?", (seq,))

    def keep(self, documents: Iterable[Kept]) -> None:
        """Documents of sources, each in place of what was kept under its name."""
        insert = "INSERT OR REPLACE INTO document VALUES (?, ?, ?, ?, ?, ?)"
        self._connection.executemany(insert, map(self._kept, documents))

    def _kept(self, one: Kept) -> tuple[Any, ...]:
        if one.owner is None or self._sealing.seal.keys is None:
            return (*one, None)
        sealed = self._sealing.kept(one.owner, one.document, one.listed)
        return (one.source, self._sealing.blind(one.document), "", one.expires_at, one.owner, sealed)

    def drop(self, source: str, documents: Iterable[str]) -> None:
        """Documents of a source are not kept any more; their chunks have to be buried, too."""
        delete = "DELETE FROM document WHERE source = ? AND document IN (?, ?)"
        self._connection.executemany(delete, ((source, *self._sealing.forms(one)) for one in documents))

    def confirm(self, source: str, documents: Iterable[str], until: float) -> None:
        """Documents of a source hold until then, or until they expire themselves."""
        seq = self._seq()
        named = ((seq, until, source, *self._sealing.forms(document)) for document in documents)
        self._connection.executemany(_CONFIRM, named)

    def known(self) -> int:
        """The rows that there ever were."""
        return int(self._connection.execute("SELECT coalesce(max(row) + 1, 0) FROM chunk").fetchone()[0])

    def vectors(self) -> int:
        """How many rows have a vector."""
        return int(self._connection.execute("SELECT vectors FROM state").fetchone()[0])

    def supplied(self, count: int) -> None:
        """So many rows have a vector now."""
        self._connection.execute("UPDATE state SET vectors = ?", (count,))

    def fill(self, count: int) -> None:
        """Tombstones for the vectors that a crash left without a text; ``count``: those that there are."""
        known = self.known()
        if known < count:
            seq = self._seq()
            insert = "INSERT INTO chunk (row, seq, erased) VALUES (?, ?, 0)"
            self._connection.executemany(insert, ((row, seq) for row in range(known, count)))

    def unerased(self) -> list[int]:
        """The tombstones whose vectors are still there."""
        return [row for (row,) in self._connection.execute("SELECT row FROM chunk WHERE erased = 0")]

    def without_vector(self, count: int) -> None:
        """There are none from row ``count`` on: of what is deleted there, nothing has to be overwritten."""
        self._connection.execute("UPDATE chunk SET erased = 1 WHERE erased = 0 AND row >= ?", (count,))

    def to_erase(self, first: int, end: int) -> None:
        """Of what is deleted, the vectors of these rows have to be overwritten."""
        update = "UPDATE chunk SET erased = 0 WHERE readers IS NULL AND row >= ? AND row < ?"
        self._connection.execute(update, (first, end))

    def begin_vectors_anew(self) -> None:
        """No row has a vector, and no model is known."""
        self._connection.execute("DELETE FROM model")
        self._connection.execute("UPDATE state SET vectors = 0, generation = generation + 1")

    def erased(self, rows: Iterable[int]) -> None:
        """Their vectors have been overwritten."""
        update = "UPDATE chunk SET erased = 1 WHERE row = ?"
        self._connection.executemany(update, ((row,) for row in rows))

    def learn(self, model: Model) -> Model:
        """The model that the vectors are made by: the first that was learnt."""
        insert = "INSERT OR IGNORE INTO model VALUES (1, ?, ?, ?)"
        self._connection.execute(insert, (model.name, model.dimensions, model.probe))
        return Model(*self._connection.execute("SELECT name, dimensions, probe FROM model").fetchone())

    def _columns(self, row: int, entry: Entry) -> tuple[Any, ...]:
        content = entry.content
        closed = self._sealing.closed(row, entry.owner, content, version_in(content))
        fetched_at = None if entry.fetched_at is None else entry.fetched_at.timestamp()
        return (entry.tenant, entry.owner, entry.source, fetched_at, entry.trusted, *astuple(closed))

    def _living(self, where: str, parameters: Sequence[str]) -> dict[int, frozenset[str]]:
        query = f"SELECT row, readers FROM chunk WHERE {where} AND readers IS NOT NULL"  # noqa: S608
        found = self._connection.execute(query, parameters).fetchall()
        return {row: self._readers(number) for row, number in found}

    def _readers(self, number: int) -> frozenset[str]:
        if number not in self._names:
            query = "SELECT names FROM readers WHERE id = ?"
            names = self._connection.execute(query, (number,)).fetchone()[0]
            self._names[number] = frozenset(orjson.loads(names))
        return self._names[number]

    def _set(self, readers: frozenset[str]) -> int:
        names = orjson.dumps(sorted(readers)).decode()
        self._connection.execute("INSERT OR IGNORE INTO readers (names) VALUES (?)", (names,))
        query = "SELECT id FROM readers WHERE names = ?"
        return int(self._connection.execute(query, (names,)).fetchone()[0])

    def _seq(self) -> int:
        if self._number is None:
            update = "UPDATE state SET seq = seq + 1 RETURNING seq"
            self._number = int(self._connection.execute(update).fetchone()[0])
        return self._number
