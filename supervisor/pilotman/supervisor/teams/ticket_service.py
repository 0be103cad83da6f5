"""A small ticket service over HTTP: what a real one does, and on command what one does on a bad day.

``python -m pilotman.supervisor.teams.ticket_service --port 0 --db tickets.db`` prints its address in a line.

    POST /tickets      body NewTicket without key; header Idempotency-Key -> 201 Ticket (200: known before)
    GET  /tickets      ?tenant=…[&key=…][&limit=…] -> [Ticket], the newest first
    GET  /stats        -> {"posts", "written", "dropped"}
    POST /control      {"drop_replies", "fail", "delay_ms"}: faults of the next posts

It is for tests and trials: it knows no users and listens on the loopback interface only.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pilotman.supervisor.teams.tickets import NewTicket, SQLiteTicketBook, Ticket

MAX_BODY = 65_536
_COPY = "#"


class Posted(BaseModel):
    """The body of a POST."""

    model_config = ConfigDict(strict=True, extra="forbid")

    tenant: Annotated[str, Field(min_length=1, max_length=200)]
    run_id: Annotated[str, Field(max_length=200)]
    title: Annotated[str, Field(min_length=1, max_length=500)]
    body: Annotated[str, Field(max_length=32_000)] = ""
    severity: Annotated[str, Field(max_length=20)] = "warning"


class Faults(BaseModel):
    """What goes wrong with the next posts: replies to drop after the commit, posts to fail before it."""

    model_config = ConfigDict(strict=True, extra="forbid")

    drop_replies: Annotated[int, Field(ge=0)] = 0
    fail: Annotated[int, Field(ge=0)] = 0
    delay_ms: Annotated[int, Field(ge=0, le=600_000)] = 0


@dataclass(eq=False)
class Desk:
    """The service without HTTP: a ticket book, its faults and its counts. With ``dedupe`` off, it writes a
    ticket for every post, as services without idempotency keys do."""

    book: SQLiteTicketBook
    dedupe: bool = True
    faults: Faults = field(default_factory=Faults)
    counts: dict[str, int] = field(default_factory=lambda: {"posts": 0, "written": 0, "dropped": 0})
    _lock: Lock = field(default_factory=Lock)

    def post(self, posted: Posted, key: str) -> tuple[Ticket, bool]:
        """The ticket, and whether it was written now.

        Raises:
            OSError: a post that was told to fail; nothing was written.
        """
        with self._lock:
            self.counts["posts"] += 1
            if self.faults.fail > 0:
                self.faults = self.faults.model_copy(update={"fail": self.faults.fail - 1})
                raise OSError("told to fail")
            key = key or uuid4().hex
            unique = key if self.dedupe else f"{key}{_COPY}{uuid4().hex}"
            known = self.book.find(tenant=posted.tenant, key=unique) is not None
            ticket = self.book.create(NewTicket(key=unique, **posted.model_dump()))
            self.counts["written"] += not known
            return replace(ticket, key=key), not known

    def drops(self) -> bool:
        """Whether the reply to the post that was just done gets lost."""
        with self._lock:
            if self.faults.drop_replies == 0:
                return False
            self.faults = self.faults.model_copy(update={"drop_replies": self.faults.drop_replies - 1})
            self.counts["dropped"] += 1
            return True

    def tickets(self, tenant: str, key: str | None, limit: int) -> list[Ticket]:
        found = self.book.tickets(tenant=tenant, limit=limit if key is None else 1_000_000)
        named = found if self.dedupe else [replace(t, key=t.key.rsplit(_COPY, 1)[0]) for t in found]
        return [ticket for ticket in named if key is None or ticket.key == key][:limit]


class Server(ThreadingHTTPServer):
    """A thread for each request; none of them keeps the process alive."""

    daemon_threads = True

    def __init__(self, desk: Desk, *, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.desk = desk

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    """One request."""

    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        desk, parts = self.server.desk, urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/stats":
            self._reply(200, desk.counts)
        elif parts.path == "/tickets" and "tenant" in query:
            limit = int(query["limit"]) if query.get("limit", "").isdecimal() else 100
            found = desk.tickets(query["tenant"], query.get("key"), limit)
            self._reply(200, [ticket.to_dict() for ticket in found])
        else:
            self._reply(404, {"error": "GET /tickets?tenant=… or /stats"})

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self._reply(413, {"error": f"a body of up to {MAX_BODY} bytes, please"})
            return
        body = self.rfile.read(int(length))
        try:
            if self.path == "/control":
                self.server.desk.faults = Faults.model_validate_json(body)
                self._reply(200, self.server.desk.faults.model_dump())
            elif self.path == "/tickets":
                self._ticket(Posted.model_validate_json(body))
            else:
                self._reply(404, {"error": "POST /tickets or /control"})
        except ValidationError as error:
            self._reply(
                422, {"error": error.errors(include_url=False, include_input=False, include_context=False)}
            )

    def _ticket(self, posted: Posted) -> None:
        desk = self.server.desk
        if desk.faults.delay_ms:
            time.sleep(desk.faults.delay_ms / 1000)
        try:
            ticket, new = desk.post(posted, self.headers.get("Idempotency-Key", ""))
        except OSError as error:
            self._reply(500, {"error": str(error)})
            return
        if desk.drops():
            self.close_connection = True
            return
        self._reply(201 if new else 200, ticket.to_dict())

    def _reply(self, status: int, body: Any) -> None:
        written = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(written)))
        self.end_headers()
        self.wfile.write(written)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the counts do."""


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="A small ticket service for tests and trials.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--db", type=Path, required=True, help="the SQLite file")
    parser.add_argument("--no-dedupe", action="store_true", help="write a ticket for every post")
    parser.add_argument("--drop-replies", type=int, default=0, metavar="N", help="of the first N posts")
    parser.add_argument("--fail", type=int, default=0, metavar="N", help="the first N posts with a 500")
    parser.add_argument("--delay-ms", type=int, default=0, help="before each post")
    options = parser.parse_args(argv)
    faults = Faults(drop_replies=options.drop_replies, fail=options.fail, delay_ms=options.delay_ms)
    desk = Desk(SQLiteTicketBook(options.db), dedupe=not options.no_dedupe, faults=faults)
    with Server(desk, port=options.port) as server:
        sys.stdout.write(f"listening on {server.url}\n")
        sys.stdout.flush()
        server.serve_forever()


if __name__ == "__main__":
    main()
