"""Ticket books: one ticket a key, tenants apart, whoever writes and however many at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.patience import PROCESS_PATIENCE

from pilotman.guardrails.errors import Unavailable
from pilotman.supervisor.teams import tickets
from pilotman.supervisor.teams.tickets import (
    MemoryTicketBook,
    NewTicket,
    SQLiteTicketBook,
    Ticket,
    TicketBook,
)

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


def new(key: str = "k", tenant: str = "acme", **fields: str) -> NewTicket:
    return NewTicket(tenant=tenant, key=key, run_id="run_1", title=fields.pop("title", "disk full"), **fields)


@pytest.fixture(params=["sqlite", "memory"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> TicketBook:
    if request.param == "memory":
        return MemoryTicketBook(clock=lambda: NOON)
    return SQLiteTicketBook(tmp_path / "sub" / "tickets.db", clock=lambda: NOON)


def test_a_ticket_is_written_down_and_found(book: TicketBook) -> None:
    ticket = book.create(new(body="all of it", severity="critical"))
    assert (ticket.ticket_id, ticket.status, ticket.created_at) == (
        "T-1",
        "open",
        "2026-11-18T12:00:00+00:00",
    )
    assert book.find(tenant="acme", key="k") == ticket
    assert book.tickets(tenant="acme") == [ticket]


def test_a_known_key_gives_back_its_first_ticket(book: TicketBook) -> None:
    first = book.create(new())
    assert book.create(new(title="other words")) == first
    assert len(book.tickets(tenant="acme")) == 1


def test_tenants_do_not_meet(book: TicketBook) -> None:
    mine, theirs = book.create(new()), book.create(new(tenant="other"))
    assert mine.ticket_id != theirs.ticket_id
    assert book.find(tenant="third", key="k") is None
    assert book.tickets(tenant="other") == [theirs]


def test_the_newest_come_first_and_the_list_is_bounded(book: TicketBook) -> None:
    for number in range(5):
        book.create(new(key=str(number)))
    assert [ticket.key for ticket in book.tickets(tenant="acme", limit=2)] == ["4", "3"]


def test_many_threads_with_one_key_write_one_ticket(book: TicketBook) -> None:
    def create(number: int) -> Ticket:
        return book.create(new(key=f"k{number % 2}"))

    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(create, range(64)))
    assert len({ticket.ticket_id for ticket in found}) == 2


def test_reading_a_book_that_was_never_written_creates_no_file(tmp_path: Path) -> None:
    book = SQLiteTicketBook(tmp_path / "none.db")
    assert book.tickets(tenant="acme") == []
    assert book.find(tenant="acme", key="k") is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_survives(tmp_path: Path) -> None:
    written = SQLiteTicketBook(tmp_path / "t.db").create(new())
    assert SQLiteTicketBook(tmp_path / "t.db").find(tenant="acme", key="k") == written


# The module alone: importing the whole room takes seconds, and the writers have to meet.
WRITER = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("tickets", sys.argv[1])
tickets = sys.modules["tickets"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tickets)
book = tickets.SQLiteTicketBook(sys.argv[2])
sys.stdin.read()
for number in range(10):
    book.create(tickets.NewTicket(tenant="acme", key=f"k{number}", run_id="r", title="t"))
"""


def test_processes_that_start_together_share_a_new_file(tmp_path: Path) -> None:
    path = tmp_path / "t.db"
    command = [sys.executable, "-c", WRITER, str(tickets.__file__), str(path)]
    writers = [subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(3)]
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.close()
    assert [writer.wait(PROCESS_PATIENCE) for writer in writers] == [0, 0, 0]
    assert len(SQLiteTicketBook(path).tickets(tenant="acme")) == 10


def corrupt(path: Path) -> None:
    path.write_bytes(b"this is not a database, but it is long enough to look at" * 50)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("spoil", [corrupt, folder])
def test_a_book_that_cannot_be_used_says_so_in_a_line(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    spoil(tmp_path / "t.db")
    book = SQLiteTicketBook(tmp_path / "t.db")
    for use in (lambda: book.create(new()), lambda: book.tickets(tenant="acme")):
        with pytest.raises(Unavailable, match="ticket book") as caught:
            use()
        assert "\n" not in str(caught.value)
