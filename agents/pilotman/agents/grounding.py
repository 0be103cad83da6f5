"""Whether a text says only what the run has seen: citations, quotes, figures, identifiers, actions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pilotman.agents import claims, mentions
from pilotman.agents.report import Citation, Passage
from pilotman.guardrails.incoming.orders import unmarked

_MARK = re.compile(r"\[(\d{1,9})\]")
_QUOTE = r"[\"“]([^\"“”]{3,600})[\"”]\s*"
_QUOTED = re.compile(rf"{_QUOTE}{_MARK.pattern}")
_CITING = re.compile(rf"(?:{_QUOTE})?{_MARK.pattern}")
_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a text may rest on.

    ``texts``: the request, tool results, reports. ``passages`` by number. ``tools``: every tool that writes;
    ``applied``: those whose effect the journal holds as applied.
    """

    texts: Sequence[str] = ()
    passages: Mapping[int, Passage] = field(default_factory=lambda: MappingProxyType({}))
    tools: frozenset[str] = frozenset()
    applied: frozenset[str] = frozenset()

    def whole(self) -> str:
        """Everything in one text, for look-ups."""
        passages = (f"{p.source} {p.heading}\n{p.text}" for p in self.passages.values())
        return "\n".join([*self.texts, *passages])


def problems(text: str, evidence: Evidence) -> list[str]:
    """What in ``text`` has no ground, in words that a model can act on; empty if all has. At most twenty."""
    whole = evidence.whole()
    found = itertools.chain(
        _unknown_marks(text, evidence.passages, whole),
        _false_quotes(text, evidence.passages),
        _unseen(text, whole),
        _unmade(text, evidence, whole),
    )
    return list(itertools.islice(found, _SHOWN))


def citations(text: str, passages: Mapping[int, Passage]) -> tuple[Citation, ...]:
    """The citations of a text, by its ``[n]`` marks in order; the quote is literal, from the passage."""
    return numbered(text, passages)[1]


def numbered(text: str, passages: Mapping[int, Passage]) -> tuple[str, tuple[Citation, ...]]:
    """The text with its ``[n]`` marks numbered from 1, and the citations in that order, each once.

    A mark after a quote cites that quote. One alone cites what the text quotes from the passage first, else
    the passage's opening.
    """
    first: dict[int, str] = {}
    for quote, mark in _QUOTED.findall(text):
        first.setdefault(int(mark), quote)
    order: dict[Citation, int] = {}

    def number(match: re.Match[str]) -> str:
        quote, mark = match[1], int(match[2])
        passage = passages.get(mark)
        if passage is None:
            return match[0]
        source = unmarked(passage.text)
        literal = _literal(quote or first.get(mark, ""), source) or _opening(source)
        citation = Citation(source=passage.source, version=passage.version, quote=literal)
        own = order.setdefault(citation, len(order) + 1)
        return f"{text[match.start() : match.start(2)]}{own}]"

    return _CITING.sub(number, text), tuple(order)


def _unknown_marks(text: str, passages: Mapping[int, Passage], whole: str) -> Iterator[str]:
    """Marks of no passage; what a log or a report writes in brackets is none, it is quoted."""
    for mark in sorted({int(m) for m in _MARK.findall(text)}):
        if mark not in passages and f"[{mark}]" not in whole:
            yield f"[{mark}] cites nothing that this run has retrieved"


def _false_quotes(text: str, passages: Mapping[int, Passage]) -> Iterator[str]:
    squeezed: dict[int, str] = {}
    for quote, mark in _QUOTED.findall(text):
        passage = passages.get(int(mark))
        if passage is None:
            continue
        if passage.number not in squeezed:
            squeezed[passage.number] = _squeezed(passage.text)
        if _squeezed(quote) not in squeezed[passage.number]:
            yield f'"{quote[:80]}" does not stand in [{mark}]'


def _unseen(text: str, whole: str) -> Iterator[str]:
    for mention in mentions.unseen(_MARK.sub(" ", text), mentions.Evidence(whole)):
        yield f"{mention} was not returned by any tool or source"


def _unmade(text: str, evidence: Evidence, whole: str) -> Iterator[str]:
    for tool, sentence in claims.unmade(text, evidence.tools - evidence.applied, whole):
        yield f"{sentence[:120]!r} claims an action that was not done: {tool}"


def _squeezed(text: str) -> str:
    return " ".join(unmarked(text).split()).casefold()


def _literal(quote: str, text: str) -> str:
    """The quote as it stands in the text, with the text's own line breaks; '' if it does not."""
    found = re.search(r"\s+".join(map(re.escape, quote.split())), text, re.IGNORECASE)
    return found.group() if found else ""


def _opening(text: str, limit: int = 240) -> str:
    """The first lines of a passage, cut at a word."""
    stripped = text.strip()
    return stripped if len(stripped) <= limit else stripped[:limit].rsplit(None, 1)[0]
