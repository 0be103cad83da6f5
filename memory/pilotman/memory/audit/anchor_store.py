"""Where anchors are kept: a file, another database, or a stream that something else takes away."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.memory.storage.database import parse


class AnchorStore(Protocol):
    """Keeps lines, the anchors of one journal, in their order. Called from any thread, one at a time."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    def append(self, line: str) -> None:
        """Keep one more; when it returns, it is kept.

        Raises:
            Unavailable: it could not be kept.
        """
        ...

    def lines(self) -> Iterator[str]:
        """All that are kept.

        Raises:
            Unavailable: they cannot be read.
        """
        ...


def anchor_store(place: str | Path) -> AnchorStore:
    """The store at a place: ``-`` for standard output (and input), a database's URL, or else a file.

    Raises:
        ConfigurationError: not a URL of a database that we can reach.
    """
    if place == "-":
        return AnchorStream()
    return AnchorTable(str(place)) if "://" in str(place) else AnchorFile(Path(place))


class AnchorFile:
    """A file of lines (JSON Lines) to which lines are added. Several processes may share it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        return str(self._path)

    def append(self, line: str) -> None:
        with self._told():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a+b", buffering=0) as file:
                raw = f"{self._rest(file.fileno())}{line}\n".encode()
                if file.write(raw) != len(raw):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())

    def lines(self) -> Iterator[str]:
        with self._told(), self._path.open(encoding="utf-8", errors="replace") as file:
            yield from file

    def _rest(self, file: int) -> str:
        """What ends the last line: a full disk may have left half of one, which must not spoil the next."""
        size = os.lseek(file, 0, os.SEEK_END)
        if not size:
            return ""
        os.lseek(file, size - 1, os.SEEK_SET)
        return "" if os.read(file, 1) == b"\n" else "\n"

    @contextmanager
    def _told(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            what = f"anchors in {self.name}: {error.strerror}"
            raise Unavailable(what, hint="check path, rights and disk") from error


class AnchorTable:
    """A table ``pilotman_anchors`` in a database other than the journal's, by SQLAlchemy's URL."""

    def __init__(self, url: str) -> None:
        try:
            self._engine = sa.create_engine(_url(url), poolclass=NullPool)
        except (ArgumentError, ModuleNotFoundError, NoSuchModuleError) as error:
            hint = "give the URL of a database, and install its driver"
            raise ConfigurationError(f"anchors cannot be kept in {url}: {error}", hint=hint) from error
        if self._engine.dialect.name == "sqlite" and not self._engine.url.database:
            raise ConfigurationError("anchors in memory are gone with it", hint="name a file")

    @property
    def name(self) -> str:
        return self._engine.url.render_as_string(hide_password=True)

    def append(self, line: str) -> None:
        with self._connected() as connection:
            _ANCHORS.create(connection, checkfirst=True)
            connection.execute(sa.insert(_ANCHORS).values(anchor=line))

    def lines(self) -> Iterator[str]:
        with self._connected() as connection:
            if sa.inspect(connection).has_table(_ANCHORS.name):
                kept = sa.select(_ANCHORS.c.anchor).order_by(_ANCHORS.c.number)
                yield from connection.execute(kept.execution_options(yield_per=1000)).scalars()

    @contextmanager
    def _connected(self) -> Generator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            what = " ".join(str(getattr(error, "orig", None) or error).split())
            hint = "check that the database can be reached and written"
            raise Unavailable(f"anchors in {self.name}: {what}", hint=hint) from error


def _url(url: str) -> sa.URL:
    """With our drivers where the journal could live there, too; others as they are."""
    try:
        return parse(url)
    except ConfigurationError:
        return sa.make_url(url)


_ANCHORS = sa.Table(
    "pilotman_anchors",
    sa.MetaData(),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("anchor", sa.Text, nullable=False),
)


class AnchorStream:
    """Standard output, for a log shipper; what it has collected is read from standard input."""

    name = "stdio"

    def append(self, line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    def lines(self) -> Iterator[str]:
        yield from sys.stdin
