"""Values in text, in a canonical form: addresses, dates, times, numbers, quotes. English and ISO notation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Literal as OneOf
from typing import TypeAlias

Kind: TypeAlias = OneOf[
    "email", "url", "iban", "date", "weekday", "relative", "time", "number", "money", "quoted"
]

_MONTH_NAMES = (
    ("january", "jan"),
    ("february", "feb"),
    ("march", "mar"),
    ("april", "apr"),
    ("may",),
    ("june", "jun"),
    ("july", "jul"),
    ("august", "aug"),
    ("september", "sep", "sept"),
    ("october", "oct"),
    ("november", "nov"),
    ("december", "dec"),
)
MONTHS = MappingProxyType(
    {name: number for number, names in enumerate(_MONTH_NAMES, start=1) for name in names}
)
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_COUNTED = "zero one two three four five six seven eight nine ten eleven twelve"
_COUNTS = MappingProxyType({word: number for number, word in enumerate(_COUNTED.split())})
_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s+(?P<year>\d{4}))?"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<!\d)(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?!\d)",
        r"(?<![\d/])(?P<year>\d{4})/(?P<month>\d{1,2})/(?P<day>\d{1,2})(?![\d/])",
        rf"\b(?P<name>{_MONTH})\.?\s+{_DAY}\b(?!:){_YEAR}",
        rf"\b{_DAY}\s+(?:of\s+)?(?P<name>{_MONTH})\b\.?{_YEAR}",
        rf"\bthe\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)\b(?!\s+(?:of\s+)?(?:{_MONTH})\b)",
    )
)
_RANGES = (
    re.compile(
        rf"\b(?P<first>\d{{1,2}})(?:st|nd|rd|th)?\s*(?:to|until|till|and|-|\u2013)\s*{_DAY}\s+(?:of\s+)?(?P<name>{_MONTH})\b\.?{_YEAR}",
        re.IGNORECASE,
    ),
    re.compile(
        rf"\b(?P<name>{_MONTH})\.?\s+(?P<first>\d{{1,2}})(?:st|nd|rd|th)?\s*(?:to|until|till|and|-|\u2013)\s*{_DAY}\b(?!:){_YEAR}",
        re.IGNORECASE,
    ),
)
_SLASHED = re.compile(r"(?<![\d/])(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?![\d/])")
_TIME = re.compile(
    r"(?<![\d.:])(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?::\d{2})?\s*(?P<half>[ap]\.?m\b\.?)?(?![\d:])",
    re.IGNORECASE,
)
_OFFSET = re.compile(r"(T\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:Z|[-+]\d{2}:?\d{2})\b", re.IGNORECASE)
_FULL = re.compile(r"\s*\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d|\s*\Z)")
_NAMED_TIME = MappingProxyType({"noon": "12:00", "midday": "12:00", "midnight": "00:00"})
_NUMBER = re.compile(r"(?<![\w.,/-])[-+]?\d+(?:[.,]\d+)*(?!\w|\.\w|-\d)")
MONEY = re.compile(
    r"[$€£]\s?(\d[\d.,]*)|(?<![\d.,])(\d[\d.,]*)\s?(?:[$€£]|(?:dollars?|euros?|usd|eur|gbp|pounds?|bucks|chf|francs?)\b)",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(
    r"(?:https?://|www\.)[^\s<>\"'`)\]]+|\b[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|dev|ai|info|co|app)\b[^\s<>\"'`)\]]*",
    re.IGNORECASE,
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){8,30}\b", re.IGNORECASE)
_QUOTED = re.compile(
    "[\"\u201c]([^\"\u201c\u201d\n]{1,500})[\"\u201d]|(?<!\\w)['\u2018`]([^'\u2018\u2019`\n]{1,500})['\u2019`](?!\\w)"
)
_RELATIVE = MappingProxyType({"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1})
_HOURS = 24
_RUN = re.compile(r"(\S{300})(?=\S)")
_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Literal:
    """A value and its kind. A date without its year is ``--05-20``, a day alone ``---20`` (ISO 8601:2000)."""

    kind: Kind
    value: str


def canonical(text: str) -> str:
    """One spelling of a text: NFKC, case-folded, without invisible characters, blanks collapsed."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    if not folded.isascii():
        folded = "".join(c for c in folded if unicodedata.category(c) not in {"Cf", "Cc"} or c in "\n\t ")
    return " ".join(folded.split())


def short_runs(text: str) -> str:
    """The text with a blank in each run of 300 characters without one: patterns stay fast on it."""
    return _RUN.sub(r"\1 ", text)


def canonical_url(text: str) -> str:
    """A URL without scheme, ``www.`` and a closing slash."""
    bare = canonical(text).rstrip(".,;:!?")
    return re.sub(r"^(?:https?://)?(?:www\.)?", "", bare).rstrip("/")


def canonical_number(text: str) -> str | None:
    """A number as a plain decimal; None if it is none. Thousands may be set apart by commas."""
    bare = text.strip().lstrip("+")
    if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d+)?", bare):
        bare = bare.replace(",", "")
    elif re.fullmatch(r"-?\d+,\d{1,2}", bare):
        bare = bare.replace(",", ".")
    try:
        number = Decimal(bare)
    except InvalidOperation:
        return None
    return format(number.normalize(), "f") if number.is_finite() else None


def literals(text: str) -> frozenset[Literal]:
    """All values that a text spells out."""
    return frozenset(_literals(unicodedata.normalize("NFKC", short_runs(text))))


def dates(text: str) -> frozenset[str]:
    """The dates that a text spells out, as ``Literal.value``."""
    return frozenset(_dates(text))


