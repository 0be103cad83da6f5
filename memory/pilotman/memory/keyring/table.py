"""Keys in a table of a PostgreSQL database, for processes on many machines that share no folder.

A backup of that database holds the keys beside what they seal, and a server keeps the old bytes of a row in
its pages, log and archives for a while: with a master key kept elsewhere they say nothing. Name a folder, or
another database, to keep keys and content apart.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.guardrails.seal import Key, Subject, new_key
from pilotman.memory.keyring.master import Master, name
from pilotman.memory.storage.database import parse

T = TypeVar("T")
_MOST_KNOWN = 4096
_WANTED = {"connect_timeout": "10", "tcp_user_timeout": "15000", "application_name": "pilotman keys"}
"""A server that is gone is not waited for longer."""


class DatabaseKeys:
    """Keys in the table ``subject_keys``, by the digest of the subject. Constructing does no I/O.

    ``master`` wraps each secret; None: what ``PILOTMAN_MASTER_KEY`` says. What another process destroys holds
    here ``trusted_for`` seconds later: a round trip for each value would cost more than the run.
    """

    def __init__(self, url: str, master: Master | None = None, *, trusted_for: float = 0.05) -> None:
        """
        Raises:
            ConfigurationError: not a PostgreSQL URL, or ``PILOTMAN_MASTER_KEY`` holds no master key.
        """
        parsed = parse(url)
        self._url = parsed.update_query_dict({k: v for k, v in _WANTED.items() if k not in parsed.query})
        if self._url.get_backend_name() != "postgresql":
            raise ConfigurationError("keys lie in a folder or in PostgreSQL", hint="name a folder")
        self._master = Master.of_environment() if master is None else master
        self._trusted_for = trusted_for
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        self._known: dict[Subject, tuple[float, Key]] = {}

    def current(self, subject: Subject) -> Key:
        """The subject's key, committed before it is returned."""
        while True:
            key = self.find(subject)
            if key is not None:
                return key
            values = {"name": name(subject), "body": self._master.wrap(subject, new_key())}
            self._do(partial(_add, values))

    def find(self, subject: Subject) -> Key | None:
        """The subject's key."""
        now = time.monotonic()
        known = self._known.get(subject)
        if known is not None and now - known[0] < self._trusted_for:
            return known[1]
        body = self._do(
            lambda connection: connection.execute(_FIND, {"name": name(subject)}).scalar_one_or_none()
        )
        key = None if body is None else self._master.unwrap(subject, bytes(body))
        if key is None:
            self._known.pop(subject, None)
            return None
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[subject] = (now, key)
        return key

    def destroy(self, subject: Subject) -> bool:
        """Remove the key, committed before this returns."""
        self._known.pop(subject, None)
        said = {"name": name(subject)}
        gone = self._do(lambda connection: connection.execute(_REMOVE, said).rowcount)
        self._known.pop(subject, None)
        return bool(gone)

    def _do(self, work: Callable[[Connection], T]) -> T:
        """On the one connection, made again where it was lost. Every statement may be repeated."""
        with self._lock:
            for last in (False, True):
                try:
                    if self._connection is None:
                        self._connection = _connected(self._url.render_as_string(hide_password=False))
                    return work(self._connection)
                except DBAPIError as error:
                    self._close()
                    if last or not error.connection_invalidated:
                        what = f"the keys cannot be reached: {' '.join(str(error.orig).split())}"
                        raise Unavailable(what, hint="try again") from error
        raise AssertionError("unreachable")

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """Let the connection go. The next use makes another."""
        with self._lock:
            self._close()


def _add(values: Mapping[str, object], connection: Connection) -> None:
    connection.execute(_ADD, values)


def _connected(url: str) -> Connection:
    try:
        engine: Engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigurationError(
            "PostgreSQL needs its driver", hint='pip install "pilotman[postgres]"'
        ) from error
    connection = engine.connect()
    connection.execute(text("SET synchronous_commit = on"))
    if connection.execute(text("SELECT to_regclass('subject_keys')")).scalar_one() is None:
        connection.execute(_CREATE)  # a database without a journal
    return connection


_CREATE = text(
    "CREATE TABLE IF NOT EXISTS subject_keys ("
    "name TEXT NOT NULL, body BYTEA NOT NULL, CONSTRAINT pk_subject_keys PRIMARY KEY (name))"
)
_ADD = text("INSERT INTO subject_keys (name, body) VALUES (:name, :body) ON CONFLICT DO NOTHING")
_FIND = text("SELECT body FROM subject_keys WHERE name = :name")
_REMOVE = text("DELETE FROM subject_keys WHERE name = :name")
