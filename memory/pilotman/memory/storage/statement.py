"""SQL that is executed often, past most of SQLAlchemy: its results cost ten times what SQLite does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from sqlalchemy import Boolean, Connection, Delete, Dialect, Insert, Select, Table, Update, bindparam, insert
from sqlalchemy.exc import IntegrityError

Row: TypeAlias = dict[str, Any]
"""A row by the names of its columns."""


class Statement:
    """SQL text with ``?`` for values, ``postgresql`` where that says it in other words."""

    def __init__(self, sql: str, *, postgresql: str | None = None) -> None:
        self._sqlite = sql
        self._postgresql = (postgresql or sql).replace("?", "%s")

    def rows(self, connection: Connection, *values: Any) -> Sequence[Sequence[Any]]:
        """All rows that it gives."""
        if connection.dialect.name == "sqlite":
            return _driver(connection).execute(self._sqlite, values).fetchall()
        return connection.exec_driver_sql(self._postgresql, values).all()

    def each(self, connection: Connection, rows: Iterable[tuple[Any, ...]]) -> int:
        """Execute it for each of ``rows``. The number of the table's rows that were changed.

        Raises:
            IntegrityError: the database refuses one.
        """
        if connection.dialect.name != "sqlite":
            given = list(rows)
            # without any it would be executed once, without values
            return connection.exec_driver_sql(self._postgresql, given).rowcount if given else 0
        try:
            return _driver(connection).executemany(self._sqlite, rows).rowcount
        except sqlite3.IntegrityError as error:
            raise IntegrityError(self._sqlite, None, error) from error


class Query:
    """A statement of SQLAlchemy's, compiled once for each kind of database. Values go by their names."""

    def __init__(self, query: Select[*tuple[Any, ...]] | Insert | Update | Delete) -> None:
        self._query = query
        columns = query.selected_columns if isinstance(query, Select) else ()
        self._names = [str(column.key) for column in columns]
        self._flags = [str(column.key) for column in columns if isinstance(column.type, Boolean)]
        self._compiled: dict[str, tuple[str, Mapping[str, Any]]] = {}

    @classmethod
    def inserting(cls, table: Table, *names: str) -> Query:
        """One new row, of these columns."""
        return cls(insert(table).values({table.c[name]: bindparam(name) for name in names}))

    def rows(self, connection: Connection, values: Mapping[str, Any]) -> list[Row]:
        """All rows that it gives."""
        found = [dict(zip(self._names, row, strict=True)) for row in self.tuples(connection, values)]
        for row in found:
            for name in self._flags:  # SQLite has numbers only
                row[name] = None if row[name] is None else bool(row[name])
        return found

    def tuples(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """All rows as the driver gives them: columns in their order, of SQLite numbers for flags."""
        found: Sequence[Sequence[Any]] = self._execute(connection, values).fetchall()
        return found

    def one(self, connection: Connection, values: Mapping[str, Any]) -> Row | None:
        """The only row, or None: there is none."""
        found = self.rows(connection, values)
        return found[0] if found else None

    def value(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The first column of the first row, or None."""
        found = self._execute(connection, values).fetchone()
        return None if found is None else found[0]

    def run(self, connection: Connection, values: Mapping[str, Any]) -> int:
        """Change something. The number of rows that were changed.

        Raises:
            IntegrityError: the database refuses it.
        """
        return int(self._execute(connection, values).rowcount)

    def _execute(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        sql, own = self._text(connection.dialect)
        given = {**own, **values}
        if connection.dialect.name != "sqlite":
            return connection.exec_driver_sql(sql, given)
        try:
            return _driver(connection).execute(sql, given)
        except sqlite3.IntegrityError as error:
            raise IntegrityError(sql, None, error) from error

    def _text(self, dialect: Dialect) -> tuple[str, Mapping[str, Any]]:
        """The SQL, and the values that stand in the statement itself."""
        known = self._compiled.get(dialect.name)
        if known is None:
            compiled = self._query.compile(dialect=dialect)
            own = {name: value for name, value in compiled.params.items() if value is not None}
            known = self._compiled[dialect.name] = (str(compiled), own)
        return known


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)
