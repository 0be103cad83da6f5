"""A feed, or a single document, from a web server as a source."""

from __future__ import annotations

import asyncio
import ipaddress
import math
import re
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.request import getproxies

import httpx
from langchain_core.documents import Document

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import ConfigurationError, NotFound, PilotmanError, Unavailable
from pilotman.guardrails.label import Label
from pilotman.retrieval.sources.feed import Entry, Feed, read, single
from pilotman.retrieval.sources.terms import Terms, named, version_of

_FINE, _UNCHANGED = 200, 304
_REDIRECTS = 5
_PAGES = 100
"""Pages of one feed that are followed."""

_DIRECTIVE = re.compile(r"([\w-]+)(?:=\"?(\d+)\"?)?")


@dataclass(frozen=True, kw_only=True)
class _Page:
    """What one address said when it last said something new."""

    feed: Feed
    size: int
    etag: str | None
    modified: str | None


class HTTPSource:
    """The items of a feed at ``url``, each a document; any other text there is one document by itself.

    Feeds are JSON: JSON Feed 1.1, with its further pages, or a list of objects with ``id``, one of
    ``content_text``, ``text`` and ``content_html``, and perhaps ``title``, ``url``, ``version`` or
    ``date_modified``, and ``expires_at``. RSS and Atom are not read.

    Pages are asked for with what the server called them last (ETag, Last-Modified; RFC 9110, 13.1). What it
    says under ``must-revalidate`` expires when its ``max-age`` is over, though not before a new listing is
    due; other answers may outlive theirs while the server is away, as RFC 9111, 4.2.4 allows. A ``max_age``
    given here goes before both.

    Every failure is ``Unavailable``, no deletion; nor is an empty feed believed, unless ``allow_empty``.
    Plain ``http`` needs ``allow_http``; redirects lead to the same host, or to one of ``redirects_to``, which
    ``headers`` are not sent to, and never from ``https`` to ``http``. Link-local addresses (where clouds keep
    credentials) are refused, loopback ones unless the URL names one.

    Raises:
        ConfigurationError: no URL of a web server, one with credentials in it, or unclear readers.
    """

    def __init__(
        self,
        url: str,
        *,
        label: Label | None = None,
        readers: Iterable[str] | None = None,
        owner: str | None = None,
        max_staleness: timedelta = timedelta(minutes=15),
        max_age: timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        largest: int = 16_777_216,
        allow_empty: bool = False,
        allow_http: bool = False,
        redirects_to: Collection[str] = (),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = _checked(url, allow_http=allow_http)
        self.name = f"{self.url.host}{self.url.path}".rstrip("/")
        self.max_staleness = max_staleness
        self.max_age = max_age
        self.caveats: tuple[str, ...] = ()
        self._set_age = max_age
        self._terms = Terms.of(readers, label, owner)
        self.terms = self._terms.digest
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._largest = largest
        self._allow_empty = allow_empty
        self._allow_http = allow_http
        self._redirects_to = frozenset(redirects_to)
        self._transport = transport
        self._pages: Mapping[httpx.URL, _Page] = {}
        self._entries: Mapping[str, Entry] | None = None

    async def list(self) -> AsyncIterator[tuple[str, str]]:
        """Pairs of id and version (content hash), in the order of the feed.

        Raises:
            ConfigurationError: what is there is no feed, or gives an id twice with different texts.
            Unavailable: no answer, a refusal, a redirect that leads away, or more than ``largest`` bytes.
        """
        for document_id, entry in (await self._listing()).items():
            yield document_id, entry.version

    async def fetch(self, document_id: str) -> Document:
        """The document as the last listing read it.

        Raises:
            NotFound: it is not in the feed.
            Unavailable: nothing was listed before, and there is no answer now.
        """
        entries = await self._listing() if self._entries is None else self._entries
        entry = entries.get(document_id)
        if entry is None:
            raise NotFound(f"{visible(document_id, limit=80)} is not in {self.name}")
        return self._terms.document(
            entry.text,
            source=document_id,
            version=version_of(entry.text.encode()),
            revision=entry.revision,
            expires_at=entry.expires_at,
            url=entry.url,
        )

    async def _listing(self) -> Mapping[str, Entry]:
        try:
            async with asyncio.timeout(self._timeout), self._client() as client:
                pages, fresh = await self._read(client)
        except PilotmanError:
            raise
        except TimeoutError:
            raise Unavailable(f"{self.name} gave no answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise Unavailable(f"{self.name} gave no answer: {_said(error)}") from None
        entries = self._united(pages)
        if not entries and not self._allow_empty:
            had = f"; it had {len(self._entries)} documents before" if self._entries else ""
            raise Unavailable(f"{self.name} is empty{had}", hint="allow_empty=True if that is meant")
        left_out = [one for page in pages.values() for one in page.feed.left_out]
        self.caveats = (f"left out of {self.name}: {named(left_out)}",) if left_out else ()
        self.max_age = self._set_age if fresh is None or self._set_age else max(fresh, self.max_staleness)
        self._pages, self._entries = pages, entries
        return entries

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._transport, timeout=self._timeout, follow_redirects=False)

    async def _read(self, client: httpx.AsyncClient) -> tuple[Mapping[httpx.URL, _Page], timedelta | None]:
        """All pages of the feed, and how long the first may be believed."""
        pages: dict[httpx.URL, _Page] = {}
        before = self._pages  # another listing may put its own there meanwhile
        fresh: timedelta | None = None
        url: httpx.URL | None = self.url
        while url is not None and url not in pages:
            if len(pages) == _PAGES:
                raise Unavailable(f"{self.name} has more than {_PAGES} pages")
            left = self._largest - sum(page.size for page in pages.values())
            response, body = await self._ask(client, url, before.get(url), left)
            if not pages:
                fresh = _freshness(response)
            same = response.status_code == _UNCHANGED
            page = pages[url] = before[url] if same else _page(response, body, self.name)
            url = None if page.feed.next_url is None else self._allowed(url, _joined(url, page.feed.next_url))
        return pages, fresh

    async def _ask(
        self, client: httpx.AsyncClient, url: httpx.URL, known: _Page | None, largest: int
    ) -> tuple[httpx.Response, bytes]:
        """The answer, past redirects, and its body; none where ``known`` is what the server has."""
        asked = {"Accept": "application/feed+json, application/json, text/markdown, text/*;q=0.8"}
        if known is not None and known.etag:
            asked["If-None-Match"] = known.etag
        if known is not None and known.modified:
            asked["If-Modified-Since"] = known.modified
        for _ in range(_REDIRECTS + 1):
            own = self._headers if url.host == self.url.host else {}
            async with client.stream("GET", url, headers={**asked, **own}) as response:
                self._check_address(response)
                if response.has_redirect_location:
                    url = self._allowed(url, _joined(url, response.headers.get("location", "")))
                    continue
                if response.status_code == _UNCHANGED and len(asked) > 1:
                    return response, b""
                if response.status_code != _FINE:
                    raise self._refused(response)
                return response, await self._body(response, largest)
        raise Unavailable(f"{self.name} redirects more than {_REDIRECTS} times")

    async def _body(self, response: httpx.Response, largest: int) -> bytes:
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > largest:
                raise Unavailable(f"{self.name} is larger than {self._largest} bytes", hint="raise largest=")
        return bytes(body)

    def _allowed(self, before: httpx.URL, url: httpx.URL) -> httpx.URL:
        """A redirect or a further page, if it stays where it may."""
        plain = url.scheme == "http" and before.scheme == "http" and self._allow_http
        at_home = url.host == self.url.host and (url.port == before.port or url.port is None)
        if (url.scheme != "https" and not plain) or not (at_home or url.host in self._redirects_to):
            raise Unavailable(
                f"{self.name} leads to {visible(f'{url.scheme}://{url.host}', limit=200)}",
                hint="name the host in redirects_to= if you trust it",
            )
        return url.copy_with(userinfo=b"", fragment=None)

    def _check_address(self, response: httpx.Response) -> None:
        """A name that resolves to a place that nobody meant (DNS rebinding) is refused."""
        stream = response.extensions.get("network_stream")
        peer = None if stream is None or getproxies() else stream.get_extra_info("server_addr")
        if peer is None:
            return
        address = ipaddress.ip_address(str(peer[0]).partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_link_local or (address.is_loopback and not _is_loopback(response.url.host)):
            raise Unavailable(f"{self.name} is at {address}, where no web server is expected")

    def _refused(self, response: httpx.Response) -> Unavailable:
        wait = _retry_after(response)
        said = (
            f"{self.name} answers {response.status_code} {visible(response.reason_phrase, limit=80)}".rstrip()
        )
        later = "" if wait is None else f" and asks for {wait:.0f} s of patience"
        return Unavailable(said + later, retry_after=wait)

    def _united(self, pages: Mapping[httpx.URL, _Page]) -> Mapping[str, Entry]:
        entries: dict[str, Entry] = {}
        for entry in (entry for page in pages.values() for entry in page.feed.entries):
            if entries.setdefault(entry.document_id, entry).version != entry.version:
                raise ConfigurationError(
                    f"{self.name} gives the id {visible(entry.document_id, limit=80)!r} twice",
                    hint="ids name documents: each may come once",
                )
        return entries


def _checked(url: str, *, allow_http: bool) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError):
        raise ConfigurationError(
            "the URL cannot be understood", hint="such as https://host/feed.json"
        ) from None
    if parsed.userinfo:
        raise ConfigurationError(f"the URL of {parsed.host} holds credentials", hint="give them in headers=")
    if not parsed.host or parsed.scheme not in ("http", "https"):
        raise ConfigurationError("the URL names no web server", hint="such as https://host/feed.json")
    if parsed.scheme == "http" and not allow_http:
        raise ConfigurationError(
            f"{parsed.host} would be asked in the clear", hint="https, or allow_http=True"
        )
    return parsed.copy_with(fragment=None)


def _page(response: httpx.Response, body: bytes, name: str) -> _Page:
    etag, modified = response.headers.get("etag"), response.headers.get("last-modified")
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_feed = kind.endswith("json") or (kind == "text/plain" and response.url.path.endswith(".json"))
    if is_feed:
        try:
            feed = read(body)
        except ConfigurationError as error:
            raise ConfigurationError(f"{name} cannot be read: {error}") from None
    elif kind.startswith("text/") and kind not in ("text/xml", "text/csv"):
        try:
            text = body.decode(response.charset_encoding or "utf-8")
        except (UnicodeDecodeError, LookupError):
            raise ConfigurationError(f"{name} is not in the encoding that it says") from None
        feed = single(name, text, is_html=kind == "text/html", revision=etag or modified)
    else:
        raise ConfigurationError(
            f"{name} is {visible(kind, limit=80) or 'of no kind'}", hint="JSON, Markdown or text"
        )
    return _Page(feed=feed, size=len(body), etag=etag, modified=modified)


def _freshness(response: httpx.Response) -> timedelta | None:
    """How long the answer holds where the server forbids to use it longer (RFC 9111, 5.2.2), or None."""
    said = response.headers.get("cache-control", "").lower()
    rules = {match[1]: match[2] for match in _DIRECTIVE.finditer(said)}
    if "must-revalidate" not in rules or not rules.get("max-age"):
        return None
    return timedelta(seconds=min(int(rules["max-age"]), 2**31))


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds, from a number or a date (RFC 9110, 10.2.3)."""
    said = response.headers.get("retry-after", "").strip()
    if said.isascii() and said.isdigit():
        return min(float(said), 86_400.0)
    try:
        wait = (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(math.ceil(wait), 0.0), 86_400.0)


def _joined(url: httpx.URL, reference: str) -> httpx.URL:
    try:
        return url.join(reference)
    except httpx.InvalidURL:
        raise Unavailable(f"{url.host} leads to an address that is none") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _said(error: Exception) -> str:
    """What a transport said, in one line. It may name the host; what was sent is not in it."""
    return visible(str(error).strip().partition("\n")[0], limit=200) or type(error).__name__
