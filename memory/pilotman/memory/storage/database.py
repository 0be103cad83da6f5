"""The journal's connection: SQLite or PostgreSQL behind one small port. One writer owns it."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, cast

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from pilotman.guardrails.errors import (
    ConfigurationError,
    Conflict,
    CorruptJournal,
    InvalidRequest,
    PilotmanError,
    Unavailable,
)
from pilotman.memory.storage import sqlite_file
from pilotman.memory.storage.migration import migrate, needed

Mode: TypeAlias = Literal["read", "write", "full"]
"""What a transaction is for: reading; writing; writing what must survive a loss of power."""
MODES: tuple[Mode, ...] = ("full", "write", "read")
"""The strongest first."""
SCRUB = "pilotman_scrub"
"""What a transaction sets in its connection's ``info`` if it erased something: it goes from the log, too."""
UNSCRUBBED = "pilotman_unscrubbed"
"""Whether that failed, the last time: somebody read what is there."""
_LOOKS_AGAIN = 0.0003
"""Seconds between two looks at whether another process still writes."""


class Database(Protocol):
    """What a writer needs. One call at a time, from whatever thread."""

    @property
    def in_memory(self) -> bool: ...

    def open(self) -> None: ...

    def transaction(self, mode: Mode) -> AbstractContextManager[Connection]: ...

    def empty_log(self) -> bool: ...

    def close(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Which tables a database has: whether they are to be made or changed, and how."""

    needed: Callable[[Connection], bool]
    migrate: Callable[[Connection], None]


JOURNAL = Schema(needed=needed, migrate=migrate)


def database(url: str, *, busy_timeout: float, schema: Schema = JOURNAL) -> Database:
    """The adapter for a URL: ``sqlite://``, ``sqlite:///file.db`` or ``postgresql://…``. No I/O yet.

    Raises:
        ConfigurationError: no such kind of database.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        path = sqlite_path(parsed)
        return SqliteDatabase(path, busy_timeout=busy_timeout, schema=schema)
    return PostgresDatabase(parsed, lock_timeout=busy_timeout, schema=schema)


def parse(url: str) -> URL:
    """A journal's URL, with the driver that we use.

    Raises:
        ConfigurationError: not a URL of a database that a journal can live in.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigurationError(f"{url!r} is not a database URL", hint=_FORMS) from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return parsed
    if parsed.drivername in ("postgresql", "postgres", "postgresql+psycopg"):
        return parsed.set(drivername="postgresql+psycopg")
    raise ConfigurationError(f"a journal cannot live in {parsed.drivername!r}", hint=_FORMS)


_FORMS = "use sqlite://, sqlite:///file.db or postgresql://host/database"


def sqlite_path(url: URL) -> Path | None:
    """The file of an SQLite URL; None: in memory."""
    return None if url.database in (None, "", ":memory:") else Path(url.database).expanduser()


class SqliteDatabase:
    """A file in WAL mode, or memory, which outlives ``close`` as an image and comes back with ``open``."""

    def __init__(self, path: Path | None, *, busy_timeout: float, schema: Schema = JOURNAL) -> None:
        self._path = path
        self._busy_timeout = busy_timeout
        self._schema = schema
        self._image: bytes | None = None
        self._connection: Connection | None = None
        self._begin = "BEGIN"

    @property
    def in_memory(self) -> bool:
        """Whether nothing of it waits for a disk or for others."""
        return self._path is None

    def open(self) -> None:
        exists = self._path is not None and sqlite_file.check(self._path)
        if self._path is not None and not exists:
            make_private(self._path)
        engine = create_engine(
            URL.create("sqlite", database=str(self._path) if self._path else None),
            poolclass=NullPool,
            paramstyle="named",
            connect_args={"timeout": self._busy_timeout, "check_same_thread": False},
        )
        event.listen(engine, "connect", self._prepare)
        event.listen(engine, "begin", self._on_begin)
        try:
            self._connection = engine.connect()
            with self.transaction("read") as connection:
                old = self._schema.needed(connection)
            if old:
                with self.transaction("write") as connection:
                    self._schema.migrate(connection)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, mode: Mode) -> Generator[Connection]:
        assert self._connection is not None
        self._begin = "BEGIN" if mode == "read" else "BEGIN IMMEDIATE"
        full = mode == "full" and self._path is not None
        if full:  # not within a transaction: SQLite ignores it there
            _raw(self._connection).execute("PRAGMA synchronous=FULL")
        try:
            with self._connection.begin():
                yield self._connection
            if self._connection.info.pop(SCRUB, False):  # as far as nobody reads them still
                self._connection.info[UNSCRUBBED] = not self.empty_log()
        finally:
            self._connection.info.pop(SCRUB, None)
            if full:
                _raw(self._connection).execute("PRAGMA synchronous=NORMAL")

    def empty_log(self) -> bool:
        """Leave nothing in the write-ahead log, where what was overwritten stands still.

        Not within a transaction. Returns False where another process reads what is there: try again later.
        """
        assert self._connection is not None
        if self._path is None:
            return True
        return not _raw(self._connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self._path is None:
                self._image = _raw(connection).serialize()
        finally:
            connection.close()
            connection.engine.dispose()

    def _prepare(self, raw: sqlite3.Connection, _record: object) -> None:
        raw.isolation_level = None  # transactions are begun by us: the driver would begin them too late
        if self._path is None:
            raw.execute("PRAGMA page_size=16384")  # bodies fill small pages badly, and here they take memory
            if self._image is not None:
                raw.deserialize(self._image)
        else:
            if not raw.execute("PRAGMA application_id").fetchone()[0]:
                raw.execute(
                    f"PRAGMA application_id={sqlite_file.APPLICATION_ID}"
                )  # before WAL: into the file
            raw.execute("PRAGMA journal_mode=WAL")
            raw.execute("PRAGMA synchronous=NORMAL")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA secure_delete=ON")  # what was redacted is overwritten

    def _on_begin(self, connection: Connection) -> None:
        raw = _raw(connection)
        if self._begin == "BEGIN" or self._path is None:
            raw.execute(self._begin)
        else:
            self._begin_to_write(raw)

    def _begin_to_write(self, raw: sqlite3.Connection) -> None:
        """Begin as soon as no other process writes. SQLite's own waiting sleeps up to a tenth of a second at
        a time, while others write for a few milliseconds."""
        until = time.monotonic() + self._busy_timeout
        raw.execute("PRAGMA busy_timeout=0")
        try:
            while True:
                try:
                    raw.execute(self._begin)
                except sqlite3.OperationalError as error:
                    if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                        raise
                    time.sleep(_LOOKS_AGAIN)
                else:
                    return
        finally:
            raw.execute(f"PRAGMA busy_timeout={round(self._busy_timeout * 1000)}")


class PostgresDatabase:
    """One connection to a server, made again when it was lost."""

    def __init__(self, url: URL, *, lock_timeout: float, schema: Schema = JOURNAL) -> None:
        wanted = {"connect_timeout": "10", "tcp_user_timeout": "15000", "application_name": "pilotman"}
        self._url = url.update_query_dict({k: v for k, v in wanted.items() if k not in url.query})
        self._lock_timeout = lock_timeout
        self._schema = schema
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self.in_memory = False

    def open(self) -> None:
        try:
            self._engine = create_engine(self._url, poolclass=NullPool, isolation_level="READ COMMITTED")
        except (ModuleNotFoundError, NoSuchModuleError) as error:
            raise ConfigurationError(
                "PostgreSQL needs its driver", hint='pip install "pilotman[postgres]"'
            ) from error
        try:
            with self.transaction("read") as connection:
                old = self._schema.needed(connection)
            if old:
                with self.transaction("write") as connection:
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({sqlite_file.APPLICATION_ID})")
                    self._schema.migrate(connection)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self, mode: Mode) -> Generator[Connection]:  # noqa: ARG002  # a server syncs every commit
        connection = self._connect()
        try:
            with connection.begin():
                yield connection
        except DBAPIError as error:
            if error.connection_invalidated:
                self._connection = None
                connection.close()
            raise

    def empty_log(self) -> bool:
        """A server's log is the server's."""
        return True

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if self._engine is not None:
            self._engine.dispose()

    def _connect(self) -> Connection:
        if self._connection is None:
            assert self._engine is not None
            connection = self._engine.connect()
            milliseconds = round(self._lock_timeout * 1000)
            connection.exec_driver_sql(f"SET lock_timeout = {milliseconds}")
            connection.commit()
            self._connection = connection
        return self._connection


def lock(connection: Connection, name: str) -> None:
    """One transaction at a time past here for each name. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK, {"name": name})


