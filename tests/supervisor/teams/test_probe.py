"""HTTP probes: what was named may be looked at, and nothing else, however it is reached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pilotman.agents import Tool
from pilotman.guardrails.errors import ConfigurationError
from pilotman.supervisor.teams.diagnosis import probe_tools
from pilotman.supervisor.teams.probe import MAX_BODY, Probe

Serve = Callable[[Callable[[Any], Any]], Any]


def did(tool: Tool[..., Any], **args: Any) -> Any:
    """What the tool's function returns."""
    return tool.fn(**args)


def probe_of(*urls: str) -> Probe:
    return Probe([httpx.URL(url).netloc.decode() for url in urls])


def test_an_answer_is_told_with_its_status_and_time(serve: Serve) -> None:
    served = serve(lambda _: (503, b"busy"))
    (tool,) = probe_tools(probe_of(served.url))
    told = did(tool, url=f"{served.url}/health")
    assert (told["status"], told["bytes_read"], told["redirects"]) == (503, 4, [])
    assert told["summary"].startswith(f"{served.url}/health answered 503 in ")


@pytest.mark.parametrize(
    "url",
    [
        "http://other.example/",
        "http://shop.example:8080/",
        "https://shop.example:80/",
        "http://shop.example@other.example/",
        "http://user@shop.example/",
        "http://shop.example.other.example/",
        "ftp://shop.example/",
        "file:///etc/passwd",
        "//shop.example/",
        "shop.example",
        "http://",
        "http://[::1",
        "",
    ],
)
def test_what_is_not_on_the_list_is_not_asked(url: str) -> None:
    probe = Probe(["shop.example", "admin.example:8443"])
    assert probe.refusal(url)
    with pytest.raises(PermissionError):
        probe.get(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/",
        "https://SHOP.example./x?y",
        "https://admin.example:8443/",
        "http://shop.example:80/",
    ],
)
def test_what_is_on_the_list_is_not_refused(url: str) -> None:
    assert Probe(["Shop.example", "admin.example:8443"]).refusal(url) is None


def test_a_redirect_is_followed_within_the_list_only(serve: Serve) -> None:
    outside = serve(lambda _: (200, b"secret"))
    inside = serve(lambda seen: (200, b"here") if seen.path == "/b" else (302, b"", {"Location": "/b"}))
    leading_out = serve(lambda _: (302, b"", {"Location": outside.url}))
    probe = probe_of(inside.url, leading_out.url)
    followed = probe.get(f"{inside.url}/a")
    assert (followed["status"], followed["redirects"], followed["url"]) == (
        200,
        [f"{inside.url}/b"],
        f"{inside.url}/b",
    )
    stopped = probe.get(leading_out.url)
    assert stopped["status"] == 302
    assert "not on the allow-list" in stopped["redirect_not_followed"]
    assert outside.requests == []


def test_a_loop_of_redirects_ends(serve: Serve) -> None:
    served = serve(lambda _: (302, b"", {"Location": "/again"}))
    assert "more than" in probe_of(served.url).get(served.url)["redirect_not_followed"]
    assert len(served.requests) == 4


def test_a_large_body_is_left_unread(serve: Serve) -> None:
    served = serve(lambda _: (200, b"x" * (20 * MAX_BODY)))
    assert probe_of(served.url).get(served.url)["bytes_read"] < 10 * MAX_BODY


def test_a_host_that_does_not_answer_is_an_error(serve: Serve) -> None:
    served = serve(lambda _: None)
    with pytest.raises(httpx.HTTPError):
        probe_of(served.url).get(served.url)


@pytest.mark.parametrize("entry", ["", ":80", "http://shop.example", "shop.example/x", "shop.example:http"])
def test_an_entry_that_is_no_host_is_refused(entry: str) -> None:
    with pytest.raises(ConfigurationError):
        Probe([entry])