def times(text: str) -> frozenset[str]:
    """The times of day, ``HH:MM``. A bare hour counts only with its half of the day."""
    found = {named for word, named in _NAMED_TIME.items() if re.search(rf"\b{word}\b", text, re.IGNORECASE)}
    for match in _TIME.finditer(_OFFSET.sub(r"\1", text)):
        if match["minute"] or match["half"]:
            hour = _hour(int(match["hour"]), match["half"])
            if hour is not None:
                found.add(f"{hour:02d}:{match['minute'] or '00'}")
    return frozenset(found)


def moments(text: str) -> list[datetime]:
    """The moment that a text is, in whatever zone: ``2026-05-20T09:00``; a day alone is its midnight."""
    try:
        return [datetime.fromisoformat(text.strip()).replace(tzinfo=None)] if _FULL.match(text) else []
    except ValueError:
        return []


def numbers(text: str) -> frozenset[str]:
    """Numbers in digits or, up to twelve, in words; none that is part of a name or a path."""
    worded = {str(_COUNTS[word]) for word in re.findall(r"[a-z]+", text.casefold()) if word in _COUNTS}
    return figures(text) | worded


def figures(text: str) -> frozenset[str]:
    """Numbers in digits, as ``numbers`` finds them."""
    return frozenset(
        number for token in _NUMBER.findall(text) if (number := canonical_number(token)) is not None
    )


def counted(word: str) -> float:
    """A count in digits or as a word: ``3``, ``three``, ``a``."""
    return 1.0 if word in ("a", "an") else float(_COUNTS.get(word, word))


def minute_of(hour: str) -> int:
    """The minute of the day of ``HH:MM``."""
    return int(hour[:2]) * 60 + int(hour[3:])


def quotes(text: str) -> tuple[str, ...]:
    """What stands in quotation marks, as it is written."""
    return tuple(double or single for double, single in _QUOTED.findall(text))


def addresses(text: str) -> frozenset[str]:
    """Canonical addresses in a text: e-mail, URL, IBAN. Whoever writes them decides where something goes."""
    return frozenset(literal.value for literal in _addresses(short_runs(text)))


def kind_of(address: str) -> Kind:
    """The kind of a canonical address."""
    return "email" if "@" in address else "url" if "." in address else "iban"


def agrees(said: str, full: str) -> bool:
    """Whether a full date (``2024-05-20``) is one that ``said`` may mean."""
    if said.startswith("---"):
        return full[8:] == said[3:]
    if said.startswith("--"):
        return full[5:] == said[2:]
    return said == full


def weekday_of(full: str) -> str | None:
    """The weekday of a full date."""
    try:
        return WEEKDAYS[date.fromisoformat(full).weekday()]
    except ValueError:
        return None


def shifted(full: str, days: int) -> str:
    """A full date, so many days later."""
    return (date.fromisoformat(full) + timedelta(days=days)).isoformat()


def _literals(text: str) -> Iterator[Literal]:
    yield from _addresses(text)
    bare = _URL.sub(" ", _EMAIL.sub(" ", text))
    yield from (Literal("date", value) for value in _dates(bare))
    yield from (Literal("time", value) for value in times(bare))
    yield from (Literal("number", value) for value in numbers(_without_dates(bare)))
    yield from (Literal("quoted", canonical(value)) for value in quotes(text))
    for before, after in MONEY.findall(bare):
        if (number := canonical_number((before or after).rstrip(".,"))) is not None:
            yield Literal("money", number)
    for word in re.findall(r"[a-z]+", bare.casefold()):
        if word in WEEKDAYS:
            yield Literal("weekday", word)
        elif word in _RELATIVE:
            yield Literal("relative", word)


def relative_days(word: str) -> int:
    """How many days from today: ``tomorrow`` is 1."""
    return _RELATIVE[word]


def _addresses(text: str) -> Iterator[Literal]:
    for match in _EMAIL.findall(text):
        yield Literal("email", canonical(match).rstrip("."))
    for match in _URL.findall(_EMAIL.sub(" ", text)):
        yield Literal("url", canonical_url(match))
    for match in _IBAN.findall(text):
        if sum(c.isdigit() for c in match) >= _DIGITS:  # else it is a word that goes on
            yield Literal("iban", canonical_account(match))


def canonical_account(text: str) -> str:
    """An account, card or telephone number without what only makes it readable."""
    return re.sub(r"[\s().-]", "", canonical(text))


def _dates(text: str) -> Iterator[str]:
    for pattern in _DATES:
        for match in pattern.finditer(text):
            parts = match.groupdict()
            name = parts.get("name")
            month = MONTHS[name.casefold()] if name else int(parts.get("month") or 0)
            yield from _date(parts.get("year"), month, int(parts["day"]))
    for pattern in _RANGES:
        for match in pattern.finditer(text):
            for day in (match["first"], match["day"]):
                yield from _date(match["year"], MONTHS[match["name"].casefold()], int(day))
    for first, second, year in _SLASHED.findall(text):
        yield from _date(year, int(first), int(second))
        yield from _date(year, int(second), int(first))


def _date(year: str | None, month: int, day: int) -> Iterator[str]:
    if not 1 <= day <= 31 or not 0 <= month <= 12:
        return
    if month == 0:
        yield f"---{day:02d}"
    elif year is None:
        yield f"--{month:02d}-{day:02d}"
    else:
        yield f"{year}-{month:02d}-{day:02d}"


def _without_dates(text: str) -> str:
    for pattern in _DATES:
        text = pattern.sub(" ", text)
    return _TIME.sub(lambda m: " " if m["minute"] or m["half"] else m.group(), _SLASHED.sub(" ", text))


def _hour(hour: int, half: str | None) -> int | None:
    if half:
        hour = hour % 12 + (12 if half[0] in "pP" else 0)
    return hour if hour < _HOURS else None
