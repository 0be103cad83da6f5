"""A query of a database as a source."""

from __future__ import annotations

import sqlite3
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from uuid import UUID

from langchain_core.documents import Document
from sqlalchemy import (
    URL,
    ColumnClause,
    Connection,
    Engine,
    column,
    create_engine,
    event,
    literal_column,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.sql.selectable import Subquery

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import ConfigurationError, NotFound, Unavailable
from pilotman.guardrails.label import Label
from pilotman.guardrails.shape import is_storable
from pilotman.retrieval.blocking import off_loop
from pilotman.retrieval.sources.terms import LARGEST, Terms, moment, version_of

_BATCH = 1_000
"""Rows that are held at once while a listing runs."""

_KINDS: Mapping[type, Callable[[str], Any]] = {str: str, int: int, UUID: UUID}
"""Kinds of ids, and how each is read back from its text."""

_Pairs: TypeAlias = dict[str, str]


class SQLSource:
    """The rows of a query, each a document; ``id``, ``text``, ``version``, ``expires_at`` and ``owner`` name
    its columns.

    ``version`` changes whenever the row does (a revision, a time of change); without it every listing reads
    all texts and hashes them. The query stands inside others, as ``SELECT … FROM (query)``, so it can only
    read; besides, SQLite files are opened read-only, PostgreSQL and MySQL run read-only transactions, and
    nothing is ever committed. Ids are texts, whole numbers or UUIDs, each once.

    The URL is SQLAlchemy's, with a synchronous driver (``postgresql://`` takes psycopg). Names and messages
    never hold its user, password or parameters. ``max_age``: see ``Source``.

    Raises:
        ConfigurationError: no URL of a database, no driver for it, no query, or unclear readers.
    """

    def __init__(
        self,
        url: str,
        query: str,
        *,
        id: str,
        text: str,
        version: str | None = None,
        expires_at: str | None = None,
        owner: str | None = None,
        label: Label | None = None,
        readers: Iterable[str] | None = None,
        max_staleness: timedelta = timedelta(minutes=5),
        max_age: timedelta | None = None,
    ) -> None:
        if not (query := query.strip().rstrip(";").rstrip()):
            raise ConfigurationError("a source needs a query", hint='such as "select id, body from page"')
        self._columns = [name for name in (id, text, version, expires_at, owner) if name is not None]
        if len(set(self._columns)) < len(self._columns) or not all(self._columns):
            raise ConfigurationError(f"the columns {self._columns} are not different names")
        self._id, self._text, self._version = id, text, version
        self._expires_at, self._owner = expires_at, owner
        self._url = _parsed(url)
        self._engine = _engine(self._url)
        weakref.finalize(self, self._engine.dispose)
        self._query = query
        self._documents = _subquery(query, self._columns)
        self.name = _name(self._url)
        self.max_staleness = max_staleness
        self.max_age = max_age
        self._terms = Terms.of(readers, label)
        self.terms = self._terms.digest
        self._kind: Callable[[str], Any] | None = None

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        """Pairs of id and version, in the order of the query.

        Raises:
            ConfigurationError: the query cannot be run, lacks a column, or gives an id twice or none.
            Unavailable: the database gives no answer.
        """
        pairs = await off_loop(self._listing)
        for document_id, version in pairs.items():
            yield document_id, version

    async def fetch(self, document_id: str) -> Document:
        """The row's text as it is now.

        Raises:
            NotFound: no such row (any more).
            ConfigurationError: its text is none, or larger than 1 MiB.
            Unavailable: the database gives no answer.
        """
        return await off_loop(self._document, document_id)

    def _listing(self) -> _Pairs:
        pairs: _Pairs = {}
        wanted = [self._id] + ([self._version] if self._version else self._columns[1:])
        with self._reading() as connection:
            self._check(connection)
            rows = connection.execute(
                select(*(self._documents.c[name] for name in wanted)),
                execution_options={"stream_results": True, "yield_per": _BATCH},
            )
            for row in rows:
                document_id = self._read_id(row[0])
                if document_id in pairs:
                    raise ConfigurationError(
                        f"the query of {self.name} gives the id {visible(document_id, limit=80)!r} twice",
                        hint="ids name documents: each may come once",
                    )
                pairs[document_id] = self._read_version(tuple(row)[1:], document_id)
        return pairs

    def _document(self, document_id: str) -> Document:
        missing = NotFound(f"{visible(document_id, limit=80)} is not in {self.name}")
        with self._reading() as connection:
            kind = self._kind or self._probed(connection)
            try:
                value = kind(document_id)
            except ValueError:
                raise missing from None
            if str(value) != document_id or not is_storable(document_id):
                raise missing
            found = connection.execute(select(self._documents).where(self._documents.c[self._id] == value))
            row = found.mappings().first()
        if row is None:
            raise missing
        body = row[self._text]
        if not isinstance(body, str):
            raise ConfigurationError(f"its {self._text} is no text but {type(body).__name__}")
        if len(data := body.encode("utf-8", "surrogatepass")) > LARGEST:
            raise ConfigurationError("it is larger than 1 MiB")
        expires_at = row[self._expires_at] if self._expires_at else None
        return self._terms.document(
            body,
            source=document_id,
            version=version_of(data),
            revision=_written(row[self._version]) if self._version else None,
            expires_at=None if expires_at is None else moment(expires_at),
            owner=row[self._owner] if self._owner else None,
        )

    def _check(self, connection: Connection) -> None:
        """Whether the query gives the columns."""
        everything: ColumnClause[Any] = literal_column("*")
        all_columns = select(everything).select_from(_subquery(self._query, [])).limit(0)
        given = [str(name) for name in connection.execute(all_columns).keys()]  # noqa: SIM118  # not a mapping
        missing = [name for name in self._columns if name not in given]
        if missing:
            raise ConfigurationError(
                f"the query of {self.name} gives no column {', '.join(missing)}",
                hint=f"it gives {visible(', '.join(given))}",
            )

    def _probed(self, connection: Connection) -> Callable[[str], Any]:
        self._check(connection)
        first = connection.execute(select(self._documents.c[self._id]).limit(1)).first()
        if first is not None:
            self._read_id(first[0])
        return self._kind or str

    def _read_id(self, value: object) -> str:
        kind = next((known for known in _KINDS if type(value) is known), None)
        if kind is None or value == "":
            raise ConfigurationError(
                f"the query of {self.name} gives {visible(repr(value), limit=80)} as an id",
                hint="ids are texts, whole numbers or UUIDs: leave others out or cast them to text",
            )
        if self._kind is not None and self._kind is not _KINDS[kind]:
            raise ConfigurationError(
                f"the query of {self.name} gives ids of two kinds", hint="cast them to text"
            )
        self._kind = _KINDS[kind]
        return str(value)

    def _read_version(self, values: tuple[object, ...], document_id: str) -> str:
        if self._version is None:
            return version_of(*(_written(value).encode("utf-8", "surrogatepass") for value in values))
        if values[0] is None:
            raise ConfigurationError(
                f"{visible(document_id, limit=80)!r} of {self.name} has no {self._version}",
                hint="name a column that is never empty, or none: then texts are compared",
            )
        return _written(values[0])

    @contextmanager
    def _reading(self) -> Generator[Connection]:
        """A connection that only reads; what the database says becomes one line without secrets."""
        try:
            with self._engine.connect() as connection:
                yield connection
                connection.rollback()
        except DBAPIError as error:
            said = self._said(error.orig)
            if isinstance(error.orig, self._engine.dialect.loaded_dbapi.ProgrammingError) or _is_syntax(
                error.orig
            ):
                raise ConfigurationError(f"the query of {self.name} cannot be run: {said}") from None
            raise Unavailable(f"the database {self.name} gives no answer: {said}") from None
        except SQLAlchemyError as error:
            raise Unavailable(f"the database {self.name} gives no answer: {self._said(error)}") from None

    def _said(self, error: BaseException | None) -> str:
        said = str(error).strip().partition("\n")[0]
        secrets = [self._url.password, self._url.username, *_texts(self._url.query)]
        for secret in sorted((s for s in secrets if s), key=len, reverse=True):
            said = said.replace(secret, "***")
        return visible(said, limit=300) or type(error).__name__


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:  # its message may hold the password
        raise ConfigurationError("the URL is not one of a database", hint=_FORMS) from None
    if parsed.drivername in ("postgresql", "postgres"):
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed


_FORMS = "such as sqlite:///wiki.db or postgresql://host/wiki"


def _engine(url: URL) -> Engine:
    is_file = url.get_backend_name() == "sqlite"
    options: Mapping[str, Any] = {"poolclass": NullPool} if is_file else _POOL
    if is_file and (path := _file(url)) is not None:
        # Opened by hand: SQLite would make a missing file, and only this way cannot write.
        address = f"{path.absolute().as_uri()}?mode=ro"
        options = {**options, "creator": lambda: sqlite3.connect(address, uri=True, check_same_thread=False)}
    try:
        engine = create_engine(url, **options)
    except (NoSuchModuleError, ModuleNotFoundError, ArgumentError) as error:
        raise ConfigurationError(
            f"there is no driver for {url.drivername!r}: {type(error).__name__}", hint="install it; " + _FORMS
        ) from None
    if engine.dialect.is_async:
        raise ConfigurationError(
            f"{url.drivername!r} is an asynchronous driver", hint="name a synchronous one"
        )
    if is_file:
        event.listen(engine, "connect", _query_only)
    elif engine.dialect.name == "postgresql":
        return engine.execution_options(postgresql_readonly=True)
    elif engine.dialect.name in ("mysql", "mariadb"):
        event.listen(engine, "connect", _read_only_session)
    return engine


_POOL: Mapping[str, Any] = {
    "poolclass": QueuePool,
    "pool_size": 1,
    "max_overflow": 3,
    "pool_pre_ping": True,
    "pool_recycle": 600,
    "hide_parameters": True,
}


def _file(url: URL) -> Path | None:
    """The file of an SQLite URL; None: memory, or an address of SQLite's own."""
    name = url.database
    if not name or name == ":memory:" or name.startswith("file:"):
        return None
    return Path(name).expanduser()


def _query_only(raw: Any, _record: object) -> None:
    raw.execute("PRAGMA query_only=ON")


def _read_only_session(raw: Any, _record: object) -> None:
    with raw.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")


def _subquery(query: str, columns: Iterable[str]) -> Subquery:
    """The query as a table. Its colons are no parameters; a comment at its end does not reach further."""
    written = text(query.replace(":", "\\:") + "\n")
    named: Iterator[ColumnClause[Any]] = (column(name) for name in columns)
    return written.columns(*named).subquery("documents")


def _name(url: URL) -> str:
    """What the source is called: the database, without user, password and parameters."""
    database = (url.database or "memory").rstrip("/").rpartition("/")[2]
    return database if url.host is None else f"{url.host}/{database}"


def _written(value: object) -> str:
    """A value of a column as text."""
    if isinstance(value, bytes):
        return value.hex()
    return value.isoformat() if isinstance(value, date) else str(value)


def _texts(query: Mapping[str, str | tuple[str, ...]]) -> Generator[str]:
    for value in query.values():
        yield from (value,) if isinstance(value, str) else value


def _is_syntax(error: BaseException | None) -> bool:
    """Whether SQLite, which calls everything operational, means the query."""
    return isinstance(error, sqlite3.OperationalError) and error.sqlite_errorname == "SQLITE_ERROR"
