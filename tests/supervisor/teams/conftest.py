"""Real HTTP servers in this process, and what tools are called with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from pilotman.agents import ToolContext
from pilotman.guardrails import Principal


@dataclass
class Seen:
    """A request that a server got."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]] | None
"""Status, body (bytes as they are, else as JSON) and headers; None: hang up without an answer."""


@dataclass
class Served:
    """A running server: its root and the requests so far."""

    url: str
    requests: list[Seen] = field(default_factory=lambda: list[Seen]())


def handler(served: Served, answer: Callable[[Seen], Answer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            parts = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen = Seen(self.command, parts.path, query, headers, json.loads(raw) if raw else None)
            served.requests.append(seen)
            told = answer(seen)
            if told is None:
                self.close_connection = True
                return
            status, body, *more = told
            written = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            for name, value in (more[0] if more else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        do_GET = do_POST = do_DELETE = _any  # noqa: N815 (names of http.server)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    """Clients may hang up: that is part of the tests."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


Serve = Callable[[Callable[[Seen], Answer]], Served]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a server that answers by a function; stopped at the end of the test."""
    with ExitStack() as stack:

        def start(answer: Callable[[Seen], Answer]) -> Served:
            served = Served("")
            server = stack.enter_context(Server(("127.0.0.1", 0), handler(served, answer)))
            served.url = f"http://127.0.0.1:{server.server_address[1]}"
            thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return served

        yield start


@pytest.fixture
def ctx() -> ToolContext:
    return context()


def context(
    *, key: str = "run:run_1:tool:=1", user: str = "alice", tenant: str = "acme", run_id: str = "run_1"
) -> ToolContext:
    return ToolContext(
        run_id=run_id,
        principal=Principal(tenant=tenant, user=user),
        idempotency_key=key,
        deadline_at=datetime(2026, 11, 18, 7, tzinfo=UTC),
        credentials={},
        attempt=1,
    )


@pytest.fixture
def make_ctx() -> Callable[..., ToolContext]:
    """What a tool is given, for another user, tenant or key."""
    return context
