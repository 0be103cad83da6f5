"""Calls of configured services: bounded in size and time, and honest about what came back."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import httpx
import pytest
from tests.patience import PATIENCE, in_time

from pilotman.guardrails.errors import ConfigurationError
from pilotman.supervisor.teams.endpoint import MAX_BODY, Endpoint

Serve = Callable[[Callable[[Any], Any]], Any]


def test_a_call_carries_what_it_was_given(serve: Serve) -> None:
    served = serve(lambda _: (200, {"ok": True}))
    endpoint = Endpoint(f"{served.url}/", headers={"Authorization": "Bearer x"})
    assert endpoint.call("POST", "a/b", params={"q": "ü &"}, body={"c": 1}, headers={"X-Key": "k"}) == {
        "ok": True
    }
    seen = served.requests[0]
    assert (seen.method, seen.path, seen.query, seen.body) == ("POST", "/a/b", {"q": "ü &"}, {"c": 1})
    assert (seen.headers["authorization"], seen.headers["x-key"]) == ("Bearer x", "k")


def test_an_empty_answer_is_none(serve: Serve) -> None:
    assert Endpoint(serve(lambda _: (200, b"")).url).call("DELETE", "x") is None


def test_an_error_quotes_the_service_and_keeps_its_retry_after(serve: Serve) -> None:
    served = serve(lambda _: (429, {"error": "slow down"}, {"Retry-After": "7"}))
    with pytest.raises(httpx.HTTPStatusError) as caught:
        Endpoint(served.url).call("GET", "x")
    assert "slow down" in caught.value.response.text
    assert caught.value.response.headers["retry-after"] == "7"


def test_a_redirect_is_not_followed(serve: Serve) -> None:
    other = serve(lambda _: (200, {}))
    with pytest.raises(httpx.HTTPStatusError):
        Endpoint(serve(lambda _: (302, b"", {"Location": other.url})).url).call("GET", "x")
    assert other.requests == []


@pytest.mark.parametrize("body", [b"<html>", b"{", b"\xff", b" " * (MAX_BODY + 1)])
def test_an_answer_that_is_not_json_or_too_large_is_refused(serve: Serve, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"larger|Expecting|decode|column"):
        Endpoint(serve(lambda _: (200, body)).url).call("GET", "x")


def test_a_server_that_drips_is_left_in_time() -> None:
    def drip(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n")
            try:
                for _ in range(600):
                    connection.sendall(b" ")
                    time.sleep(0.1)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = Thread(target=drip, args=(server,), daemon=True)
        thread.start()
        with in_time(), pytest.raises(httpx.ReadTimeout):
            Endpoint(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.3).call("GET", "x")
        thread.join(PATIENCE)


@pytest.mark.parametrize("url", ["", "prometheus:9090", "ftp://host", "http://", "/path"])
def test_what_is_no_url_is_refused_when_it_is_configured(url: str) -> None:
    with pytest.raises(ConfigurationError):
        Endpoint(url)
