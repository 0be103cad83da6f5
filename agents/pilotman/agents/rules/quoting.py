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
from pilotman.guardrails.shape import is_list, is_mapping
from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.verbs import is_instruction, is_reading, is_verb
from pilotman.guardrails.wording.words import terms, words

FOUND = "Found:"
GUIDANCE = "What the documents say:"
DONE = "Done:"
OPEN = "Not done or not known:"
HEADINGS = (FOUND, GUIDANCE, DONE, OPEN)
"""What a report's statements stand under, in this order."""

_PARAGRAPH = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*+>|#]|\d+[.)])\s)|```[^\n]*\n.*?(?:```|\Z)", re.DOTALL)
_SENTENCE = re.compile(r"(?<=[.!?\u27e7])\s+(?=[A-Z0-9\u27e6])")
_OPENING = re.compile(r"\A[\s>*+#|-]*(?:\d+[.)]\s+)?")
_UNFIT = re.compile(r"[\"“”{}|<>\[\]\u27e6\u27e7]|```|\A[$#]|://|---|\$[A-Z]")
_PROSE = re.compile(r"[A-Z]\S*(?:\s\S+){3,}(?:[.!?]|(?:\s\S+){5}(?<!:))\Z")
_MARK = re.compile(r"\[(\d+)\]")
_TOOL = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+"
TOOL_LINE = re.compile(
    rf"(?P<bullet>(?:[-*+]\s+)?)(?P<tools>{_TOOL}(?:, {_TOOL})*)(?P<target>(?: \([^()]*\))?):\s"
)
"""How a statement of a report begins: the tools that it comes from, and what they were asked about."""
_SHORTEST, _LONGEST = 25, 320
_LEAVES, _DEEPEST = 14, 6
_FETCHING = word_set("get fetch read list check lookup look up find show query")


@dataclass(frozen=True, kw_only=True)
class Quote:
    """A literal piece of a passage (white space aside)."""

    text: str
    passage: Passage

    def line(self) -> str:
        """``"text" [n] (source, heading)``, with a word of warning if the source is not trusted."""
        warning = "" if self.passage.trusted else ", not a trusted source"
        return f'"{self.text}" [{self.passage.number}]{warning}'


def quotes(passages: Sequence[Passage], query: str, *, also: str = "", most: int = 3) -> list[Quote]:
    """The pieces nearest to the query, best first, at most two of one passage.

    Words of ``also`` count less, and alone not at all. Instructions count more, and those of the best
    document are quoted even without a word in common.
    """
    wanted = {term: 0.5 if is_verb(term) else 1.0 for term in terms(query) if not is_reading(term)}
    beside = {term: 1.0 for term in terms(also) if term not in wanted and not is_reading(term)}
    best = next((p.source for p in passages if terms(f"{p.heading} {p.text}") & wanted.keys()), None)
    scored: list[tuple[float, Quote]] = []
    for rank, passage in enumerate(passages):
        under = _overlap(passage.heading, wanted) / 2
        for piece in pieces(passage.text):
            shared, told = _overlap(piece, wanted), is_instruction(piece)
            near = _overlap(piece, beside) / 2
            if shared or (told and passage.source == best):
                score = shared + near + under + told / 2 + 1 / (1 + rank)
                scored.append((score, Quote(text=piece, passage=passage)))
    chosen: list[Quote] = []
    for _, quote in sorted(scored, key=lambda pair: -pair[0]):
        of_same = [q for q in chosen if q.passage.number == quote.passage.number]
        if len(of_same) < 2 and quote.text not in [q.text for q in chosen]:
            chosen.append(quote)
    return chosen[:most]


def _overlap(text: str, wanted: Mapping[str, float]) -> float:
    """The weight of the words that the text shares, less for a long text."""
    own = terms(text)
    return math.fsum(sorted(wanted[term] for term in own & wanted.keys())) / math.sqrt(1 + len(own))


def pieces(text: str) -> Iterator[str]:
    """Whole sentences and list items that can be quoted: prose, no code, links or quotation marks."""
    for paragraph in _PARAGRAPH.split(text):
        for sentence in _SENTENCE.split(_OPENING.sub("", paragraph or "")):
            piece = " ".join(sentence.split())
            if _SHORTEST <= len(piece) <= _LONGEST and _PROSE.match(piece) and not _UNFIT.search(piece):
                yield piece


def value_text(value: Any, limit: int = 400) -> str:
    """A JSON value on one line: its own ``summary`` if it has one, else ``key: value, …``.

    Square brackets round numbers become round ones: they are no citations.
    """
    own = value.get("summary") if is_mapping(value) else None
    text = " ".join(_flat(own if isinstance(own, str) and own.strip() else value, 0).split())
    return cut(_MARK.sub(r"(\1)", text), limit) or "nothing"


def _flat(value: Any, depth: int) -> str:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, str):
        return "; ".join(line.strip() for line in value.splitlines() if line.strip())
    if is_mapping(value):
        return ", ".join(_some(f"{_label(key)}: {_inner(item, depth)}" for key, item in value.items()))
    if is_list(value):
        return "; ".join(_some(_flat(item, depth + 1) for item in value))
    return _scalar(value)


def _inner(value: Any, depth: int) -> str:
    nested = value and (is_mapping(value) or is_list(value))
    return f"({_flat(value, depth + 1)})" if nested else _flat(value, depth) or "nothing"


def _scalar(value: Any) -> str:
    """As it stands in the tool's message; 1 is a number, not a yes."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:  # an integer beyond 64 bits
        return str(value)


def _some(parts: Iterable[str]) -> list[str]:
    listed = [part for part in parts if part]
    return [*listed[:_LEAVES], "…"] if len(listed) > _LEAVES else listed


def _label(key: Any) -> str:
    return str(key).replace("_", " ")


def humanised(line: str) -> str:
    """A statement of a report with its tools' names as words: ``Disk usage (web-1): …``."""
    match = TOOL_LINE.match(line)
    if match is None:
        return line
    names = ", ".join(map(humanly, match["tools"].split(", ")))
    return f"{match['bullet']}{names}{match['target']}: {line[match.end() :]}"


def humanly(tool: str) -> str:
    """A tool's name as a heading: ``get_refund_status`` gives ``Refund status``."""
    parts = words(tool)
    while len(parts) > 1 and parts[0] in _FETCHING:
        parts = parts[1:]
    return " ".join(parts).capitalize() if parts else tool
