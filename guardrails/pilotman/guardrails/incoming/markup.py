"""Markup that a model does not need or should not pass on: pages as text, pictures that would be fetched.

A small reader of HTML, linear in the text's length; it is no browser. What a page hides from people
(comments, scripts, hidden elements) is left out of the text and handed over separately, to be looked at.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from pilotman.guardrails.wording.lexicon import word_set

_PAGE = re.compile(
    r"\s*(?:<!doctype\s+html\b|<(?:html|head|body|div|p|table|section|article|main|header|center|style|span"
    r"|h[1-6]|ul|ol|font|!--)(?=[\s>/-]))",
    re.IGNORECASE,
)
_CLOSED = re.compile(
    r"</(?:html|body|div|p|table|section|article|main|span|h[1-6]|ul|ol|a|font|b|td)\s*>", re.IGNORECASE
)
_PIECE = re.compile(
    r"<!--(?P<comment>.*?)(?:--!?>|\Z)|<[!?][^<>]{0,4000}>"
    r"|<(?P<close>/?)(?P<name>[a-zA-Z][\w:-]{0,60})(?P<attributes>[^<>]{0,4000})>",
    re.DOTALL,
)
_RAW = word_set("script style template noscript iframe object svg textarea title")
_VOID = word_set("br hr img input meta link wbr source area col base embed")
_HIDING = re.compile(
    r"(?:^|\s)hidden(?:[\s=/]|$)|display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0"
    r"|opacity\s*:\s*0(?![.\d])|(?:left|top|text-indent)\s*:\s*-\d{3}",
    re.IGNORECASE,
)
_BREAKING = word_set(
    """address article aside blockquote body br dd div dl dt fieldset figcaption figure footer form header hr
    html h1 h2 h3 h4 h5 h6 main nav ol p pre section table tr ul"""
)
_ATTRIBUTE = r"\b{}\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))"
_HREF = re.compile(_ATTRIBUTE.format("href"), re.IGNORECASE)
_ALT = re.compile(_ATTRIBUTE.format("alt"), re.IGNORECASE)
_BLANKS = re.compile(r"[ \t\f\v\xa0]+")
_AROUND = re.compile(r" ?\n ?")
_LINES = re.compile(r"\n{3,}")
_PICTURE = re.compile(r"!+\[([^\[\]\n]{0,500})\](?=\(\s{0,5}<?(?:https?:|data:|//))", re.IGNORECASE)
_OPENING = re.compile(r"\A(\s*<)(?=[!/a-zA-Z])")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The text of a page that a person would see, and what the page hides, each piece in a line."""

    text: str
    hidden: str


def is_page(text: str) -> bool:
    """Whether a text is HTML rather than text with a tag in it."""
    return _PAGE.match(text) is not None and (_CLOSED.search(text) is not None or "<!" in text[:200])


def read_page(text: str) -> Page:
    """The text of a page. Links keep their address, pictures their description."""
    reader = _Reader(text)
    reader.read()
    shown = html.unescape("".join(reader.shown))
    shown = _LINES.sub("\n\n", _AROUND.sub("\n", _BLANKS.sub(" ", shown))).strip()
    if is_page(shown):  # it was escaped twice: let it be text
        shown = _OPENING.sub(r"\1 ", shown)
    return Page(text=shown, hidden=html.unescape("\n".join(reader.hidden)))


def without_pictures(text: str) -> tuple[str, int]:
    """Markdown whose remote pictures are links, as whoever shows a picture fetches it; and how many were."""
    return _PICTURE.subn(r"[image: \1]", text)


class _Reader:
    """One pass over a page, from left to right."""

    def __init__(self, page: str) -> None:
        self._page = page
        self._at = 0
        self._skipped: str | None = None
        self._depth = 0
        self._links: list[str] = []
        self.shown: list[str] = []
        self.hidden: list[str] = []

    def read(self) -> None:
        while (piece := _PIECE.search(self._page, self._at)) is not None:
            self._say(self._page[self._at : piece.start()])
            self._at = piece.end()
            if piece["comment"] is not None:
                self.hidden.append(piece["comment"])
            elif piece["name"] is not None:
                self._tag(piece["name"].lower(), piece["attributes"], closing=bool(piece["close"]))
        self._say(self._page[self._at :])

    def _say(self, text: str) -> None:
        if text:
            (self.shown if self._skipped is None else self.hidden).append(text.replace("\n", " "))

    def _tag(self, name: str, attributes: str, *, closing: bool) -> None:
        if self._skipped is not None:
            self._inside_hidden(name, closing=closing)
        elif name in _RAW:
            if not closing and not attributes.endswith("/"):
                self._raw(name)
        elif not closing and name not in _VOID and _HIDING.search(attributes):
            self._skipped, self._depth = name, 1
        else:
            self._visible(name, attributes, closing=closing)

    def _inside_hidden(self, name: str, *, closing: bool) -> None:
        if name == self._skipped:
            self._depth += -1 if closing else 1
            if not self._depth:
                self._skipped = None

    def _raw(self, name: str) -> None:
        """The content of an element that is no text up to its own end, whatever stands in it."""
        end = re.compile(rf"</{name}\b", re.IGNORECASE).search(self._page, self._at)
        stop = len(self._page) if end is None else end.start()
        content = self._page[self._at : stop]
        if name in ("title", "textarea"):
            self.shown.append(f"{content.strip()}\n")
        else:
            self.hidden.append(content)
        self._at = stop

    def _visible(self, name: str, attributes: str, *, closing: bool) -> None:
        if name == "a":
            self._link(attributes, closing=closing)
        elif name == "img" and (described := _value(_ALT, attributes)):
            self.shown.append(f"[image: {described}]")
        elif name == "li" and not closing:
            self.shown.append("\n- ")
        elif name in ("td", "th") and closing:
            self.shown.append(" | ")
        elif name in _BREAKING:
            self.shown.append("\n")

    def _link(self, attributes: str, *, closing: bool) -> None:
        if not closing:
            self._links.append(_value(_HREF, attributes))
        elif self._links and (target := self._links.pop()).startswith(("http", "mailto:", "//")):
            self.shown.append(f" ({target})")


def _value(attribute: re.Pattern[str], attributes: str) -> str:
    found = attribute.search(attributes)
    return "" if found is None else next(filter(None, found.groups()), "").strip()[:2_000]
