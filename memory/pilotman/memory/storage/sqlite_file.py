"""Is this file a journal of ours and whole? Looks without changing a byte."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from pilotman.guardrails.errors import CorruptJournal, Unavailable
from pilotman.memory.storage.migration import check_revision

APPLICATION_ID = 0x504C544D
"""``PLTM``, in the file's header (SQLite's application id)."""
_MAGIC = b"SQLite format 3\x00"
_CHECKED_WHOLE = 64 * 2**20
"""Bytes. Up to this size every page is looked at (about 0.1 s); of larger files header and schema only."""


def check(path: Path) -> bool:
    """Whether there is a journal at ``path`` already; False: nothing is there, or an empty file.

    Raises:
        CorruptJournal: the file is damaged, or not a journal of this or an older version.
        Unavailable: it cannot be read.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = file.read(100)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unavailable(
            f"the journal {path} cannot be read: {error.strerror}", hint="check path and rights"
        ) from error
    if size == 0:
        return False
    _check_header(path, header, size)
    _check_content(path, whole=size <= _CHECKED_WHOLE)
    return True


def _has_wal(path: Path) -> bool:
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size > 0
    except FileNotFoundError:
        return False


def corrupt(path: Path, what: str) -> CorruptJournal:
    """The error for a file that is not a whole journal of ours."""
    return CorruptJournal(
        f"{path} {what}; it was left untouched", hint="restore it from a backup, or name another file"
    )


def _check_header(path: Path, header: bytes, size: int) -> None:
    if len(header) < 100 or not header.startswith(_MAGIC):
        raise corrupt(path, "is not a journal")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise corrupt(path, "is another program's database")
    page = int.from_bytes(header[16:18], "big")
    whole = (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")
    counted = header[24:28] == header[92:96]  # else the header's page count is out of date
    if not counted or size >= whole or _has_wal(path):
        return
    size = path.stat().st_size  # the log may have just been written back by another process
    if size < whole:
        raise corrupt(path, f"is cut off: {size} bytes of {whole}")


def _check_content(path: Path, *, whole: bool) -> None:
    """Read pages and revision. Where no log is present, in a way that creates none."""
    alone = not _has_wal(path)
    try:
        _read(path, whole=whole, immutable=alone)
    except (sqlite3.DatabaseError, CorruptJournal):
        if not (alone and _has_wal(path)):
            raise
        _read(path, whole=whole, immutable=False)  # another process has opened it since we looked


def _read(path: Path, *, whole: bool, immutable: bool) -> None:
    uri = f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
    try:
        with closing(sqlite3.connect(uri, uri=True, timeout=5.0)) as connection:
            if whole:
                verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if verdict != "ok":
                    raise corrupt(path, f"is damaged: {verdict}")
            tables = {
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            if "alembic_version" not in tables:
                return
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise corrupt(path, f"is damaged: {error}") from error
        raise Unavailable(
            f"the journal {path} cannot be read: {error}", hint="check rights and disk"
        ) from error
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise corrupt(path, f"is damaged: {error}") from error
    check_revision(row[0] if row else None)
