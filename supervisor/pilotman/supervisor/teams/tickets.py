"""Ticket books: where tickets are written down, once for each key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol, TypeAlias

from pilotman.guardrails.errors import Unavailable

Severity: TypeAlias = Literal["critical", "error", "warning", "info", "none"]

_SCHEMA = """
create table if not exists ticket (
    number integer primary key autoincrement,
    tenant text not null,
    key text not null,
    run_id text not null,
    title text not null,
    body text not null,
    severity text not null,
    status text not null default 'open',
    created_at text not null,
    unique (tenant, key)
)
"""


@dataclass(frozen=True, kw_only=True)
class NewTicket:
    """What a ticket will say. ``key`` is the idempotency key of the write, unique within the tenant."""

    tenant: str
    key: str
    run_id: str
    title: str
    body: str = ""
    severity: str = "warning"


@dataclass(frozen=True, kw_only=True)
class Ticket(NewTicket):
    """A ticket that was written down. ``created_at`` is ISO 8601 in UTC."""

    ticket_id: str
    status: str
    created_at: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


class TicketBook(Protocol):
    """The port. Its methods may block: they are called from a thread, and from any."""

    def create(self, ticket: NewTicket, /) -> Ticket:
        """Write the ticket down; if its tenant's key is known, give back the ticket of that key."""
        ...

    def find(self, *, tenant: str, key: str) -> Ticket | None:
        """The tenant's ticket of this key."""
        ...

    def tickets(self, *, tenant: str, limit: int = 100) -> list[Ticket]:
        """The tenant's tickets, the newest first."""
        ...


class SQLiteTicketBook:
    """The default: a table in a file, written in WAL mode, shared by processes. Creates the file.

    Raises:
        Unavailable: from every method, if the file cannot be read or written; nothing was changed.
    """

    def __init__(self, path: str | Path, *, clock: Callable[[], datetime] | None = None) -> None:
        self.path = Path(path)
        self._clock = clock or (lambda: datetime.now(UTC))

    def create(self, ticket: NewTicket, /) -> Ticket:
        row = {**asdict(ticket), "created_at": self._clock().astimezone(UTC).isoformat()}
        names = list(row)
        with self._connection() as connection:
            connection.execute(
                f"insert into ticket ({', '.join(names)}) values ({', '.join(f':{n}' for n in names)})"  # noqa: S608 (names are our fields)
                " on conflict (tenant, key) do nothing",
                row,
            )
            written = self._select(connection, "tenant = ? and key = ?", (ticket.tenant, ticket.key))
        return written[0]

    def find(self, *, tenant: str, key: str) -> Ticket | None:
        if not self.path.exists():
            return None
        with self._connection() as connection:
            return next(iter(self._select(connection, "tenant = ? and key = ?", (tenant, key))), None)

    def tickets(self, *, tenant: str, limit: int = 100) -> list[Ticket]:
        if not self.path.exists():
            return []
        with self._connection() as connection:
            return self._select(connection, "tenant = ? order by number desc limit ?", (tenant, limit))

    @contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        """A connection for one operation: no thread, loop or forked process ever shares one."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=5.0)) as connection:
                connection.row_factory = sqlite3.Row
                connection.execute("pragma journal_mode = wal")
                connection.execute("pragma synchronous = full")
                with connection:
                    connection.execute(_SCHEMA)
                    yield connection
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"the ticket book {self.path} cannot be used: {error}") from error

    @staticmethod
    def _select(connection: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Ticket]:
        rows = connection.execute(f"select * from ticket where {where}", values)  # noqa: S608 (where is ours)
        return [_ticket(row) for row in rows]


class MemoryTicketBook:
    """A ticket book that lives as long as its process, for teams without a folder to write to."""

    def __init__(self, *, clock: Callable[[], datetime] | None = None) -> None:
        self._clock = clock or (lambda: datetime.now(UTC))
        self._tickets: dict[tuple[str, str], Ticket] = {}
        self._lock = Lock()

    def create(self, ticket: NewTicket, /) -> Ticket:
        with self._lock:
            return self._tickets.setdefault(
                (ticket.tenant, ticket.key),
                Ticket(
                    **asdict(ticket),
                    ticket_id=f"T-{len(self._tickets) + 1}",
                    status="open",
                    created_at=self._clock().astimezone(UTC).isoformat(),
                ),
            )

    def find(self, *, tenant: str, key: str) -> Ticket | None:
        return self._tickets.get((tenant, key))

    def tickets(self, *, tenant: str, limit: int = 100) -> list[Ticket]:
        mine = [ticket for ticket in self._tickets.copy().values() if ticket.tenant == tenant]
        return mine[::-1][:limit]


def _ticket(row: sqlite3.Row) -> Ticket:
    shared = {field.name: row[field.name] for field in fields(Ticket) if field.name != "ticket_id"}
    return Ticket(ticket_id=f"T-{row['number']}", **shared)
