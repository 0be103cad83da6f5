"""Numbers, dates and identifiers that a text mentions, and whether a body of evidence holds them."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from types import MappingProxyType

# Each expression starts only where the character before cannot belong to the same token: one pass is linear.
_DATE = re.compile(
    r"(?<!\d)(\d{4}-\d\d-\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\d)", re.ASCII
)
_DOTTED = re.compile(r"(?<![\w.])\d+(?:\.\d+){2,}(?![\w])", re.ASCII)
_TOKEN = re.compile(r"(?<![\w-])\w+(?:-\w+)*", re.ASCII)
_TICKET = re.compile(r"[A-Z][A-Z0-9]*-\d+")
_LIST_NUMBER = re.compile(r"^[ \t]{0,12}\d{1,3}[.)][ \t]", re.MULTILINE | re.ASCII)
_NUMBER = re.compile(
    r"(?<![\w.])(?<!\w-)(?<!\d,)(\d{1,3}(?:,\d{3})+|\d+)(\.\d+)?(?![.]?\d)(\s?)(%|[A-Za-zµ]{1,12})?", re.ASCII
)
_ANY_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?", re.ASCII)
_CURRENCY = "$€£¥"
_SMALL = 12
_EXACT_DIGITS = 15
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = rf"({'|'.join(_MONTHS)})[a-z]{{0,6}}\.?"
_WRITTEN = (
    re.compile(
        rf"\b(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\.? {_MONTH},? (?P<y>\d{{4}})\b", re.IGNORECASE | re.ASCII
    ),
    re.compile(rf"\b{_MONTH} (?P<d>\d{{1,2}})(?:st|nd|rd|th)?,? (?P<y>\d{{4}})\b", re.IGNORECASE | re.ASCII),
)
_SLASHED = re.compile(r"(?<![\d./])(\d{1,2})[./](\d{1,2})[./](\d{4})(?!\d)", re.ASCII)
_STAMP = re.compile(r"(?<!\d)(\d{10})(?:\d{3})?(?!\d)", re.ASCII)
# Names of standards and encodings: they look like identifiers and identify nothing of the run's.
_STANDARDS = frozenset(
    {"aes", "base", "cve", "ecdsa", "es", "hmac", "http", "ieee", "ipv", "iso", "md", "python", "rfc", "rs"}
    | {"rsa", "sha", "sql", "tls", "utf", "v", "x"}
)


def _time(seconds: float) -> tuple[float, ...]:
    """What a number of this unit is in the units that machines count in."""
    return tuple(seconds / unit for unit in (0.001, 1.0, 60.0, 3_600.0))


def _size(power: int) -> tuple[float, ...]:
    steps = range(-1, power + 1)
    return tuple({float(base**step) for base in (1_000, 1_024) for step in steps})


_FACTORS: Mapping[str, tuple[float, ...]] = MappingProxyType(
    {
        "%": (0.01,),
        **dict.fromkeys(("percent", "pct", "pp"), (0.01,)),
        **dict.fromkeys(("usd", "eur", "gbp", "chf", "dollars", "euros", "pounds"), (100.0,)),
        **dict.fromkeys(("st", "nd", "rd", "th", "x"), ()),
        **dict.fromkeys(("ms", "millisecond", "milliseconds"), _time(0.001)),
        **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _time(1.0)),
        **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), (*_time(60.0), *_size(2))),
        **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), _time(3_600.0)),
        **dict.fromkeys(("d", "day", "days"), (24.0, *_time(86_400.0))),
        **dict.fromkeys(("b", "byte", "bytes"), _size(0)),
        **dict.fromkeys(("k", "kb", "kib", "kbit", "thousand"), _size(1)),
        **dict.fromkeys(("mb", "mib", "mbit", "million"), _size(2)),
        **dict.fromkeys(("g", "gb", "gib", "gbit", "billion"), _size(3)),
        **dict.fromkeys(("t", "tb", "tib"), _size(4)),
        **dict.fromkeys(("pb", "pib"), _size(5)),
    }
)


class Evidence:
    """What was seen, indexed. Building it takes time linear in the text, but for one sort of its numbers."""

    def __init__(self, text: str) -> None:
        self._words = {part.lower() for token in _TOKEN.findall(text) for part in _parts(token)}
        self._words.update(_DOTTED.findall(text))
        self._dates = set(_days(text))
        numbers = {
            n for found in _ANY_NUMBER.findall(text) for n in (found.replace(",", ""), *found.split(","))
        }
        self._exact = {_plain(number) for number in numbers}
        self._sorted = sorted({float(n) for n in self._exact if _fits_a_float(n)})

    def has_word(self, token: str) -> bool:
        """Whether the identifier was seen, in any case, alone or as a part of a longer one."""
        return token.lower() in self._words

    def has_date(self, date: str) -> bool:
        """Whether the day was seen, in whatever form."""
        return date in self._dates

    def has_number(self, digits: str, decimals: int, factors: tuple[float, ...]) -> bool:
        """Whether the number was seen: so, more exactly, or in another unit (``factors``)."""
        plain = _plain(digits)
        if plain in self._exact:
            return True
        if not _fits_a_float(plain):
            return False
        value, step = float(plain), 10.0**-decimals
        return any(self._between((value - step / 2) * f, (value + step) * f) for f in (1.0, *factors))

    def _between(self, low: float, high: float) -> bool:
        """Rounded or cut off: anything from half a step below to a whole step above, that not included."""
        inexact = (high - low) * 1e-6
        at = bisect_left(self._sorted, low - inexact)
        return at < len(self._sorted) and self._sorted[at] < high - inexact


def unseen(text: str, evidence: Evidence) -> Iterator[str]:
    """Dates, identifiers and numbers of ``text`` that the evidence lacks. Counts up to twelve pass."""
    for date in dict.fromkeys(_DATE.findall(text)):
        if not evidence.has_date(date):
            yield f"the date {date}"
    bare = _LIST_NUMBER.sub(" ", _DATE.sub(" ", text))
    for token in dict.fromkeys([*_DOTTED.findall(bare), *filter(_identifies, _TOKEN.findall(bare))]):
        if not evidence.has_word(token):
            yield token
    yield from _unseen_numbers(_DOTTED.sub(" ", bare), evidence)


def _unseen_numbers(text: str, evidence: Evidence) -> Iterator[str]:
    said: set[str] = set()
    for match in _NUMBER.finditer(text):
        whole, fraction, space, unit = match.groups(default="")
        known = unit.lower() in _FACTORS
        glued_to_more = match.end() < len(text) and (text[match.end()].isalnum() or text[match.end()] == "_")
        if unit and not space and (not known or glued_to_more):
            continue  # part of a name, such as 3scale
        digits = whole.replace(",", "") + fraction
        if not fraction and unit != "%" and len(digits) < 4 and int(digits) <= _SMALL:
            continue
        factors = _FACTORS.get(unit.lower(), ())
        before = text[match.start() - 1 : match.start()]
        if len(fraction) == 3 or (before and before in _CURRENCY):  # money is often counted in cents
            factors = (*factors, 100.0)
        shown = f"{whole}{fraction}{space + unit if known else ''}"
        if shown not in said and not evidence.has_number(digits, max(0, len(fraction) - 1), factors):
            said.add(shown)
            yield f"the number {shown}"


def _identifies(token: str) -> bool:
    """Whether a word names one thing, such as OPS-12, ord_9912 or a digest; not 14:05, 500ms or sha256."""
    digits = sum(character.isdigit() for character in token)
    if not digits or digits == len(token) or len(token) > 200:
        return False
    prefix = re.split(r"[\d_-]", token, maxsplit=1)[0].lower()
    if prefix in _STANDARDS:
        return False
    if _TICKET.fullmatch(token):
        return True
    unit = token.lstrip("0123456789_").lower()
    return digits >= 3 and unit not in _FACTORS and any(c.isalpha() for c in token) and not _is_range(token)


def _is_range(token: str) -> bool:
    """Numbers joined by hyphens, or a number and a word: 100-200, 500-page."""
    first, *rest = token.split("-")
    return bool(rest) and first.isdigit() and all(part.isdigit() or part.isalpha() for part in rest)


def _parts(token: str) -> Iterator[str]:
    """A word and those that it is made of: in run_OPS-12 there is also OPS-12."""
    yield token
    if "_" in token or "-" in token:
        yield from token.split("_")
        pieces = re.split(r"[_-]", token)
        yield from pieces
        yield from (f"{left}-{right}" for left, right in pairwise(pieces))


def _days(text: str) -> Iterator[str]:
    """Every day that a text names, as YYYY-MM-DD; where day and month may change places, both."""
    yield from _DATE.findall(text)
    for written in _WRITTEN:
        for found in written.finditer(text):
            month = _MONTHS.index(found.group(1 if found.re is _WRITTEN[1] else 2).lower()) + 1
            yield f"{found['y']}-{month:02}-{int(found['d']):02}"
    for one, other, year in _SLASHED.findall(text):
        yield f"{year}-{int(one):02}-{int(other):02}"
        yield f"{year}-{int(other):02}-{int(one):02}"
    for seconds in set(_STAMP.findall(text)):  # Unix time, in seconds or milliseconds
        yield datetime.fromtimestamp(int(seconds), UTC).date().isoformat()


def _fits_a_float(plain: str) -> bool:
    """Whether a float tells the number from its neighbours."""
    return len(plain) <= 2 * _EXACT_DIGITS and len(plain.partition(".")[0]) <= _EXACT_DIGITS


def _plain(number: str) -> str:
    """Digits without what does not change the value: 007 and 7, 1.50 and 1.5."""
    whole, point, fraction = number.partition(".")
    fraction = fraction.rstrip("0")
    return (whole.lstrip("0") or "0") + (point + fraction if fraction else "")
