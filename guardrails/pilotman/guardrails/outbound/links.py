"""Links and images in an answer: whoever shows it may follow them, and then they carry out what is in them.

Markdown (CommonMark), HTML and bare URLs. What a text looks like to a renderer is asked of markdown-it-py.
Our own patterns only rewrite, and whatever they miss ends in a text without markup that could hold a link.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from pilotman.guardrails.outbound.destination import Destination, Destinations
from pilotman.guardrails.wording.lexicon import word_set

LONGEST = 50_000
"""Characters up to which a text is read as a renderer reads it; a longer one with markup is flattened."""

_MARKUP = re.compile(r"\][(\[:]|<[A-Za-z][A-Za-z0-9+.-]{1,31}[:@]")
_TLDS = "com|net|org|io|dev|app|ai|co|info|biz|xyz|site|online|top|me|club|shop|cloud|link|live|page|example"
_BARE = re.compile(
    rf"(?i:(?:https?|ftp|wss?):[/\\]{{1,3}}[^\s<>\"'`|]{{1,2000}}"
    rf"|(?<![\w@.-])www\.[^\s<>\"'`|]{{1,2000}}"
    rf"|(?<![\w@./-])(?:[\w-]{{1,63}}\.){{1,8}}(?:{_TLDS})(?::[0-9]{{1,5}})?[/?][^\s<>\"'`|]{{0,2000}})"
)
_TITLE = r"(?:\s{1,9}(?:\"[^\"]{0,500}\"|'[^']{0,500}'|\([^()]{0,500}\)))?"
_TARGET = r"(?:<([^<>\n]{0,2000})>|((?:[^\s()\\<]|\\.|\([^\s()]{0,500}\)){0,2000}))"
_INLINE = re.compile(
    rf"(!?)\[((?:[^\[\]\\]|\\.){{0,1000}})\]\(\s{{0,9}}{_TARGET}{_TITLE}\s{{0,9}}\)", re.DOTALL
)
_DEFINITION = re.compile(
    r"^([ >\t*+-]{0,12})\[((?:[^\[\]\\]|\\.){1,999})\]:[ \t]{0,9}\n?[ \t]{0,9}"
    rf"(?:<([^<>\n]{{0,2000}})>|(\S{{1,2000}})){_TITLE}[ \t]{{0,9}}$",
    re.MULTILINE,
)
_AUTOLINK = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]{1,31}:[^\s<>]{0,2000})>")
_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9:-]{0,40})((?:[\s/][^<>]{0,5000})?)>|<[!?][^<>]{0,5000}>")
_ATTRIBUTE = re.compile(
    r"(?<![A-Za-z:-])([A-Za-z:-]{1,40})\s{0,9}=\s{0,9}"
    r"(?:\"([^\"]{0,5000})\"|'([^']{0,5000})'|([^\s\"'<>]{1,5000}))"
)
_CSS = re.compile(r"url\(\s*[\"']?([^)\"']{0,2000})|@import\s+[\"']?([^\s\"';]{0,2000})", re.IGNORECASE)
_LEADING = word_set(
    """action archive background cite classid codebase data formaction href icon longdesc manifest ping poster
    profile src srcdoc srcset usemap xlink:href"""
)
_ACTIVE = re.compile(r"<\s{0,9}(?:script|style)\b", re.IGNORECASE)
_HANDLER = re.compile(r"(?!online)on[a-z]{3,}|http-equiv")
_OPENING = re.compile(r"<[A-Za-z]")
_WHOLE = re.compile(r"\s*(?:[/\\]{2}|(?:javascript|vbscript|data|file|blob):)\S*\s*", re.IGNORECASE)
_NOWHERE = "javascript:"
_FLAT = str.maketrans({"[": "(", "]": ")", "<": "\u2039", ">": "\u203a"})
_PASSES = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Tamed:
    """A text with no link to where it may not lead. ``links`` and ``images``: those that it had, as shown."""

    text: str
    links: Sequence[str] = field(default=())
    images: Sequence[str] = field(default=())


def strangers(text: str, may: Destinations, *, bare: bool = True) -> list[Destination]:
    """Where a renderer of the text would lead or fetch from, and may not. ``bare``: also without markup."""
    found = [Destination.of(url) for url in (*_rendered(text), *(_bare(text) if bare else ()))]
    return list(dict.fromkeys(one for one in found if one not in may))


def tamed(text: str, may: Destinations) -> Tamed:
    """The text without images from elsewhere, and with links to elsewhere as plain text."""
    if not strangers(text, may):
        return Tamed(text=text)
    if _WHOLE.fullmatch(text):
        lead = Destination.of(text).shown
        return Tamed(text=lead, links=[lead])
    gone = _Gone(may)
    rewritten = gone.bare(gone.markup(text))
    if strangers(rewritten, may):  # markup that we read otherwise than a renderer does
        gone = _Gone(may)
        rewritten = gone.bare(text.translate(_FLAT))
        gone.links += [one.shown for one in strangers(text, may)]
    links, images = dict.fromkeys(gone.links), dict.fromkeys(gone.images)
    return Tamed(text=rewritten, links=[*links], images=[*images])


# --- what a renderer makes of it --------------------------------------------------------------------------


@cache
def _renderer() -> MarkdownIt:
    """CommonMark that keeps every destination as it is written, however dangerous it is."""
    markdown = MarkdownIt("commonmark")
    markdown.validateLink = lambda url: True  # type: ignore[method-assign]  # noqa: ARG005
    markdown.normalizeLink = lambda url: url  # type: ignore[method-assign]
    return markdown


def _rendered(text: str) -> Iterator[str]:
    """Destinations in markup. What shows HTML may be more lenient than CommonMark: from its first tag on a
    text counts as HTML, be it code or not."""
    opening = _OPENING.search(text)
    if opening:
        yield from _of_html(text[opening.start() :])
    if not _MARKUP.search(text):
        return
    if len(text) > LONGEST:
        yield _NOWHERE
        return
    yield from _of_tokens(_renderer().parse(text))


def _of_tokens(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        for name in ("href", "src"):
            if name in token.attrs:
                yield str(token.attrs[name])
        yield from _of_tokens(token.children or ())


def _of_html(source: str) -> Iterator[str]:
    """Destinations in HTML. What runs by itself leads anywhere."""
    if _ACTIVE.search(source):
        yield _NOWHERE
    for attribute in _ATTRIBUTE.finditer(source):
        name, value = attribute[1].casefold(), next(v for v in attribute.groups()[1:] if v is not None)
        if _HANDLER.fullmatch(name) or (name == "style" and _CSS.search(value)):
            yield _NOWHERE
        elif name == "srcset":
            yield from (part.split()[0] for part in value.split(",") if part.split())
        elif name in _LEADING:
            yield value


def _bare(text: str) -> Iterator[str]:
    for match in _BARE.finditer(text):
        yield _with_slashes(_trimmed(match[0]))
    if _WHOLE.fullmatch(text):
        yield text


def _with_slashes(url: str) -> str:
    return url if re.match(r"(?i)[a-z]{2,5}:[/\\]", url) else f"//{url}"


def _trimmed(url: str) -> str:
    """A URL as it stands in a sentence, less what closes the sentence."""
    while url and (url[-1] in ".,;:!?*_]}" or (url[-1] == ")" and url.count(")") > url.count("("))):
        url = url[:-1]
    return url


# --- how it is rewritten ----------------------------------------------------------------------------------


class _Gone:
    """Takes links and images out of a text, and knows which."""

    def __init__(self, may: Destinations) -> None:
        self._may = may
        self._dropped: Counter[str] = Counter()
        self.links: list[str] = []
        self.images: list[str] = []

    def markup(self, text: str) -> str:
        """The text without links in Markdown and HTML; nested ones go from the inside outwards."""
        text = _DEFINITION.sub(self._definition, text)
        text = _AUTOLINK.sub(self._autolink, _TAG.sub(self._tag, text))
        for _ in range(_PASSES):
            before, text = text, _INLINE.sub(self._inline, text)
            if text == before:
                break
        return text

    def bare(self, text: str) -> str:
        """The text without bare URLs."""
        return _BARE.sub(self._plain, text)

    def _stranger(self, url: str) -> Destination | None:
        destination = Destination.of(url)
        return None if destination in self._may else destination

    def _inline(self, match: re.Match[str]) -> str:
        lead = self._stranger(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", match[3] or match[4] or ""))
        if lead is None:
            return match[0]
        if match[1]:
            self.images.append(lead.shown)
            return match[2]
        return self._named(match[2], lead)

    def _named(self, text: str, lead: Destination) -> str:
        self.links.append(lead.shown)
        return f"{text} ({lead.shown})" if text.strip() else lead.shown

    def _definition(self, match: re.Match[str]) -> str:
        lead = self._stranger(match[3] or match[4] or "")
        return match[0] if lead is None else f"{match[1]}{self._named(match[2], lead)}"

    def _autolink(self, match: re.Match[str]) -> str:
        lead = self._stranger(match[1])
        return match[0] if lead is None else self._named("", lead)

    def _tag(self, match: re.Match[str]) -> str:
        name = (match[1] or "").casefold()
        if match[0].startswith("</") and self._dropped[name]:
            self._dropped[name] -= 1
            return ""
        leads = [lead for url in _of_html(match[0]) if (lead := self._stranger(url)) is not None]
        if not leads:
            return match[0]
        if name == "img":
            self.images += [lead.shown for lead in leads]
            alt = re.search(r"(?i)\balt\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", match[0])
            return (alt[1] or alt[2] or "") if alt else ""
        self.links += [lead.shown for lead in leads]
        self._dropped[name] += 1
        return ""

    def _plain(self, match: re.Match[str]) -> str:
        url = _trimmed(match[0])
        lead = self._stranger(_with_slashes(url)) if url else None
        if lead is None:
            return match[0]
        self.links.append(lead.shown)
        return lead.shown + match[0][len(url) :]
