"""The user's own words: the root of all trust in a run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from pilotman.guardrails.gate.demands import demands, sentences
from pilotman.guardrails.gate.literals import (
    Literal,
    agrees,
    canonical,
    canonical_number,
    dates,
    literals,
    quotes,
    relative_days,
    shifted,
    weekday_of,
)
from pilotman.guardrails.gate.moments import days_in_words, hours_in_words, shares_in_words
from pilotman.guardrails.gate.records import Record, figures_in, forms, scalars, stands
from pilotman.guardrails.wording.actions import ACTION_STEMS, ACTIONS, THINGS
from pilotman.guardrails.wording.lexicon import word_set
from pilotman.guardrails.wording.words import stem, stem_set, terms, words

_ALL = word_set("all every each both everyone everybody everything any")
SUPERLATIVE = re.compile(
    r"\b(?:(most|highest|largest|biggest|longest|best|newest|latest|last|recent|top|furthest|more|higher|larger"
    r"|bigger|longer|better|newer|later|hottest|busiest|fullest|heaviest|strongest|oldest|youngest)"
    r"|(least|fewest|lowest|smallest|cheapest|shortest|earliest|first|next|nearest|closest|worst|quickest|fastest"
    r"|lightest|slowest|emptiest|cheaper|lower|smaller|shorter|earlier|nearer|closer|fewer))\b"
)
_NO_RANK = re.compile(
    r"\bat (?:most|least)\b|\b(?:next|last|first) (?:\w+day|week|weekend|month|year|night|time|name|january"
    r"|february|march|april|may|june|july|august|september|october|november|december)\b"
)
_CAP = re.compile(
    r"\b(?:at most|under|below|less than|(?:no|not) more than|up to|max(?:imum)?(?: of)?|cheaper than)"
    r"\s+\D{0,3}(\d[\d.,]*)"
    r"|(\d[\d.,]*)\D{0,12}\b(?:is (?:the|my|our) (?:budget|limit|max(?:imum)?))\b"
)
_PAST = re.compile(r"\b(?:newest|latest|last|recent|earliest|first|next|newer|later|earlier|oldest)\b")
_DEAR = re.compile(r"\b(?:cheap(?:est|er)|expensive)\b")
_LONG = re.compile(r"\b(?:long|short|quick|fast|slow)(?:est|er)\b")
_AGED = re.compile(r"\b(?:old|young|new)(?:est|er)\b")
_BIG = re.compile(r"\b(?:larg|bigg|small)(?:est|er)\b")
_AGES = stem_set("age")
_SIZES = stem_set("size bytes kilobytes megabytes volume capacity area")
_PRICES = stem_set("price cost fare amount total rate fee value")
_LENGTHS = stem_set("length duration minutes hours days size wait")
_PROPER = re.compile(r"(?<=[\w,:;)] )[\"'(\u201c\u2018]?([A-Z][\w'&-]*)|[#@]([\w.-]+)|\b([\w-]*\d[\w-]*)\b")


_GLUED = re.compile(r"(?<=[a-z]{2})\.(?=[A-Z][a-z]+['\u2019]?[a-z]*\s)")  # "see www.acme.com.They wrote"
_NUMBERING = re.compile(r"(?:^|(?<=[\s:;]))\d{1,2}[.)]\s+(?=[A-Z])")  # "1. Show the files. 2. Delete"
_EXCEPTED = re.compile(
    r"\b(?:except|apart from|other than|aside from|with the exception of|anything but|all but"
    r"|keep(?:ing)? only|only keep(?:ing)?)\b[^.,;!?\n]*",
    re.IGNORECASE,
)
"""What is left out of what a request means."""
_INITIALS = re.compile(r"([A-Za-z]{2,4})[- ]?(\d{1,4}[A-Za-z]?)")
_DENIED = re.compile(r"\b(?:not|never|without|no|nor|neither)\b|n't\b")
_OPENING = re.compile(r"(?:^|[.!?;\n:]\s+)([A-Z][a-z][\w'-]*)")


def _is_everyday(word: str) -> bool:
    """Whether a word that opens a sentence is no name for all we know."""
    root = stem(re.sub(r"'s?\Z", "", word).casefold())
    return not terms(word) or root in THINGS or root in ACTION_STEMS


class Request:
    """A request and the authenticated facts beside it: what a value may equal to be trusted.

    Args:
        text: what the user wrote.
        facts: what the application knows for sure. ``today`` is an ISO date, for words such as "tomorrow".
    """

    def __init__(self, text: str, facts: Mapping[str, Any]) -> None:
        text = _GLUED.sub(". ", text)
        self.text = text
        self.every = terms(text)
        self.excepted = f" {canonical(' | '.join(_EXCEPTED.findall(text)))} "
        text = _NUMBERING.sub(" ", _EXCEPTED.sub(" ", text))
        self.canonical = f" {canonical(text)} "
        self.terms = self.every - frozenset(stem(demand.verb) for demand in demands(text))
        self.quotes = quotes(text)
        self.figures = frozenset(figures_in(self.canonical))
        self.shares = shares_in_words(self.canonical)
        self.today: str | None = str(facts["today"])[:10] if "today" in facts else None
        self._literals = literals(text) | {Literal("time", hour) for hour in hours_in_words(self.canonical)}
        self._days: dict[str | None, frozenset[str]] = {}
        self._spelled = self.of("email", "url", "iban") | {
            form for _, value in scalars(facts) for form in forms(value)
        }
        self.proper = self._proper()
        self.actions = frozenset[str]().union(
            *(
                ACTIONS[ACTION_STEMS[s]]
                for sentence in sentences(text)
                if not _DENIED.search(sentence)
                for word in words(sentence)
                if (s := stem(word)) in ACTION_STEMS
            )
        )
        self.telling = frozenset(t for t in self.terms if t not in THINGS and t not in ACTION_STEMS)
        self.plural = not _ALL.isdisjoint(re.findall(r"[a-z]+", self.canonical))
        self._rank = SUPERLATIVE.search(_NO_RANK.sub(" ", self.canonical))

    def _proper(self) -> frozenset[str]:
        """Stems of names: capitalised inside a sentence, marked, numbered or quoted; in lower-case text, all
        words that are no everyday verbs or nouns."""
        found = [word for groups in _PROPER.findall(self.text) for word in groups if word]
        found += [word for word in _OPENING.findall(self.text) if not _is_everyday(word)]
        named = terms(" ".join([*found, *self.quotes]))
        if not re.search(r"\w [A-Z][a-z]", self.text):
            named |= {t for t in self.terms if t not in THINGS and t not in ACTION_STEMS}
        return named

    def of(self, *kinds: str) -> frozenset[str]:
        """The literals of some kinds, canonical."""
        return frozenset(literal.value for literal in self._literals if literal.kind in kinds)

    def holds(self, value: Any) -> bool:
        """Whether the request or the facts spell this value out."""
        return not self._spelled.isdisjoint(forms(value)) or self.spells(value)

    def spells(self, value: Any) -> bool:
        """Whether the request itself does, in any way to write a date or a number."""
        found = forms(value)
        if any(stands(form, self.canonical) for form in found) or self._abbreviates(value):
            return True
        if isinstance(value, str) and len(value) == 10 and (days := dates(value)):
            return any(self.means_day(day) for day in days)
        return isinstance(value, int | float) and not self.of("number").isdisjoint(found)

    def _abbreviates(self, value: Any) -> bool:
        """Whether it names this, by initials and a number: ``RW-7`` of "7 Rope Walk"."""
        found = _INITIALS.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is None:
            return False
        name = r"[\w']*\s+".join(found[1].upper()) + r"[\w']*"
        number = rf"\b{found[2]}\b"
        beside = (rf"(?i:{number}),?\s+{name}\b", rf"\b{name},?\s+(?i:{number})")
        return any(re.search(pattern, self.text) for pattern in beside)

    def ranks(self, candidates: Sequence[Record]) -> list[Record]:
        """The record that a superlative of the request picks ("the cheapest"), if there is just one.

        The field that orders them is one that the request names ("highest load"), or, by the word itself, a
        price, a moment or a length of time.
        """
        if self._rank is None:
            return []
        candidates = [record for record in candidates if self._affords(record)]
        for name in sorted({name for record in candidates for name in record.orderables}):
            if not self._orders_by(name, candidates):
                continue
            having = [r for r in candidates if name in r.orderables]
            pick = max if self._ranks_high(moments=isinstance(having[0].orderables[name], str)) else min
            best = pick(having, key=lambda r: r.orderables[name])
            if sum(r.orderables[name] == best.orderables[name] for r in having) == 1:
                return [best]
        return []

    def _ranks_high(self, *, moments: bool) -> bool:
        """Whether the superlative means the highest number, or the last moment: the oldest has the highest
        age, and came first."""
        if self._rank is not None and _AGED.fullmatch(self._rank[0]):
            return self._rank[0].startswith("old") != moments
        return self._rank is not None and bool(self._rank[1])

    @cached_property
    def caps(self) -> frozenset[str]:
        """The amounts that are not to be exceeded: "at most 150"."""
        said = (before or after for before, after in _CAP.findall(self.canonical))
        return frozenset(
            number for text in said if (number := canonical_number(text.rstrip(".,"))) is not None
        )

    def _affords(self, record: Record) -> bool:
        """Whether the record's price keeps to "at most 150"."""
        prices = [
            v
            for name, v in record.orderables.items()
            if isinstance(v, float) and not _PRICES.isdisjoint(stem(w) for w in words(name))
        ]
        return all(price <= float(cap) for cap in self.caps for price in prices)

    def _orders_by(self, name: str, candidates: Sequence[Record]) -> bool:
        stems = frozenset(stem(word) for word in words(name))
        values = [r.orderables[name] for r in candidates if name in r.orderables]
        if len({type(value) for value in values}) != 1:
            return False
        if not stems.isdisjoint(self.terms):
            return True
        if _AGED.search(self.canonical) and not stems.isdisjoint(_AGES):
            return True
        if _BIG.search(self.canonical) and not stems.isdisjoint(_SIZES):
            return True
        if _LONG.search(self.canonical):
            return not stems.isdisjoint(_LENGTHS)
        if _DEAR.search(self.canonical):
            return not stems.isdisjoint(_PRICES)
        return isinstance(values[0], str) and _PAST.search(self.canonical) is not None

    @property
    def days(self) -> frozenset[str]:
        """The full dates that it says in words, counted from today."""
        if self.today not in self._days:
            self._days[self.today] = days_in_words(self.canonical, self.today)
        return self._days[self.today]

    def means_day(self, full: str) -> bool:
        """Whether the request means this day (``2024-05-20``), in any of the ways in which days are named."""
        if full in self._spelled or any(agrees(said, full) for said in self.of("date")):
            return True
        if full in self.days:
            return True
        today = self.today
        if weekday_of(full) in self.of("weekday"):
            return today is None or today <= full <= shifted(today, 14)
        return today is not None and any(
            shifted(today, relative_days(w)) == full for w in self.of("relative")
        )
