"""The catalogue's SQLite file: opening it, reading it, changing it.

Plain ``sqlite3``, not SQLAlchemy: each query asks the file whether somebody changed it, and what takes 3 µs
here takes 60 there, a tenth of a whole search. The file is an embedded one by design; nothing is gained by
another dialect.
"""

from __future__ import annotations

import sqlite3
import threading
import weakref
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pilotman.guardrails.errors import CorruptIndex, PilotmanError, Unavailable

FILE = "catalogue.db"
APPLICATION_ID = 0x504C4354
"""``PLCT``, in the file's header."""
VERSION = 3
"""Of the tables below; in the file's header too (SQLite's user version)."""

_BUSY = 60.0
"""Seconds that a writer waits for another process's transaction."""

TABLES = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,            -- of the last change
    permission_seq INTEGER NOT NULL, -- of the last change of who may read what
    vectors INTEGER NOT NULL,        -- rows that have one: those before all that wait for theirs
    generation INTEGER NOT NULL      -- of the vectors: another when a new model makes all of them anew
);
INSERT INTO state VALUES (1, 0, 0, 0, 0);
CREATE TABLE model (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    name TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    probe BLOB NOT NULL              -- float32: where the model puts a text that is always the same
);
CREATE TABLE readers (
    id INTEGER PRIMARY KEY,
    names TEXT NOT NULL UNIQUE       -- JSON list, sorted
);
CREATE TABLE chunk (
    row INTEGER PRIMARY KEY,         -- of its vector; never used again
    seq INTEGER NOT NULL,            -- of its last change
    readers INTEGER,                 -- NULL: deleted, and all that follows is empty
    expires_at REAL,                 -- seconds since 1970, as all times here
    erased INTEGER,                  -- of what is deleted: whether its vector was overwritten
    tenant TEXT,                     -- empty: public
    id TEXT,
    owner TEXT,                      -- whose content it is: user:TENANT/USER
    source TEXT,
    document TEXT,
    version TEXT,
    fetched_at REAL,
    trusted INTEGER,
    label BLOB,
    metadata BLOB,
    text BLOB                        -- as metadata: sealed where somebody owns it, and there are keys
);
CREATE TABLE document (
    source TEXT NOT NULL,
    document TEXT NOT NULL,
    listed TEXT NOT NULL,            -- its version in the source's listing
    expires_at REAL,                 -- what it says of itself
    PRIMARY KEY (source, document)
) WITHOUT ROWID;
CREATE UNIQUE INDEX chunk_id ON chunk (tenant, id) WHERE readers IS NOT NULL;
CREATE INDEX chunk_document ON chunk (source, document) WHERE source IS NOT NULL;
CREATE INDEX chunk_change ON chunk (seq, row, readers, expires_at);
CREATE INDEX chunk_unerased ON chunk (row) WHERE erased = 0;
"""

_SECOND = """
ALTER TABLE state ADD COLUMN purge INTEGER NOT NULL DEFAULT 0;
ALTER TABLE state ADD COLUMN purges INTEGER NOT NULL DEFAULT 0;
CREATE TABLE forgotten (
    source TEXT NOT NULL,            -- empty: all of an owner
    digest BLOB NOT NULL,            -- of the owner, or of a document of the source
    at REAL NOT NULL,
    PRIMARY KEY (source, digest)
) WITHOUT ROWID;
CREATE INDEX chunk_owner ON chunk (owner) WHERE owner IS NOT NULL;
UPDATE chunk SET owner = 'user:' || replace(replace(tenant, '%', '%25'), '/', '%2F') || '/'
 || replace(replace(owner, '%', '%25'), '/', '%2F') WHERE owner IS NOT NULL;