_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 0))")


def _raw(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)


def make_private(path: Path) -> None:
    """An empty file that only its owner can read, in folders that only its owner can open."""
    try:
        for folder in reversed(path.absolute().parents):
            if not folder.exists():
                folder.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise Unavailable(
            f"the journal {path} cannot be created: {error.strerror}",
            hint="check path and rights, or name another",
        ) from error


def translate(error: Exception, what: str = "the journal") -> PilotmanError | Exception:
    """A driver's error about ``what``, in terms of our error tree; others as they are."""
    if isinstance(error, sqlite3.Error):
        return translate_sqlite(error, what)
    if isinstance(error, JSONDecodeError | UnicodeDecodeError):  # we wrote neither such JSON nor such text
        return damaged(what, error)
    if isinstance(error, DataError | UnicodeEncodeError):
        return InvalidRequest("a value cannot be stored as it is", hint="use plain text and smaller numbers")
    if isinstance(error, IntegrityError):
        return Conflict(f"{what} refuses this: {error.orig}", hint="nothing of it was stored")
    if not isinstance(error, DBAPIError) or error.orig is None:
        return error
    if isinstance(error.orig, sqlite3.Error):
        return translate_sqlite(error.orig, what)
    state = getattr(error.orig, "sqlstate", None)
    if state is not None and state.startswith(_TOO_MUCH):
        return InvalidRequest("a value or a name is too long to be stored", hint="use shorter ones")
    if error.connection_invalidated or state is None or state[:2] in _SERVER_TROUBLE:
        said = " ".join(str(error.orig).split())
        return Unavailable(f"{what}'s database does not answer: {said}", hint=f"try again; {_KEPT}")
    return error


