"""Cut a Markdown document into chunks along its headings. Pure.

A chunk's text is a literal slice of the document, so a quote from it can be found again by its position.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from markdown_it import MarkdownIt

LONGEST = 1_500
"""Characters of the longest chunk."""

TINY = 250
"""A section shorter than this joins its neighbours, as long as they stay within ``LONGEST``."""

_LINE = re.compile(r".*?(?:\r\n?|\n|\Z)", re.DOTALL)
_FRONT_MATTER = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?\r?\n)?(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*(['\"]?)(.+?)\1[ \t]*\r?$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A piece of a document: ``text`` is ``document[start:end]``, ``path`` its headings, outermost first."""

    text: str
    start: int
    end: int
    path: tuple[str, ...] = ()

    @property
    def heading(self) -> str:
        """The heading path in one line."""
        return " > ".join(self.path)


def title_of(document: str) -> str:
    """The ``title`` of the document's YAML front matter, or an empty text."""
    front = _FRONT_MATTER.match(document)
    found = _TITLE.search(front.group(1) or "") if front else None
    return found.group(2) if found else ""


def cut(document: str) -> tuple[Chunk, ...]:
    """The document's chunks in their order; front matter and blank stretches belong to none."""
    front = _FRONT_MATTER.match(document)
    body = front.end() if front else 0
    blocks = _blocks(document, body)
    sections = [piece for _, group in groupby(blocks, lambda b: b.path) for piece in _packed(group, LONGEST)]
    return tuple(_trimmed(chunk) for chunk in _joined(sections) if chunk.text.strip())


def _blocks(document: str, body: int) -> Iterator[Chunk]:
    """The top-level blocks of the Markdown, each up to the start of the next, with their headings."""
    text = document[body:]
    # The inline rules are of no use here, and they are where hostile Markdown is slow.
    tokens = MarkdownIt("commonmark").disable("inline").parse(text)
    lines = [match.start() for match in _LINE.finditer(text)]
    path: list[tuple[int, str]] = []
    starts: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    for token, following in pairwise([*tokens, *tokens[-1:]]):
        if token.level or token.map is None or token.nesting < 0:
            continue
        if token.type == "heading_open":
            depth = int(token.tag[1:])
            path = [(d, name) for d, name in path if d < depth] + [(depth, following.content.strip())]
        starts.append((lines[token.map[0]], tuple(name for _, name in path)))
    # What is blank to Python need not be to Markdown: such a stretch goes with what precedes it.
    written = [one for one, (end, _) in pairwise([*starts, (len(text), ())]) if text[one[0] : end].strip()]
    for (start, headings), (end, _) in pairwise([*written, (len(text), ())]):
        yield from _pieces(Chunk(text=text[start:end], start=body + start, end=body + end, path=headings))


def _pieces(block: Chunk) -> Iterator[Chunk]:
    """The block, cut at line ends (or at a blank, or anywhere in a line without one) where it is too long."""
    rest = block
    while len(rest.text) > LONGEST:
        window = rest.text[:LONGEST]
        at = max(window.rfind("\n"), window.rfind("\r"))
        at = (at if at > 0 else window.rfind(" ")) + 1 or LONGEST
        yield replace(rest, text=rest.text[:at], end=rest.start + at)
        rest = replace(rest, text=rest.text[at:], start=rest.start + at)
    yield rest


def _packed(blocks: Iterable[Chunk], limit: int) -> Iterator[Chunk]:
    """Neighbouring blocks of one section together, as many as fit."""
    held: Chunk | None = None
    for block in blocks:
        if held is not None and len(held.text) + len(block.text) <= limit:
            held = _together(held, block)
            continue
        if held is not None:
            yield held
        held = block
    if held is not None:
        yield held


def _joined(sections: Iterable[Chunk]) -> Iterator[Chunk]:
    """Tiny sections joined to what follows (a heading to its text), or to what precedes at the end."""
    held: Chunk | None = None
    for section in sections:
        if held is None:
            held = section
        elif min(len(held.text), len(section.text)) < TINY and len(held.text) + len(section.text) <= LONGEST:
            held = _together(held, section)
        else:
            yield held
            held = section
    if held is not None:
        yield held


def _together(first: Chunk, second: Chunk) -> Chunk:
    """Two neighbours as one, under the headings that they share."""
    shared = tuple(a for a, b in zip(first.path, second.path, strict=False) if a == b)
    path = first.path if first.path == second.path else shared or first.path
    return Chunk(text=first.text + second.text, start=first.start, end=second.end, path=path)


def _trimmed(chunk: Chunk) -> Chunk:
    lead = len(chunk.text) - len(chunk.text.lstrip())
    text = chunk.text.strip()
    start = chunk.start + lead
    return replace(chunk, text=text, start=start, end=start + len(text))
