"""SQL for what every commit executes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, cast

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError


class Statement:
    """SQL text with ``?`` for values, ``postgresql`` where that says it in other words.

    On SQLite it goes past SQLAlchemy, whose results cost ten times what the database does.
    """

    def __init__(self, sql: str, *, postgresql: str | None = None) -> None:
        self._sqlite = sql
        self._postgresql = (postgresql or sql).replace("?", "%s")

    def rows(self, connection: Connection, *values: Any) -> Sequence[Sequence[Any]]:
        """All rows that it gives."""
        if connection.dialect.name == "sqlite":
            return _driver(connection).execute(self._sqlite, values).fetchall()
        return connection.exec_driver_sql(self._postgresql, values).all()

    def each(self, connection: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
        """Execute it for each of ``rows``.

        Raises:
            IntegrityError: the database refuses one.
        """
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql(self._postgresql, list(rows))
            return
        try:
            _driver(connection).executemany(self._sqlite, rows)
        except sqlite3.IntegrityError as error:
            raise IntegrityError(self._sqlite, None, error) from error


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.driver_connection)
