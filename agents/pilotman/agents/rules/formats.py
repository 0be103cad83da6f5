"""Values of a known form in a text: addresses, dates, amounts, identifiers. Found, never made up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = r"(?P<month>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATES = (
    re.compile(
        rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH},?\s+(?P<year>\d{{4}})\b", re.IGNORECASE
    ),
    re.compile(rf"\b{_MONTH}\s+(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})\b", re.IGNORECASE),
    re.compile(r"\b(?P<year>\d{4})-(?P<number>\d{2})-(?P<day>\d{2})(?!\d)"),
)
_SYMBOLS: Mapping[str, str] = MappingProxyType({"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR"})
_CODES = "USD|EUR|GBP|JPY|CHF|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|INR|CNY|BRL|MXN|ZAR|SGD|HKD|KRW|TRY|ILS|AED"
_AMOUNT = r"\d{1,3}(?:,\d{3}){1,4}(?:\.\d{1,4})?|\d{1,15}(?:\.\d{1,4})?"
_MONEY = re.compile(
    rf"(?P<symbol>[$€£¥₹])\s?(?P<a>{_AMOUNT})|\b(?P<before>{_CODES})\s?(?P<b>{_AMOUNT})"
    rf"|(?<![\d.,])(?P<c>{_AMOUNT})\s?(?:(?P<after>{_CODES})\b|(?P<sign>[€£¥₹$])|(?P<word>dollars|euros?|pounds)\b)"
)
_WORDS: Mapping[str, str] = MappingProxyType(
    {"dollars": "USD", "euro": "EUR", "euros": "EUR", "pounds": "GBP"}
)

FORMS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "email": re.compile(
            r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
        ),
        "uri": re.compile(r"https?://[^\s\"'<>)\]}]*[^\s\"'<>)\]}.,;:!?]"),
        "uuid": re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b"),
        "ipv4": re.compile(
            r"(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b(?!\.\d)"
        ),
        "date-time": re.compile(
            r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?"
        ),
        "time": re.compile(r"\b(?:[01]?\d|2[0-3]):[0-5]\d(?::[0-5]\d)?\b"),
        "phone": re.compile(r"\+\d[\d ()-]{6,}\d"),
        "hostname": re.compile(
            r"(?<![\w/@.-])(?!\d+(?:\.\d+)?(?![\w.-]))(?:[a-z][a-z0-9]*(?:-[a-z0-9]+)*-?\d+(?:\.[a-z0-9-]+)*"
            r"|[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)+)(?![\w/@-])"
        ),
        "path": re.compile(r"(?<![\w:/.])/[\w.@-]*[\w@-](?:/[\w.@-]*[\w@-])*"),
        "percent": re.compile(r"(?<![\d.])\d+(?:\.\d+)?\s?%"),
    }
)


def find_form(form: str, text: str) -> list[str]:
    """Every value of the form in the text, in order, each once. ``date`` gives ISO dates."""
    if form == "date":
        return dates(text)
    pattern = FORMS.get(form)
    return [] if pattern is None else list(dict.fromkeys(match.group() for match in pattern.finditer(text)))


def dates(text: str) -> list[str]:
    """Calendar dates as ``YYYY-MM-DD``, in the order of the text. A year is never guessed."""
    found: list[tuple[int, str]] = []
    for pattern in _DATES:
        for match in pattern.finditer(text):
            groups = match.groupdict()
            number = groups.get("number") or _MONTHS.index(groups["month"][:3].lower()) + 1
            try:
                day = date(int(groups["year"]), int(number), int(groups["day"]))
            except ValueError:
                continue
            found.append((match.start(), day.isoformat()))
    return list(dict.fromkeys(value for _, value in sorted(found)))


def money(text: str) -> list[tuple[Decimal, str]]:
    """Amounts of money with their ISO 4217 currency, in order."""
    found: list[tuple[Decimal, str]] = []
    for match in _MONEY.finditer(text):
        groups = match.groupdict()
        amount = groups["a"] or groups["b"] or groups["c"]
        sign = groups["symbol"] or groups["sign"] or ""
        word = _WORDS.get(groups["word"] or "", "")
        found.append(
            (
                Decimal(amount.replace(",", "")),
                groups["before"] or groups["after"] or _SYMBOLS.get(sign, word),
            )
        )
    return found


def numbers(text: str) -> list[str]:
    """Plain numbers that stand alone (no part of a name, a date, an address or a version)."""
    return re.findall(r"(?<![\w.:/#-])-?\d+(?:\.\d+)?(?![\w:/-]|\.\d|%)", text)
