"""Literal quotes from passages, and tools' values as one-line text. Nothing here adds a word or a number."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from pilotman.agents.report import Passage
from pilotman.agents.rules.phrases import cut
from pilotman.agents.rules.verbs import is_instruction
from pilotman.agents.rules.words import terms, words
from pilotman.agents.shape import is_list, is_mapping

_PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+>|#]|\d+[.)])\s)|```[^\n]*\n.*?(?:```|\Z)", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9])")
_OPENING = re.compile(r"\A[\s>*+#|-]*(?:\d+[.)]\s+)?")
_UNFIT = re.compile(r"[\"“”{}|<>\[\]]|```|\A[$#]|://")
_MARK = re.compile(r"\[(\d+)\]")
_SHORTEST, _LONGEST = 25, 320
_LEAVES = 14


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A literal piece of a passage (white space aside)."""

    text: str
    passage: Passage

    def line(self) -> str:
        """``"text" [n] (source, heading)``, with a word of warning if the source is not trusted."""
        warning = "" if self.passage.trusted else ", not a trusted source"
        return f'"{self.text}" [{self.passage.number}]{warning}'


def quotes(passages: Sequence[Passage], query: str, *, most: int = 3) -> list[Quote]:
    """The pieces nearest to the query, best first, at most two of one document; instructions count more."""
    wanted = terms(query)
    scored = [
        (_nearness(piece, wanted) + place, rank, Quote(text=piece, passage=passage))
        for rank, passage in enumerate(passages)
        for piece in pieces(passage.text)
        if (place := 1.0 / (1 + rank)) and terms(piece) & wanted
    ]
    chosen: list[Quote] = []
    for _, _, quote in sorted(scored, key=lambda item: (-item[0], item[1])):
        of_same = [q for q in chosen if q.passage.source == quote.passage.source]
        if len(of_same) < 2 and quote.text not in [q.text for q in chosen]:
            chosen.append(quote)
        if len(chosen) == most:
            break
    return chosen


def _nearness(piece: str, wanted: frozenset[str]) -> float:
    own = terms(piece)
    shared = len(own & wanted)
    return shared / math.sqrt(1 + len(own)) + (0.5 if is_instruction(piece) else 0.0)


def pieces(text: str) -> Iterator[str]:
    """Whole sentences and list items that can be quoted: prose, no code, links or quotation marks."""
    for paragraph in _PARAGRAPH.split(text):
        for sentence in _SENTENCE.split(_OPENING.sub("", paragraph or "")):
            piece = " ".join(sentence.split())
            if _SHORTEST <= len(piece) <= _LONGEST and not _UNFIT.search(piece):
                yield piece


def value_text(value: Any, limit: int = 400) -> str:
    """A JSON value on one line: ``key: value, …``; square brackets round numbers become round ones."""
    text = " ".join(_flat(value).split())
    return cut(_MARK.sub(r"(\1)", text), limit) or "nothing"


def _flat(value: Any) -> str:
    if isinstance(value, str):
        return "; ".join(line.strip() for line in value.splitlines() if line.strip())
    if is_mapping(value):
        return ", ".join(_some(f"{_label(key)}: {_inner(item)}" for key, item in value.items()))
    if is_list(value):
        return "; ".join(_some(_flat(item) for item in value))
    return {None: "", True: "yes", False: "no"}.get(value) or _number(value)


def _inner(value: Any) -> str:
    if isinstance(value, Mapping | list | tuple) and value:
        return f"({_flat(value)})"
    return _flat(value) or "nothing"


def _number(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return ""
    return orjson.dumps(value, default=str).decode()  # as it stands in the tool's message


def _some(parts: Iterable[str]) -> list[str]:
    listed = [part for part in parts if part]
    return [*listed[:_LEAVES], "…"] if len(listed) > _LEAVES else listed


def _label(key: Any) -> str:
    return str(key).replace("_", " ")


def humanly(tool: str) -> str:
    """A tool's name as a heading: ``get_refund_status`` gives ``Refund status``."""
    parts = words(tool)
    while len(parts) > 1 and parts[0] in {
        "get",
        "fetch",
        "read",
        "list",
        "check",
        "lookup",
        "find",
        "show",
        "query",
    }:
        parts = parts[1:]
    return " ".join(parts).capitalize() if parts else tool