"""
"""What the second version has beyond the first: chunks are owned, and forgotten. ``purge``: 1 where files
still hold something of what was forgotten, 2 where the next purge has to learn the clusters anew; ``purges``
counts how often it was set, so that nobody takes what came meanwhile for done."""

_THIRD = """
ALTER TABLE chunk ADD COLUMN ref TEXT;
ALTER TABLE document ADD COLUMN owner TEXT;
ALTER TABLE document ADD COLUMN name BLOB;
CREATE INDEX chunk_ref ON chunk (ref) WHERE ref IS NOT NULL;
"""
"""What the third has beyond the second: of what is owned the names are sealed too, see ``sealing``. ``name``
has what a document and its version are called in the listing, where the other columns do not say it."""


class Database:
    """One file, opened by any number of processes; without a folder it is in memory.

    Reads and changes have a connection each, so that a long change holds up no query. In memory they share
    one, and its lock.

    Raises:
        CorruptIndex: the file is damaged, another program's, or of a newer version; it was left untouched.
        Unavailable: it cannot be opened.
    """

    def __init__(self, folder: Path | None) -> None:
        self.path = None if folder is None else folder / FILE
        self.lock = threading.RLock()
        if folder is not None:
            _make(folder)
        self._writer = self._connected()
        self._reader = self._writer if self.path is None else self._connected()
        self._writing = self.lock if self.path is None else threading.RLock()
        self._changes = 0
        weakref.finalize(self, _closed, self._reader, self._writer)  # who forgets to close it loses nothing
        with self.change() as change:
            version = change.execute("PRAGMA user_version").fetchone()[0]
            for statements in (TABLES, _SECOND, _THIRD)[version:]:
                for statement in statements.split(";\n"):
                    change.execute(statement)
            if version < VERSION:
                change.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                change.execute(f"PRAGMA user_version = {VERSION}")

    def token(self) -> tuple[int, int]:
        """Another value after every committed change, whoever made it. Microseconds."""
        version: int = self.read("PRAGMA data_version")[0][0]
        return version, self._changes

    def read(self, query: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of one statement: one state of the file, the newest."""
        with self.lock:
            try:
                return self._reader.execute(query, parameters).fetchall()
            except sqlite3.Error as error:
                raise self._failure(error) from error

    @contextmanager
    def change(self) -> Generator[sqlite3.Connection]:
        """One transaction; no other process and no other thread changes the file before it ends.

        It is on the disk when this ends well (synchronous=FULL), and never was when it ends by an error.
        """
        with self._writing:
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                yield self._writer
                self._writer.execute("COMMIT")
                self._changes += 1
            except BaseException as error:
                with suppress(sqlite3.Error):
                    if self._writer.in_transaction:
                        self._writer.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self._failure(error) from error
                raise

    def truncate(self) -> bool:
        """Empty the log, with what it holds of texts that were deleted; False where others keep it busy."""
        if self.path is None:
            return True
        with self._writing:
            try:
                busy: int = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error as error:
                raise self._failure(error) from error
        return not busy

    def close(self) -> None:
        with self._writing, self.lock:
            _closed(self._reader, self._writer)

    def _connected(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self.path or ":memory:", timeout=_BUSY, isolation_level=None, check_same_thread=False
            )
        except sqlite3.Error as error:
            raise self._failure(error) from error
        try:
            self._check(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA secure_delete = ON")
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise self._failure(error) from error
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        """Whose file is it? Asked before anything is written."""
        # The tables first: another process may just be making them, and marks the file as ours with them.
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        program = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if tables and program != APPLICATION_ID:
            raise self._corrupt("is another program's database")
        if version > VERSION:
            raise CorruptIndex(
                f"{self.path} is of version {version}, newer than this program; it was left untouched",
                hint="upgrade pilotman",
            )

    def _failure(self, error: sqlite3.Error) -> PilotmanError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self._corrupt(f"is damaged ({error})")
        hint = "check path, rights and disk"
        if code == sqlite3.SQLITE_BUSY:
            hint = "another process keeps it busy"
        elif isinstance(error, sqlite3.ProgrammingError):
            hint = "the store was closed: open another"
        return Unavailable(f"the catalogue {self.path or 'in memory'} cannot be used: {error}", hint=hint)

    def _corrupt(self, what: str) -> CorruptIndex:
        return CorruptIndex(
            f"{self.path} {what}; it was left untouched",
            hint="restore the folder from a backup, or name another",
        )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the folder {folder} cannot be made: {error.strerror}", hint="check path and rights"
        ) from error


def _closed(*connections: sqlite3.Connection) -> None:
    for connection in connections:
        connection.close()
