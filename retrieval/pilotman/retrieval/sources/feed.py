"""What a feed says: JSON Feed 1.1, or a plain list of documents. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.sources.terms import LARGEST, moment, version_of

_UNREAD = frozenset({"script", "style", "template", "noscript", "head"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure", "footer", "form"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"}
    | {"table", "tr", "ul"}
)
_HEADINGS = {f"h{n}": "#" * n + " " for n in range(1, 7)}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A document of a feed. ``version`` is a hash of all that is said here, ``revision`` the origin's own."""

    document_id: str
    text: str
    version: str
    revision: str | None = None
    expires_at: str | None = None
    url: str | None = None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """One page of a feed; ``left_out`` names the items that are no documents, and why."""

    entries: tuple[Entry, ...]
    left_out: tuple[str, ...] = ()
    next_url: str | None = None


class _Item(BaseModel):
    """An item as JSON Feed 1.1 has it, with the shorter names that plain lists use."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    id: str = Field(min_length=1, max_length=2_000)
    title: str | None = None
    content_text: str | None = None
    text: str | None = None
    content_html: str | None = None
    url: str | None = None
    version: str | None = None
    date_modified: str | None = None
    expires_at: str | None = None


class _Feed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: str = Field(pattern=r"^https?://(www\.)?jsonfeed\.org/version/1(\.\d+)?/?$")
    items: list[Any]
    next_url: str | None = None


_FEED: TypeAdapter[_Feed | list[Any]] = TypeAdapter(_Feed | list[Any])


def read(body: bytes) -> Feed:
    """One page of a feed. An item that is no document is left out and named; a feed that is none fails.

    Raises:
        ConfigurationError: neither a JSON Feed nor a list.
    """
    try:
        feed = _FEED.validate_json(body)
    except ValidationError:
        raise ConfigurationError(
            "it is neither a JSON Feed of version 1 nor a list of documents",
            hint='a list looks like [{"id": "a", "text": "…"}]',
        ) from None
    items = feed if isinstance(feed, list) else feed.items
    entries: list[Entry] = []
    left_out: list[str] = []
    for place, item in enumerate(items):
        try:
            entries.append(_entry(_Item.model_validate(item)))
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            left_out.append(f"item {place} ({where or 'no object'}: {error.errors()[0]['msg']})")
        except ConfigurationError as error:
            left_out.append(f"item {place} ({error})")
    return Feed(
        entries=tuple(entries),
        left_out=tuple(left_out),
        next_url=None if isinstance(feed, list) else feed.next_url,
    )


def single(document_id: str, text: str, *, is_html: bool, revision: str | None) -> Feed:
    """A page that is itself the one document."""
    body = html_text(text) if is_html else text
    version = version_of(body.encode("utf-8", "replace"))
    return Feed(entries=(Entry(document_id=document_id, text=body, version=version, revision=revision),))


def _entry(item: _Item) -> Entry:
    texts = [
        item.content_text,
        item.text,
        None if item.content_html is None else html_text(item.content_html),
    ]
    body = next((text for text in texts if text is not None and text.strip()), None)
    if body is None:
        raise ConfigurationError(f"{visible(item.id, limit=80)} has no text")
    if item.title and not body.lstrip().startswith("#"):
        body = f"# {' '.join(item.title.split())}\n\n{body}"
    data = body.encode("utf-8", "replace")
    if len(data) > LARGEST:
        raise ConfigurationError(f"{visible(item.id, limit=80)} is larger than 1 MiB")
    revision = item.version or item.date_modified
    expires_at = None if item.expires_at is None else moment(item.expires_at)
    said = (data, *((part or "").encode("utf-8", "replace") for part in (revision, expires_at, item.url)))
    return Entry(
        document_id=item.id,
        text=data.decode(),
        version=version_of(*said),
        revision=revision,
        expires_at=expires_at,
        url=item.url,
    )


def html_text(html: str) -> str:
    """The text of a piece of HTML, headings and blocks on lines of their own, in the style of Markdown."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return "\n\n".join(line for line in lines if line.strip("# "))


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unread: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        if tag in _UNREAD:
            self._unread.append(tag)
        elif tag in _BLOCKS:
            self.parts.append("\n" + _HEADINGS.get(tag, "- " if tag == "li" else ""))

    def handle_endtag(self, tag: str) -> None:
        if self._unread and tag == self._unread[-1]:
            self._unread.pop()
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._unread:
            self.parts.append(data.replace("\n", " "))
