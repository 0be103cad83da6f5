"""The log and the webhook: what they say, how it is signed, and what counts as told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from tests.patience import until
from tests.supervisor.scene import ONE, Desk, alice

from pilotman.agents.testing import call
from pilotman.guardrails import Approval, Principal
from pilotman.guardrails.errors import ConfigurationError
from pilotman.supervisor.notifiers import LogNotifier, WebhookNotifier

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def question(**fields: Any) -> Approval:
    values: dict[str, Any] = {
        "approval_id": "apr_1",
        "run_id": "run_1",
        "tool": "restart",
        "args": {"host": "web-\u202e1"},
        "question": 'May operator do restart(host="web-\\u202e1")?\n- more',
        "digest": "d" * 64,
        "reasons": ("irreversible",),
        "requested_by": Principal(tenant="ac\nme", user="alice"),
        "created_at": NOW,
        "expires_at": NOW + timedelta(days=2),
    }
    return Approval(**values | fields)


class Hook:
    """What arrived, and what is answered."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.url = ""


@contextmanager
def hook(status: int = 204) -> Generator[Hook]:
    """A web server that takes posts."""
    seen = Hook(status)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            seen.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(seen.status)
            if 300 <= seen.status < 400:
                self.send_header("location", "/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_port}/hook?key=hidden"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


async def test_the_webhook_posts_the_question_as_data() -> None:
    with hook() as seen:
        await WebhookNotifier(seen.url, headers={"authorization": "Bearer x"}).notify(question())
    ((headers, body),) = seen.got
    told = json.loads(body)
    assert (told["type"], told["data"]) == (
        "approval.requested",
        json.loads(json.dumps(question().to_dict())),
    )
    assert told["data"]["calls"][0]["shown"] == {"host": '"web-\\u202e1"'}
    assert (headers["content-type"], headers["authorization"]) == ("application/json", "Bearer x")
    assert headers["webhook-id"] == f"apr_1:{'d' * 16}"
    assert "webhook-signature" not in headers


@pytest.mark.parametrize("secret", ["plain words", "whsec_" + base64.b64encode(b"0123456789abcdef").decode()])
async def test_a_receiver_can_check_who_sent_it(secret: str) -> None:
    with hook() as seen:
        await WebhookNotifier(seen.url, secret=secret, clock=lambda: NOW).notify(question())
    ((headers, body),) = seen.got
    key = base64.b64decode(secret[6:]) if secret.startswith("whsec_") else secret.encode()
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_any_answer_but_a_yes_is_a_failure_and_redirects_are_not_followed(status: int) -> None:
    with hook(status) as seen:
        with pytest.raises(httpx.HTTPStatusError):
            await WebhookNotifier(seen.url).notify(question())
        assert len(seen.got) == 1


async def test_nobody_listens() -> None:
    with pytest.raises(httpx.ConnectError):
        await WebhookNotifier("http://127.0.0.1:1/", timeout=1.0).notify(question())


@pytest.mark.parametrize("url", ["", "ftp://x/y", "https://", "not a url"])
def test_a_url_that_is_none_is_refused_when_it_is_given(url: str) -> None:
    with pytest.raises(ConfigurationError):
        WebhookNotifier(url)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_%%%"])
def test_a_secret_that_is_none_is_refused_when_it_is_given(secret: str) -> None:
    with pytest.raises(ConfigurationError):
        WebhookNotifier("https://host/", secret=secret)


async def test_the_log_has_one_line_with_nothing_hidden(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="pilotman.questions"):
        await LogNotifier(level=logging.INFO).notify(question())
    (line,) = caplog.messages
    assert line == (
        "approval apr_1 of run_1 (ac\\u000ame) waits for a person until 2026-01-04T03:04+00:00: "
        'May operator do restart(host="web-\\u202e1")?; - more'
    )
    mine = logging.getLogger("mine")
    with caplog.at_level(logging.WARNING, logger="mine"):
        await LogNotifier(mine).notify(question())
    assert caplog.records[-1].name == "mine"


async def test_a_supervisor_tells_a_webhook_and_says_when_it_could_not() -> None:
    with hook(500) as seen:
        desk = Desk([call("open_ticket", title="disk")], notify=WebhookNotifier(seen.url, secret="s"))
        async with desk.team as team:
            run = await team.run("disk", principal=alice, plan=ONE)

            async def failed() -> bool:
                return bool((await team.get(run.run_id, principal=alice)).caveats[1:])

            await until(failed)
            caveats = (await team.get(run.run_id, principal=alice)).caveats
            assert any("HTTP 500" in caveat for caveat in caveats)
            assert "hidden" not in str(caveats), "a URL's query may hold a secret"
        assert json.loads(seen.got[0][1])["data"]["approval_id"] == run.pending[0].approval_id