_KEPT = "what was stored before is kept; then resume the run (pilotman resume RUN)"
_SERVER_TROUBLE = frozenset({"08", "53", "55", "57", "58", "25", "40", "28", "3D", "XX"})
"""SQLSTATE classes: connection, resources, locks, intervention, system, deadlock, access, no database."""
_TOO_MUCH = "54"
"""The SQLSTATE class of what is beyond a server's limits, such as what fits into a row of an index."""


def translate_sqlite(error: sqlite3.Error, what: str = "the journal") -> PilotmanError | Exception:
    """An error of SQLite about ``what``, in terms of our error tree; others as they are."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB) or _DAMAGE.search(str(error)):
        return damaged(what, error)
    hint = _HINTS.get(code)
    if hint is None:
        return error
    return Unavailable(f"{what} cannot be written: {error}", hint=f"{hint}; {_KEPT}")


def damaged(what: str, error: Exception) -> CorruptJournal:
    """The error for something stored that is not as we wrote it."""
    return CorruptJournal(f"{what} is damaged: {error}", hint="restore it from a backup")


_DAMAGE = re.compile(r"^(Could not decode|no such (table|column)|table \w+ has no column|malformed)")
"""What SQLite says under a general code when a byte of a row or of the schema was changed."""
_HINTS = {
    sqlite3.SQLITE_FULL: "the disk is full: free some space",
    sqlite3.SQLITE_IOERR: "the disk is full or failing, or a limit on file sizes is in force",
    sqlite3.SQLITE_BUSY: "another process holds the journal for too long: try again",
    sqlite3.SQLITE_LOCKED: "another process holds the journal for too long: try again",
    sqlite3.SQLITE_CANTOPEN: "check path and rights",
    sqlite3.SQLITE_READONLY: "the file is read-only: check its rights",
    sqlite3.SQLITE_PERM: "check its rights",
    sqlite3.SQLITE_NOMEM: "memory is full",
}
