"""Whether a date, a time, an amount or a choice is what the request says, or follows from what it means."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

from pilotman.guardrails.gate.evidence import HARMLESS, Evidence
from pilotman.guardrails.gate.literals import (
    canonical_number,
    counted,
    dates,
    figures,
    minute_of,
    numbers,
    shifted,
    times,
)
from pilotman.guardrails.gate.request import Request
from pilotman.guardrails.gate.roles import Part
from pilotman.guardrails.wording.words import stem, stem_set, terms

Fit: TypeAlias = Literal["fits", "open", "contradicts"]

_ORDER: tuple[Fit, ...] = ("fits", "open", "contradicts")

_SHIFTS = re.compile(
    r"\b(?:weekend|later|earlier|before|after|end of|next(?! to\b)|this (?:week|month)"
    r"|(?:same|following) (?:day|date|time|hour|week|month|morning|afternoon|evening|night|\w+day)"
    r"|(?:by|back|forward|another|more|extra)\W+(?:\w+\W+){0,2}(?:days?|weeks?|months?))\b"
)
_NEAR_DAYS = re.compile(r"\b(?:today|tonight|tomorrow|yesterday)\b")
_UNTIL = re.compile(r"\b(?:until|till|through|up to|no later than)\b")
_NEAR = 14  # days: as far as the name of a weekday reaches
_LENGTH = re.compile(r"\b(\d+|an?|one|two|three|four|five|six|half an?)[ -](hour|minute|min|hr)s?\b")
_NIGHTS = re.compile(r"\b(\d+|an?|one|two|three|four|five|six)(?: more)? (day|night|week)s?\b")
_PERCENT = re.compile(r"\b(\d{1,3}(?:\.\d{1,4})?)\s?(?:%|percent\b|per cent\b)")
_AMOUNTS = stem_set("amount price sum total value cost fee limit budget")
_VERSION = re.compile(r"\Av(?=\d+\.\d)")
_AGENT = ("er", "or")  # an editor edits
_NUMBERED = re.compile(r"(?<=[\w,] )[A-Z][\w'-]*[ -]#?\d+\b|#\d+")  # part of a name: Rope Walk 7
_DAY = 1_440  # minutes


def fits(part: Part, evidence: Evidence) -> Fit:
    """How a value stands to the request: spelled out or derived from it, left open by it, or against it."""
    value = part.value
    if (isinstance(value, bool) and not is_money(part)) or evidence.request.holds(value):
        return "fits"
    text = str(value)
    if value in part.options and _is_in_words(text, evidence):
        return "fits"
    chosen = any(evidence.request.holds(option) for option in part.options) and not part.several
    if chosen or _is_replaced(text, evidence):
        return "contradicts"
    if evidence.standing(value) in HARMLESS:
        return "fits"
    days, hours = dates(text), times(text)
    if days or hours:
        found: list[Fit] = [*(_day(d, evidence) for d in days), *(_hour(h, evidence) for h in hours)]
        return max(found, key=_ORDER.index)
    number = canonical_number(text)
    if number is not None:
        return _number(float(number), part, evidence)
    return "fits" if _is_in_words(text, evidence) or evidence.standing(value) == "known" else "open"


def _is_in_words(text: str, evidence: Evidence) -> bool:
    """Whether the request says these words, in whatever form: ``vip`` of "all VIPs"."""
    said, every = terms(text), evidence.request.every
    doers = {word for word in said if word[-2:] in _AGENT and stem(word[:-2]) in every}
    return bool(said) and said - doers <= every


def _is_replaced(text: str, evidence: Evidence) -> bool:
    """Whether the request names another thing of the same make: ``4.8.2`` for ``4.9.1``."""
    make = _make(text)
    if not re.search(r"9\D+9|a\W*9|9a", make) or dates(text) or times(text):
        return False
    return any(_make(token) == make for token in evidence.request.canonical.split())


def _make(token: str) -> str:
    bare = _VERSION.sub("", token.strip(".,;:!?()\"'").casefold())
    return re.sub(r"\d+", "9", re.sub(r"[^\W\d]+", "a", bare))


def _number(wanted: float, part: Part, evidence: Evidence) -> Fit:
    """An amount is bound by the amounts that the request names, any other number by all of its numbers.

    Nobody counts money in words, and what it is not to exceed does not say how much it is.
    """
    request = evidence.request
    money = _floats(request.of("money")) if is_money(part) else set[float]()
    said, known = money or _floats(request.of("number")), _floats(evidence.numbers)
    if wanted in known or _is_counted(wanted, said, known, request):
        return "fits"
    if is_money(part):
        caps = _floats(request.caps)
        if any(wanted > cap for cap in caps):
            return "contradicts"
        said = (said & _floats(figures(_NUMBERED.sub(" ", request.text)))) - caps
    return "contradicts" if said else "open"


def _is_counted(wanted: float, said: set[float], known: set[float], request: Request) -> bool:
    """Whether it is one of the numbers that are said, or follows from them and from known ones."""
    if wanted in said or _is_derived(wanted, said, known):
        return True
    if any(abs(wanted - share * base) < 0.005 for share in request.shares for base in said | known):
        return True
    percents = _PERCENT.findall(request.canonical)
    return any(_is_share(wanted, float(p), base) for p in percents for base in said | known)


def is_counted_otherwise(parts: Sequence[Part], said: frozenset[str], evidence: Evidence) -> bool:
    """Whether these words count something that no record explains, and a call counts, but nowhere so.

    "Four of the eight-metre ropes": a call for as many as there are is another one.
    """
    counts, known = _floats(said - evidence.numbers), _floats(evidence.numbers)
    values = [p for p in parts if p.role == "value" and not isinstance(p.value, bool) and not is_money(p)]
    used = {float(number) for p in values if (number := canonical_number(str(p.value))) is not None}
    if not counts or not used or any(_is_counted(one, counts, known, evidence.request) for one in used):
        return False
    others = [p for p in parts if p not in values]
    return all(counts.isdisjoint(_floats(numbers(str(p.value)))) for p in others)


def is_money(part: Part) -> bool:
    """Whether a parameter's name says that it is an amount of money."""
    return not part.nouns.isdisjoint(_AMOUNTS)


