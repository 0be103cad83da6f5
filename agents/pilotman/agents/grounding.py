"""Whether a text says only what the run has seen: citations, quotes, numbers, identifiers, claimed actions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from pilotman.agents.report import Citation, Passage

_MARK = re.compile(r"\[(\d{1,9})\]")
_QUOTED = re.compile(r"[\"“]([^\"“”]{3,600})[\"”]\s*\[(\d{1,9})\]")
_NUMBER = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?:\s?%)?(?![\w-])")
_IDENTIFIER = re.compile(r"\b(?:[A-Z][A-Z0-9]+-\d+|\d{1,3}(?:\.\d{1,3}){3})\b")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_WORD = re.compile(r"[a-z0-9]+")
_OPEN_ENDED = re.compile(
    r"\b(?:not|no|never|n't|cannot|could|would|should|may|might|can|if|once|until|unless|before|pending|"
    r"waiting|waits|awaits|proposed|denied|rejected|refused|unknown|failed|please|will|to be)\b|n't\b",
    re.IGNORECASE,
)
_PAST = {
    "send": "sent",
    "set": "set",
    "put": "put",
    "write": "wrote",
    "make": "made",
    "pay": "paid",
    "buy": "bought",
    "run": "ran",
    "take": "took",
    "give": "gave",
    "shut": "shut",
    "cut": "cut",
    "rebuild": "rebuilt",
    "build": "built",
    "reset": "reset",
    "withdraw": "withdrew",
}
_SMALL = 12


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
    """What in ``text`` has no ground, in words that a model can act on; empty if all has."""
    whole = evidence.whole()
    return [
        *_unknown_marks(text, evidence.passages),
        *_false_quotes(text, evidence.passages),
        *_unseen(text, whole),
        *_unmade(text, evidence, whole),
    ]


def citations(text: str, passages: Mapping[int, Passage]) -> tuple[Citation, ...]:
    """The citations of a text, by its ``[n]`` marks in order; the quote is literal, from the passage."""
    quotes = {int(mark): quote for quote, mark in _QUOTED.findall(text)}
    found: dict[int, Citation] = {}
    for mark in map(int, _MARK.findall(text)):
        passage = passages.get(mark)
        if passage is not None and mark not in found:
            quote = quotes.get(mark)
            literal = _literal(quote or "", passage.text) or _opening(passage.text)
            found[mark] = Citation(source=passage.source, version=passage.version, quote=literal)
    return tuple(found.values())


def _unknown_marks(text: str, passages: Mapping[int, Passage]) -> Iterable[str]:
    for mark in sorted({int(m) for m in _MARK.findall(text)}):
        if mark not in passages:
            yield f"[{mark}] cites nothing that this run has retrieved"


def _false_quotes(text: str, passages: Mapping[int, Passage]) -> Iterable[str]:
    for quote, mark in _QUOTED.findall(text):
        passage = passages.get(int(mark))
        if passage is not None and _squeezed(quote) not in _squeezed(passage.text):
            yield f'"{quote[:80]}" does not stand in [{mark}]'


def _unseen(text: str, whole: str) -> Iterable[str]:
    """Numbers and identifiers that no tool, source or request contains. Small counts are let pass."""
    bare = _MARK.sub(" ", text)
    seen_numbers = {_plain(n) for n in re.findall(r"\d[\d,]*(?:\.\d+)?", whole)}
    for token in dict.fromkeys(_IDENTIFIER.findall(bare)):
        if token not in whole:
            yield f"{token} was not returned by any tool or source"
    for token in dict.fromkeys(_NUMBER.findall(_IDENTIFIER.sub(" ", bare))):
        plain = _plain(token)
        counted = "%" not in token and "." not in plain and int(plain or 0) <= _SMALL
        if not counted and plain not in seen_numbers:
            yield f"the number {token.strip()} was not returned by any tool or source"


def _unmade(text: str, evidence: Evidence, whole: str) -> Iterable[str]:
    """Sentences that claim an action which the journal does not hold."""
    for tool in sorted(evidence.tools - evidence.applied):
        verb, *rest = _WORD.findall(tool.lower().replace("_", " ")) or [""]
        claim = re.compile(rf"\b(?:{'|'.join(map(re.escape, _forms(verb)))})\b", re.IGNORECASE)
        for sentence in _SENTENCE.split(text):
            if not claim.search(sentence) or _OPEN_ENDED.search(sentence):
                continue
            about_it = any(word[:5] in sentence.lower() for word in rest)
            if about_it and sentence.strip() not in whole:
                yield f"{sentence.strip()[:120]!r} claims an action that was not done: {tool}"
                break


def _forms(verb: str) -> tuple[str, ...]:
    """Forms of a verb that claim a thing as done."""
    if verb in _PAST:
        return (_PAST[verb],)
    if verb.endswith("e"):
        return (f"{verb}d",)
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return (f"{verb[:-1]}ied",)
    return (f"{verb}ed", f"{verb}{verb[-1:]}ed")


def _plain(number: str) -> str:
    digits = number.replace(",", "").replace("%", "").strip()
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _squeezed(text: str) -> str:
    return " ".join(text.split()).casefold()


def _literal(quote: str, text: str) -> str:
    """The quote as it stands in the text, with the text's own line breaks; '' if it does not."""
    found = re.search(r"\s+".join(map(re.escape, quote.split())), text, re.IGNORECASE)
    return found.group() if found else ""


def _opening(text: str, limit: int = 240) -> str:
    """The first lines of a passage, cut at a word."""
    stripped = text.strip()
    return stripped if len(stripped) <= limit else stripped[:limit].rsplit(None, 1)[0]
