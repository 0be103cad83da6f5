"""Ways to reach people: e-mail addresses and telephone numbers. Validation is that of phonenumbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache

import phonenumbers

from pilotman.guardrails.outbound.finding import Finding

MOST_NUMBERS = 2_000
"""So many candidates are looked at closely; a text with more is full of numbers, and all of them count."""

_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9._%+/-])[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z][A-Za-z-]{1,23}(?![A-Za-z0-9-]|:[\w/~])"
)
_UNIT = re.compile(r"\.(?:service|timer|socket|mount|slice|scope|target|device|path|swap)$", re.IGNORECASE)
_INTERNATIONAL = re.compile(r"(?<![\w+])\+[1-9](?:[ ()./-]{0,2}[0-9]){6,14}(?![0-9]|[.:][0-9])")
_NATIONAL = re.compile(
    r"(?<![\w+./:-])(?<![0-9] )(?:\([0-9]{1,5}\) ?|[0-9]{2,5}[ ./-]{1,3})[0-9]{2,8}"
    r"(?:[ ./-][0-9]{2,8}){0,4}(?![\w./:-]?[0-9])"
)
_BARE = re.compile(r"(?<![\w+./:-])[0-9]{7,13}(?![\w]|[./:-][0-9])")
_SAID = re.compile(
    r"(?<![a-z])(?:tel|phone|telefon|mobile?|handy|cell|fax|call|ring|whatsapp|sms)[a-z]*[\s:.=\"'-]*"
    r"(?:(?:is|on|at|no|nr|number|nummer)[\s:.=\"']*){0,2}$",
    re.IGNORECASE,
)
_IN_URL = re.compile(r"://[^\s/]*$")
_NEAR, _LONGEST = 40, 400


def contacts(text: str, regions: Sequence[str] = ()) -> Iterator[Finding]:
    """Addresses, and numbers in international form; without ``+``, as the regions (ISO 3166) write them."""
    if "@" in text:
        for match in _ADDRESS.finditer(text):
            in_url = _IN_URL.search(text, max(0, match.start() - _LONGEST), match.start())
            if not in_url and not _UNIT.search(match[0]):
                yield _contact("email", match, match[0].casefold())
    yield from _numbers(text, _INTERNATIONAL, (None,))
    if regions:
        yield from _numbers(text, _NATIONAL, regions)
        yield from _numbers(text, _BARE, regions, said=True)


def _numbers(
    text: str, pattern: re.Pattern[str], regions: Sequence[str | None], *, said: bool = False
) -> Iterator[Finding]:
    """``said``: a word before must say that it is a telephone number."""
    for index, match in enumerate(pattern.finditer(text)):
        if said and not _SAID.search(text, max(0, match.start() - _NEAR), match.start()):
            continue
        if index >= MOST_NUMBERS:
            yield _contact("phone", match, match[0])
            continue
        number = next((found for region in regions if (found := _number(match[0], region, said=said))), None)
        if number is not None:
            yield _contact("phone", match, number)


def _contact(kind: str, match: re.Match[str], value: str) -> Finding:
    return Finding(kind=kind, category="contact", start=match.start(), end=match.end(), value=value)


@cache
def known_regions() -> frozenset[str]:
    """The regions that telephone numbers are known of."""
    return frozenset(phonenumbers.SUPPORTED_REGIONS)


def _number(text: str, region: str | None, *, said: bool) -> str | None:
    """The number in E.164, or None: it is not valid, or not grouped as numbers of its region are."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    strict = phonenumbers.Leniency.STRICT_GROUPING
    if region and not said and not phonenumbers.PhoneNumberMatcher(text, region, leniency=strict).has_next():
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