def _day(day: str, evidence: Evidence) -> Fit:
    request = evidence.request
    if day in evidence.days or (len(day) == 10 and request.means_day(day)):
        return "fits"
    if day == request.today and not request.of("date", "weekday", "relative"):
        return "open"
    lengths = [_days(count, unit) for count, unit in _NIGHTS.findall(request.canonical)]
    if len(day) == 10 and any(shifted(day, sign * n) in evidence.days for n in lengths for sign in (1, -1)):
        return "fits"
    if lengths and evidence.days and len(day) == 10:
        return "contradicts"
    spoken = request.of("date", "weekday") | request.days | {*_NEAR_DAYS.findall(request.canonical)}
    loose = _SHIFTS.search(request.canonical) and not _is_past_end(day, request)
    return "contradicts" if spoken and not loose else "open"


def _is_past_end(day: str, request: Request) -> bool:
    """Whether the request says until when ("until Friday"), and this day is later than all that it means."""
    if request.today is None or len(day) < 10 or not _UNTIL.search(request.canonical):
        return False
    near = (shifted(request.today, n) for n in range(_NEAR))
    return any(request.means_day(one) for one in near if one < day)


def _hour(hour: str, evidence: Evidence) -> Fit:
    request = evidence.request
    said = request.of("time")
    if hour in said | evidence.hours or str(int(hour[:2]) % 12 or 12) in request.of("number"):
        return "fits"
    spans = lengths(request.canonical) or evidence.lengths
    starts = [minute_of(start) for start in said | evidence.hours]
    if any(
        (start + sign * length - minute_of(hour)) % _DAY == 0
        for start in starts
        for length in spans
        for sign in (1, -1)
    ):
        return "fits"
    return "contradicts" if said and not _SHIFTS.search(request.canonical) else "open"


def lengths(text: str) -> list[int]:
    """How many minutes a canonical text says that something takes: "half an hour"."""
    return [_minutes(count, unit) for count, unit in _LENGTH.findall(text)]


def _days(count: str, unit: str) -> int:
    return int(counted(count) * (7 if unit == "week" else 1))


def _minutes(count: str, unit: str) -> int:
    number = 0.5 if count.startswith("half") else counted(count)
    return int(number * (60 if unit.startswith("h") else 1))


def _floats(found: Iterable[str]) -> set[float]:
    return {float(number) for number in found}


def _is_derived(value: float, said: set[float], known: set[float]) -> bool:
    """A sum, difference, product or quotient with a number of the request in it."""
    results = (
        result
        for a in said
        for b in said | known
        if a != b
        for result in (
            b + a,
            b - a,
            a - b,
            a * b,
            b / a if a else 0.0,
        )
    )
    return any(abs(value - result) < 0.005 for result in results)


def _is_share(value: float, percent: float, base: float) -> bool:
    """So many per cent of an amount, or the amount with them added or taken off."""
    share = base * percent / 100
    return any(abs(value - result) < 0.005 for result in (share, base + share, base - share))
