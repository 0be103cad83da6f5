from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from tests.patience import in_time

from pilotman.guardrails.errors import ConfigurationError, NotFound, Unavailable
from pilotman.retrieval import Corpus, HTTPSource

pytestmark = pytest.mark.anyio

URL = "https://wiki.example/feed.json"
ITEMS = [{"id": "a", "text": "The disk is full."}, {"id": "b", "text": "The queue is long."}]


class Server:
    """Answers by address; what is asked stays in ``asked``."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Callable[[httpx.Request], httpx.Response]] = {}
        self.asked: list[httpx.Request] = []

    def at(self, url: str, answer: httpx.Response | Callable[[httpx.Request], httpx.Response]) -> Server:
        self.answers[url] = answer if callable(answer) else lambda _request: answer
        return self

    def feed(self, items: Any = ITEMS, **headers: str) -> Server:
        return self.at(URL, lambda _: httpx.Response(200, json=items, headers=dashed(headers)))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answers[str(request.url)](request)

    def source(self, url: str = URL, **more: Any) -> HTTPSource:
        return HTTPSource(url, transport=httpx.MockTransport(self), **more)


def dashed(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


async def listed(source: HTTPSource) -> dict[str, str]:
    return {document_id: version async for document_id, version in source.list()}


async def test_items_are_documents_with_their_labels() -> None:
    item = {"id": "a", "text": "x", "version": "r1", "url": "https://wiki.example/a"}
    source = (
        Server().feed([item | {"expires_at": "2026-01-05T12:00:00+02:00"}]).source(readers=["tenant:acme"])
    )
    assert list(await listed(source)) == ["a"]
    document = await source.fetch("a")
    assert document.page_content == "x"
    assert document.metadata["revision"] == "r1"
    assert document.metadata["url"] == "https://wiki.example/a"
    assert document.metadata["expires_at"] == "2026-01-05T10:00:00+00:00"
    assert document.metadata["readers"] == ["tenant:acme"]
    assert document.metadata["trusted"] is False


async def test_what_did_not_change_is_not_sent_again() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.headers.get("if-none-match") == '"1"':
            return httpx.Response(304)
        return httpx.Response(200, json=ITEMS, headers={"etag": '"1"', "last-modified": "yesterday"})

    server = Server().at(URL, answer)
    source = server.source()
    before = await listed(source)
    assert await listed(source) == before
    assert "if-none-match" not in server.asked[0].headers
    assert server.asked[1].headers["if-modified-since"] == "yesterday"
    assert (await source.fetch("a")).page_content == "The disk is full."


async def test_each_page_of_a_feed_is_asked_for_by_its_own_tag() -> None:
    version = "https://jsonfeed.org/version/1.1"
    texts = {"1": "one", "2": "two"}

    def page(request: httpx.Request) -> httpx.Response:
        number = request.url.params.get("page", "1")
        if request.headers.get("if-none-match") == texts[number]:
            return httpx.Response(304)
        more = {"next_url": "?page=2"} if number == "1" else {}
        items = [{"id": number, "content_text": texts[number]}]
        return httpx.Response(
            200, json={"version": version, "items": items, **more}, headers={"etag": texts[number]}
        )

    server = Server().at(URL, page).at(f"{URL}?page=2", page)
    source = server.source()
    before = await listed(source)
    assert list(before) == ["1", "2"]
    texts["2"] = "changed behind an unchanged first page"
    after = await listed(source)
    assert (after["1"] == before["1"], after["2"] == before["2"]) == (True, False)


async def test_a_page_that_leads_back_to_itself_ends() -> None:
    body = {"version": "https://jsonfeed.org/version/1", "items": ITEMS, "next_url": URL}
    with in_time():
        assert len(await listed(Server().feed(body).source())) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(500), "answers 500"),
        (httpx.Response(404), "answers 404"),
        (httpx.Response(410), "answers 410"),
        (httpx.Response(204), "answers 204"),
        (httpx.Response(304), "answers 304"),
        (httpx.Response(200, json=[]), "is empty; it had 2 documents before"),
    ],
)
async def test_a_failure_deletes_nothing(answer: httpx.Response, said: str) -> None:
    server = Server().feed()
    source = server.source()
    corpus = Corpus([source], embedding=None)
    assert (await corpus.reconcile())["added"] == 2
    server.at(URL, answer)
    with pytest.raises(Unavailable, match=said):
        await corpus.reconcile()
    server.feed()
    assert await corpus.reconcile() == {"added": 0, "updated": 0, "deleted": 0}


async def test_an_empty_feed_is_believed_where_that_is_meant() -> None:
    server = Server().feed()
    source = server.source(allow_empty=True)
    await listed(source)
    server.feed([])
    assert await listed(source) == {}
    with pytest.raises(NotFound):
        await source.fetch("a")


async def test_a_feed_that_is_none_is_no_empty_one() -> None:
    for answer in (
        httpx.Response(200, json={"error": "x"}),
        httpx.Response(200, content=b"<rss/>", headers={"content-type": "application/rss+xml"}),
        httpx.Response(200, content=b"\x00", headers={"content-type": "application/pdf"}),
        httpx.Response(200, content=b"\xff", headers={"content-type": "text/plain; charset=utf-8"}),
        httpx.Response(200, json=[{"id": "a", "text": "x"}, {"id": "a", "text": "y"}]),
    ):
        with pytest.raises(ConfigurationError):
            await listed(Server().at(URL, answer).source())


async def test_a_text_is_one_document_by_itself() -> None:
    url = "https://wiki.example/runbooks/disk.md"
    answer = httpx.Response(200, text="# Disk", headers={"content-type": "text/markdown", "etag": '"7"'})
    source = Server().at(url, answer).source(url)
    assert list(await listed(source)) == ["wiki.example/runbooks/disk.md"]
    document = await source.fetch("wiki.example/runbooks/disk.md")
    assert (document.page_content, document.metadata["revision"]) == ("# Disk", '"7"')


async def test_a_server_may_say_how_long_to_wait() -> None:
    server = Server().at(URL, httpx.Response(429, headers={"retry-after": "120"}))
    with pytest.raises(Unavailable, match="120 s") as failure:
        await listed(server.source())
    assert failure.value.retry_after == 120
    later = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    server.at(URL, httpx.Response(503, headers={"retry-after": later}))
    with pytest.raises(Unavailable) as failure:
        await listed(server.source())
    assert failure.value.retry_after is not None
    assert 3_000 < failure.value.retry_after <= 7_200
    for unclear in ("soon", "-1", "", "9" * 400):
        server.at(URL, httpx.Response(503, headers={"retry-after": unclear}))
        with pytest.raises(Unavailable) as failure:
            await listed(server.source())
        assert failure.value.retry_after in (None, 86_400)


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        ("max-age=7200, must-revalidate", timedelta(hours=2)),
        ("must-revalidate, max-age=1", timedelta(minutes=15)),
        ("max-age=7200", None),
        ("must-revalidate", None),
        ("max-age=never, must-revalidate", None),
        ("", None),
    ],
)
async def test_what_must_be_revalidated_expires(said: str, holds: timedelta | None) -> None:
    source = Server().feed(cache_control=said).source()
    await listed(source)
    assert source.max_age == holds
    mine = Server().feed(cache_control=said).source(max_age=timedelta(days=1))
    await listed(mine)
    assert mine.max_age == timedelta(days=1)


async def test_more_than_the_limit_is_not_read() -> None:
    packed = gzip.compress(b'[{"id": "a", "text": "' + b"x" * 1_000_000 + b'"}]')
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    server = Server().at(URL, lambda _: httpx.Response(200, content=packed, headers=headers))
    with pytest.raises(Unavailable, match="larger than 100000 bytes"):
        await listed(server.source(largest=100_000))
    assert await listed(server.source())


async def test_a_server_that_hangs_is_away() -> None:
    async def hangs(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(3_600)
        raise AssertionError

    source = HTTPSource(URL, timeout=0.01, transport=httpx.MockTransport(hangs))
    with in_time(), pytest.raises(Unavailable, match="gave no answer within"):
        await listed(source)


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/feed.json",
        "http://wiki.example/feed.json",
        "https://wiki.example:8443/feed.json",
        "https://169.254.169.254/latest",
        "https://wiki.example@evil.example/",
        "file:///etc/passwd",
        "//evil.example/x",
        "https://[",
    ],
)
async def test_nothing_leads_away_from_the_host(target: str) -> None:
    server = Server().at(URL, httpx.Response(302, headers={"location": target}))
    with pytest.raises(Unavailable):
        await listed(server.source(headers={"authorization": "secret"}))
    page = {"version": "https://jsonfeed.org/version/1", "items": ITEMS, "next_url": target}
    other = Server().feed(page)
    with pytest.raises(Unavailable):
        await listed(other.source())
    assert len(server.asked) == len(other.asked) == 1


async def test_a_host_may_be_named_and_gets_no_headers() -> None:
    moved = "https://files.example/feed.json"
    server = Server().at(URL, httpx.Response(302, headers={"location": moved}))
    server.at(moved, httpx.Response(200, json=ITEMS))
    source = server.source(headers={"authorization": "secret"}, redirects_to=["files.example"])
    assert len(await listed(source)) == 2
    assert [request.headers.get("authorization") for request in server.asked] == ["secret", None]


async def test_a_circle_of_redirects_ends() -> None:
    server = Server().at(URL, httpx.Response(302, headers={"location": URL}))
    with in_time(), pytest.raises(Unavailable, match="redirects more than"):
        await listed(server.source())


@pytest.mark.parametrize(
    ("host", "address", "fine"),
    [
        ("wiki.example", "93.184.215.14", True),
        ("wiki.example", "10.0.0.7", True),
        ("wiki.example", "169.254.169.254", False),
        ("wiki.example", "fe80::1%eth0", False),
        ("wiki.example", "127.0.0.1", False),
        ("wiki.example", "::ffff:127.0.0.1", False),
        ("localhost", "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("169.254.169.254", "169.254.169.254", False),
    ],
)
async def test_a_name_that_leads_to_a_place_nobody_meant_is_refused(
    host: str, address: str, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stream:
        def get_extra_info(self, name: str) -> tuple[str, int]:
            assert name == "server_addr"
            return address, 443

    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    url = f"https://{host}/feed.json"
    server = Server().at(url, httpx.Response(200, json=ITEMS, extensions={"network_stream": Stream()}))
    if fine:
        assert await listed(server.source(url))
    else:
        with pytest.raises(Unavailable, match="no web server is expected"):
            await listed(server.source(url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "feed.json",
        "ftp://host/x",
        "https://",
        "http://host/feed.json",
        "https://me:s3cret@host/x",
    ],
)
def test_a_url_that_cannot_be_used_is_said_without_its_secrets(url: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        HTTPSource(url)
    assert "s3cret" not in str(failure.value)


async def test_a_token_in_the_query_is_not_in_the_name() -> None:
    url = f"{URL}?token=s3cret"
    source = Server().at(url, httpx.Response(500)).source(url)
    with pytest.raises(Unavailable) as failure:
        await listed(source)
    assert "s3cret" not in f"{source.name} {failure.value}"


async def test_a_real_server_is_asked_and_a_closed_port_is_away() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'[{"id": "a", "text": "x"}]'
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n")
        writer.write(b"content-length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    source = HTTPSource(f"http://127.0.0.1:{port}/feed.json", allow_http=True)
    async with server:
        assert list(await listed(source)) == ["a"]
    with pytest.raises(Unavailable):
        await listed(source)
