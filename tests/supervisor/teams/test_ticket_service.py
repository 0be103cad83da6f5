"""The ticket service in another process: keys hold, and its bad days are those that were ordered."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx
import pytest

from pilotman.supervisor.teams.ticket_client import HTTPTicketBook
from pilotman.supervisor.teams.ticket_service import Desk, Faults, Server
from pilotman.supervisor.teams.tickets import NewTicket, SQLiteTicketBook


@dataclass
class Running:
    """A service: its root and its file."""

    url: str
    db: Path

    @property
    def stats(self) -> dict[str, int]:
        counts: dict[str, int] = httpx.get(f"{self.url}/stats").json()
        return counts

    def written(self) -> int:
        return len(SQLiteTicketBook(self.db).tickets(tenant="acme", limit=1_000))


@contextmanager
def service(folder: Path, *options: str) -> Generator[Running]:
    command = [sys.executable, "-m", "pilotman.supervisor.teams.ticket_service", "--port", "0"]
    with subprocess.Popen(
        [*command, "--db", str(folder / "t.db"), *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:")
            yield Running(line.split()[-1], folder / "t.db")
        finally:
            process.kill()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with service(tmp_path_factory.mktemp("service"), "--delay-ms", "1") as running:
        yield running


def new(key: str, title: str = "disk full") -> NewTicket:
    return NewTicket(tenant="acme", key=key, run_id="run_1", title=title, body="b", severity="critical")


def order(running: Running, **faults: int) -> None:
    httpx.post(f"{running.url}/control", json=faults).raise_for_status()


def test_a_ticket_goes_there_and_back(healthy: Running) -> None:
    book = HTTPTicketBook(healthy.url)
    ticket = book.create(new("there and back: =/%"))
    assert (ticket.title, ticket.severity, ticket.key) == ("disk full", "critical", "there and back: =/%")
    assert book.find(tenant="acme", key="there and back: =/%") == ticket
    assert book.find(tenant="other", key="there and back: =/%") is None
    assert ticket in book.tickets(tenant="acme")


def test_the_same_key_twice_is_one_ticket(healthy: Running) -> None:
    book = HTTPTicketBook(healthy.url)
    before = healthy.written()
    assert book.create(new("twice")) == book.create(new("twice", "in other words"))
    assert healthy.written() == before + 1


def test_a_dropped_reply_is_an_error_after_the_commit(healthy: Running) -> None:
    book = HTTPTicketBook(healthy.url)
    order(healthy, drop_replies=1)
    with pytest.raises(httpx.RemoteProtocolError):
        book.create(new("dropped"))
    found = book.find(tenant="acme", key="dropped")
    assert found is not None
    assert book.create(new("dropped")) == found


def test_a_failed_post_writes_nothing(healthy: Running) -> None:
    book = HTTPTicketBook(healthy.url)
    order(healthy, fail=1)
    with pytest.raises(httpx.HTTPStatusError) as caught:
        book.create(new("failed"))
    assert caught.value.response.status_code == 500
    assert book.find(tenant="acme", key="failed") is None


def test_a_delay_is_longer_than_patience(healthy: Running) -> None:
    order(healthy, delay_ms=60_000)
    with pytest.raises(httpx.ReadTimeout):
        HTTPTicketBook(healthy.url, timeout=0.2).create(new("late"))
    order(healthy)


def test_a_service_without_keys_writes_a_ticket_for_every_post(tmp_path: Path) -> None:
    desk = Desk(SQLiteTicketBook(tmp_path / "t.db"), dedupe=False, faults=Faults(drop_replies=1))
    with Server(desk) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running = Running(server.url, tmp_path / "t.db")
        book = HTTPTicketBook(running.url)
        with pytest.raises(httpx.RemoteProtocolError):
            book.create(new("k"))
        book.create(new("k"))
        assert running.stats == {"posts": 2, "written": 2, "dropped": 1}
        assert running.written() == 2
        found = book.find(tenant="acme", key="k")
        assert found is not None
        assert found.key == "k"
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/tickets", {"title": "no tenant"}, 422),
        ("/tickets", {"tenant": "acme", "run_id": "r", "title": "t", "admin": True}, 422),
        ("/control", {"drop_replies": -1}, 422),
        ("/elsewhere", {}, 404),
        ("/tickets", {"tenant": "acme", "run_id": "r", "title": "t", "body": "x" * 70_000}, 413),
    ],
)
def test_what_it_does_not_take_it_refuses(
    healthy: Running, path: str, body: dict[str, object], status: int
) -> None:
    assert httpx.post(f"{healthy.url}{path}", json=body).status_code == status


def test_a_service_that_is_gone_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(httpx.ConnectError):
        HTTPTicketBook(url).create(new("k"))
