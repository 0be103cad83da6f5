"""Where parked graphs lie: beside the journal, opened at the first use."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.base import SerializerProtocol
from sqlalchemy import URL

from pilotman.guardrails.errors import ConfigurationError, Unavailable
from pilotman.memory.storage.database import make_private, parse, sqlite_path, translate_sqlite

Saver: TypeAlias = BaseCheckpointSaver[str]
Opener: TypeAlias = Callable[[], AbstractAsyncContextManager[Saver]]

_SETUP_ATTEMPTS = 10


class CheckpointStore:
    """A saver that is opened when it is first asked for, between ``start`` and ``aclose``."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._saver: Saver | None = None
        self._stack = AsyncExitStack()
        self._opening: asyncio.Lock | None = None

    def start(self) -> None:
        if self._opening is None:
            self._opening = asyncio.Lock()

    async def aclose(self) -> None:
        self._saver = self._opening = None
        await self._stack.aclose()

    @property
    def opened(self) -> Saver | None:
        return self._saver

    async def saver(self) -> Saver:
        """The open saver.

        Raises:
            ConfigurationError: the memory is not started.
            Unavailable, CorruptJournal: the store cannot be opened.
        """
        if self._saver is not None:
            return self._saver
        if self._opening is None:
            raise ConfigurationError("the memory is not started", hint="await start(), or use async with")
        async with self._opening:
            if self._saver is None:
                with storage_errors():
                    self._saver = await self._stack.enter_async_context(self._opener())
        return self._saver


async def threads(saver: Saver, under: str) -> list[str]:
    """The threads in a store whose names begin with ``under`` and a slash."""
    if isinstance(saver, InMemorySaver):
        return sorted(name for name in saver.storage if name.startswith(f"{under}/"))
    # both of LangGraph's savers name table and column so; listing checkpoints would read all of them
    query = "SELECT DISTINCT thread_id FROM checkpoints WHERE thread_id >= {} AND thread_id < {}"
    between = (f"{under}/", f"{under}0")  # the character after the slash
    connection: Any = vars(saver)["conn"]
    if hasattr(connection, "execute_fetchall"):
        return [name for (name,) in await connection.execute_fetchall(query.format("?", "?"), between)]
    async with connection.connection() as lent:
        found = await lent.execute(query.format("%s", "%s"), between)
        return [row["thread_id"] for row in await found.fetchall()]


async def holding(saver: Saver, sign: bytes, word: str) -> list[str]:
    """The threads in a store in which something is stored that holds the sign, or as text the word. The store
    looks at the bytes of all that it has; nothing is read from it."""
    signs = [sign, word.encode()]
    if isinstance(saver, InMemorySaver):
        blobs = ((key[0], body) for key, (_, body) in saver.blobs.items())
        writes = ((key[0], row[2][1]) for key, rows in saver.writes.items() for row in rows.values())
        return sorted({name for name, body in chain(blobs, writes) if any(one in body for one in signs)})
    connection: Any = vars(saver)["conn"]
    if hasattr(connection, "execute_fetchall"):
        return sorted(name for (name,) in await connection.execute_fetchall(_LITE, signs * 2))
    async with connection.connection() as lent:
        found = await lent.execute(_GRES, [*signs, *signs, word])
        return sorted(row["thread_id"] for row in await found.fetchall())


_LITE = (
    "SELECT thread_id FROM checkpoints WHERE instr(checkpoint, ?) > 0 OR instr(checkpoint, ?) > 0"
    " UNION SELECT thread_id FROM writes WHERE instr(value, ?) > 0 OR instr(value, ?) > 0"
)
_GRES = (
    "SELECT thread_id FROM checkpoint_blobs WHERE position(%s in blob) > 0 OR position(%s in blob) > 0"
    " UNION"
    " SELECT thread_id FROM checkpoint_writes WHERE position(%s in blob) > 0 OR position(%s in blob) > 0"
    " UNION SELECT thread_id FROM checkpoints WHERE position(%s in checkpoint::text) > 0"
)
"""Where LangGraph's savers keep what a graph said; short plain values stand in the checkpoint itself."""


def opener(url: str, serde: SerializerProtocol) -> Opener:
    """How to open the checkpoints that belong to a journal's URL: its file's neighbour or the same server."""
    parsed = parse(url)
    if parsed.get_backend_name() == "postgresql":
        return lambda: _postgres(parsed, serde)
    path = sqlite_path(parsed)
    if path is None:
        kept = InMemorySaver(serde=serde)
        return lambda: _memory(kept)
    return lambda: _sqlite(checkpoint_path(path), serde)


def checkpoint_path(journal: Path) -> Path:
    """``desk.db`` has its checkpoints in ``desk.checkpoints.db``."""
    return journal.with_name(f"{journal.stem}.checkpoints{journal.suffix or '.db'}")


@asynccontextmanager
async def _memory(kept: InMemorySaver) -> AsyncGenerator[Saver]:
    yield kept


@asynccontextmanager
async def _sqlite(path: Path, serde: SerializerProtocol) -> AsyncGenerator[Saver]:
    import aiosqlite
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    make_private(path)
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA secure_delete=ON")  # what was dropped is overwritten
        saver = AsyncSqliteSaver(connection, serde=serde)
        await saver.setup()
        yield saver


@asynccontextmanager
async def _postgres(url: URL, serde: SerializerProtocol) -> AsyncGenerator[Saver]:
    try:
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg import AsyncConnection, Error
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "PostgreSQL needs its driver", hint='pip install "pilotman[postgres]"'
        ) from error
    conninfo = url.set(drivername="postgresql").render_as_string(hide_password=False)
    pool: AsyncConnectionPool[AsyncConnection[dict[str, Any]]] = AsyncConnectionPool(
        conninfo,
        min_size=1,
        max_size=4,
        open=False,
        connection_class=cast("type[AsyncConnection[dict[str, Any]]]", AsyncConnection),
        kwargs={"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row},
        check=_check,
    )
    async with pool:
        saver = AsyncPostgresSaver(pool, serde=serde)
        for attempt in range(_SETUP_ATTEMPTS):
            try:
                await saver.setup()
                break
            except Error:  # another process sets the same tables up at the same time
                if attempt == _SETUP_ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.05 * (attempt + 1))
        yield saver


async def _check(connection: Any) -> None:
    """A connection that the server has dropped is not lent again."""
    await connection.execute("")


@contextmanager
def storage_errors() -> Generator[None]:
    """Drivers' errors in terms of our error tree."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate_sqlite(error, "the checkpoint store") from error
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("psycopg", "psycopg_pool"):
            raise Unavailable(
                f"the checkpoint store does not answer: {' '.join(str(error).split())}", hint="try again"
            ) from error
        raise
