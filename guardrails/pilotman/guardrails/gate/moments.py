"""Days, hours and shares that English says in words: "in two weeks", "the end of July", "half past four"."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import date, timedelta
from types import MappingProxyType

from pilotman.guardrails.gate.literals import MONTHS, counted

_COUNT = r"(?P<count>\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)"
_UNIT = r"(?P<unit>day|night|week|fortnight|month|year)s?"
_FROM_TODAY = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:in|within|for) {_COUNT} {_UNIT}\b",
        rf"\b{_COUNT} {_UNIT}(?:'s?)? (?:from (?:now|today)|time|hence|notice|to \w+)\b",
        rf"\btoday {_COUNT} {_UNIT}\b",
    )
)
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_EDGE = re.compile(
    rf"\b(?P<edge>end|last day|close|start|beginning|first day|first) of"
    rf" (?:the |this |(?P<next>next ))?(?P<what>month|year|{_MONTH})\b"
)
_BEYOND = re.compile(r"\bday after tomorrow\b")
_UNITS = MappingProxyType({"day": 1, "night": 1, "week": 7, "fortnight": 14})
_PAST = re.compile(
    r"\b(?P<part>half|quarter|\d{1,2}|five|ten|twenty)(?: minutes)? (?P<side>past|to|before|after)"
    r" (?P<hour>\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b"
)
_PARTS = MappingProxyType({"half": 30, "quarter": 15, "five": 5, "ten": 10, "twenty": 20})
_SHARES = (
    (re.compile(r"\b(?:twice|double[sd]?|doubling)\b"), 2.0),
    (re.compile(r"\b(?:triple[sd]?|three times|threefold)\b"), 3.0),
    (re.compile(r"\b(?:half|halve[sd]?)\b(?! (?:past|an? hour|hour|day))"), 0.5),
    (re.compile(r"\b(?:a|one) third\b"), 1 / 3),
    (re.compile(r"\b(?:a|one) quarter\b(?! (?:past|to|of an hour))"), 0.25),
)


def days_in_words(text: str, today: str | None) -> frozenset[str]:
    """The full dates that a canonical text counts from today (``2026-05-04``), or names by their month."""
    try:
        return frozenset(day.isoformat() for day in _days(text, date.fromisoformat(today or "")))
    except (ValueError, OverflowError):
        return frozenset()


def _days(text: str, today: date) -> Iterator[date]:
    for pattern in _FROM_TODAY:
        for match in pattern.finditer(text):
            said = match.groupdict()
            yield _later(today, int(counted(said["count"])), said["unit"])
    for match in _EDGE.finditer(text):
        yield _edge(today, match)
    if _BEYOND.search(text):
        yield today + timedelta(days=2)


def _later(today: date, count: int, unit: str) -> date:
    if unit in _UNITS:
        return today + timedelta(days=count * _UNITS[unit])
    months = today.month - 1 + count * (12 if unit == "year" else 1)
    year, month = today.year + months // 12, months % 12 + 1
    return date(year, month, min(today.day, calendar.monthrange(year, month)[1]))


def _edge(today: date, match: re.Match[str]) -> date:
    """The first or the last day of a month or a year: of this one, the next one or the next of that name."""
    first = match["edge"] in ("start", "beginning", "first day", "first")
    further = 1 if match["next"] else 0
    if match["what"] == "year":
        return date(today.year + further, 1, 1) if first else date(today.year + further, 12, 31)
    named = MONTHS.get(match["what"], today.month)
    month = date(today.year + (named < today.month), named, 1)
    month = _later(month, further, "month") if match["what"] == "month" else month
    if first and match["what"] == "month" and month <= today:  # who says "the first of the month" looks ahead
        month = _later(month, 1, "month")
    return month if first else month.replace(day=calendar.monthrange(month.year, month.month)[1])


def hours_in_words(text: str) -> frozenset[str]:
    """The times of day, ``HH:MM``, of "half past four" and its like: both halves of the day."""
    found: set[str] = set()
    for match in _PAST.finditer(text):
        minutes = _PARTS.get(match["part"]) or int(counted(match["part"]))
        hour = int(counted(match["hour"])) % 12 * 60
        hour += minutes if match["side"] in ("past", "after") else -minutes
        found.update(f"{at // 60 % 24:02d}:{at % 60:02d}" for at in (hour, hour + 720))
    return frozenset(found)


def shares_in_words(text: str) -> frozenset[float]:
    """By how much a canonical text multiplies: 2.0 for "twice", 0.5 for "half of it"."""
    return frozenset(share for pattern, share in _SHARES if pattern.search(text))
