"""Numbers of accounts, cards and persons, by their checksums. Validation is python-stdnum's.

What is as common in logs as it is in letters (bare digits, dates with a counter) counts only beside a word
that says what it is, or in the grouping of its kind.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from string import ascii_uppercase

from stdnum import iban, luhn, numdb
from stdnum.au import tfn
from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.no import fodselsnummer
from stdnum.pl import pesel
from stdnum.se import personnummer
from stdnum.us import ssn
from stdnum.za import idnr as za_idnr

from pilotman.guardrails.outbound.finding import Finding

_SEPARATORS = str.maketrans("", "", " -./+")


def identifiers(text: str, name: str = "") -> Iterator[Finding]:
    """Account numbers (ISO 13616), payment cards (ISO/IEC 7812) and national identifiers in a text.

    ``name``: what the text is the value of, such as ``order_id``.
    """
    yield from _accounts(text)
    yield from _cards(text, name)
    yield from _persons(text)


def compact(number: str) -> str:
    """A number without what it is grouped by: two spellings of one are equal."""
    return number.translate(_SEPARATORS).upper()


def _identifier(kind: str, match: re.Match[str]) -> Finding:
    value = compact(match[0])
    return Finding(kind=kind, category="identifier", start=match.start(), end=match.end(), value=value)


# --- accounts ---------------------------------------------------------------------------------------------

_ACCOUNT = re.compile(r"(?<![0-9A-Za-z])[A-Za-z]{2}[0-9]{2}(?=[ -]?[0-9A-Za-z])")
_LENGTH = re.compile(r"([0-9]+)!")


@cache
def _lengths() -> Mapping[str, int]:
    """How long each country's account numbers are."""
    registry, found = numdb.get("iban"), dict[str, int]()
    for country in (first + second for first in ascii_uppercase for second in ascii_uppercase):
        about = registry.info(country)[0][1]
        if "bban" in about:
            found[country] = 4 + sum(int(n) for n in _LENGTH.findall(about["bban"]))
    return found


@cache
def _account_of(length: int) -> re.Pattern[str]:
    return re.compile(rf"[0-9A-Za-z](?:[ -]?[0-9A-Za-z]){{{length - 1}}}(?![0-9A-Za-z])")


def _accounts(text: str) -> Iterator[Finding]:
    lengths = _lengths()
    for begin in _ACCOUNT.finditer(text):
        length = lengths.get(begin[0][:2].upper())
        match = _account_of(length).match(text, begin.start()) if length else None
        if match and _adds_up(compact(match[0])) and iban.is_valid(match[0]):
            yield _identifier("iban", match)


def _adds_up(number: str) -> bool:
    """ISO 7064, mod 97-10."""
    return int("".join(str(int(c, 36)) for c in number[4:] + number[:4])) % 97 == 1


# --- cards ------------------------------------------------------------------------------------------------

_GROUPED = re.compile(
    r"(?<![0-9A-Za-z])(?<![0-9][.,-])(?:[2-6][0-9]{3}([ -])[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?:\1[0-9]{3})?"
    r"|3[47][0-9]{2}([ -])[0-9]{6}\2[0-9]{5}|3[0689][0-9]{2}([ -])[0-9]{6}\3[0-9]{4})"
    r"(?![0-9A-Za-z]|[.,][0-9])"
)
_BARE = re.compile(r"(?<![\w.,+#/%-])[2-6][0-9]{12,18}(?![\w/%-]|[.,][0-9])")
_BRAND = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[689][0-9])[0-9]{11}|6(?:011|4[4-9][0-9]|5[0-9]{2})[0-9]{12,15}"
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12,15}|62[0-9]{14,17}"
)
_IS_CARD = re.compile(r"card|visa|master|amex|\bpan\b|credit|debit|\bcc\b|karte|carte|tarjeta", re.IGNORECASE)
_IS_OTHER = re.compile(
    r"(?<![a-z])(?:order|invoice|ticket|ref(?:erence)?|trace|span|request|req|transaction|txn|tx|id|uuid|guid|uid|gid|no|nr"
    r"|seq(?:uence)?|serial|tracking|session|batch|job|build|run|message|msg|event|pid|tid|offset|size|bytes|duration"
    r"|ns|us|timestamp|ts|time|epoch|hash|sku|ean|gtin|isbn|imei|commit|rev|revision|version|parcel|shipment"
    r"|snowflake|nonce|counter|count|total|key)[\s\"'_.:=#-]{0,6}$",
    re.IGNORECASE,
)
_NEAR = 40
_USUAL = 16


def _cards(text: str, name: str) -> Iterator[Finding]:
    for match in _GROUPED.finditer(text):
        if _is_card(compact(match[0])):
            yield _identifier("payment_card", match)
    for match in _BARE.finditer(text):
        if _is_card(match[0]) and _may_be_card(match, name):
            yield _identifier("payment_card", match)


def _is_card(digits: str) -> bool:
    return _BRAND.fullmatch(digits) is not None and luhn.is_valid(digits)


def _may_be_card(match: re.Match[str], name: str) -> bool:
    """Whether bare digits may be a card: nothing before says that they are something else.

    Other systems' identifiers have nineteen digits far more often than cards have: then a word must say it.
    """
    start = match.start()
    before = match.string[max(0, start - _NEAR) : start]
    if start < _NEAR:
        before = f"{name} {before}"
    said = _IS_CARD.search(before) is not None
    return said or (len(match[0]) <= _USUAL and _IS_OTHER.search(before) is None)


# --- persons ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Scheme:
    """A country's numbers. ``words``: one of them must stand shortly before; none: the shape says enough."""

    pattern: re.Pattern[str]
    valid: Callable[[str], bool]
    words: tuple[str, ...] = ()


def _scheme(pattern: str, valid: Callable[[str], bool], *words: str) -> _Scheme:
    edged = rf"(?<![0-9A-Za-z_])(?<![0-9][./,-])(?:{pattern})(?![0-9A-Za-z_]|[./-][0-9])"
    return _Scheme(re.compile(edged), valid, words)


_SCHEMES = (
    _scheme(r"[0-8][0-9]{2}-[0-9]{2}-[0-9]{4}", ssn.is_valid),
    _scheme(r"[0-8][0-9]{8}|[0-8][0-9]{2} [0-9]{2} [0-9]{4}", ssn.is_valid, "ssn", "social security"),
    _scheme(r"[12] ?[0-9]{2} ?[0-9]{2} ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}", nir.is_valid),
    _scheme(r"[0-9]{8}-?[A-HJ-NP-TV-Z]", dni.is_valid),
    _scheme(r"[XYZ]-?[0-9]{7}-?[A-HJ-NP-TV-Z]", nie.is_valid),
    _scheme(
        r"[A-Z]{6}[0-9LMNP-V]{2}[A-EHLMPR-T][0-9LMNP-V]{2}[A-Z][0-9LMNP-V]{3}[A-Z]", codicefiscale.is_valid
    ),
    _scheme(r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}", nn.is_valid),
    _scheme(r"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]", hetu.is_valid),
    _scheme(r"756\.?[0-9]{4}\.?[0-9]{4}\.?[0-9]{2}", ahv.is_valid),
    _scheme(r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", cpf.is_valid),
    _scheme(r"[0-9]{11}", cpf.is_valid, "cpf"),
    _scheme(r"[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])[0-3][0-9]{4}[0-9X]", ric.is_valid),
    _scheme(r"[0-9]{6}-[0-9]{7}", rrn.is_valid),
    _scheme(r"[A-Z][AEIOUX][A-Z]{2}[0-9]{6}[HM][A-Z]{5}[A-Z0-9][0-9]", curp.is_valid),
    _scheme(
        r"[1-9][0-9](?: ?[0-9]{3}){3}",
        idnr.is_valid,
        *("steuer id", "steuerid", "steuernummer", "steueridentifikationsnummer", "idnr", "tax id"),
    ),
    _scheme(r"[0-9]{9}|[0-9]{4}\.[0-9]{2}\.[0-9]{3}", bsn.is_valid, "bsn", "burgerservicenummer"),
    _scheme(r"[0-9]{11}", pesel.is_valid, "pesel"),
    _scheme(
        r"(?:19|20)?[0-9]{6}[-+]?[0-9]{4}",
        personnummer.is_valid,
        *("personnummer", "personnr", "personal number"),
    ),
    _scheme(r"[0-9]{6} ?[0-9]{5}", fodselsnummer.is_valid, "fødselsnummer", "fodselsnummer", "personnummer"),
    _scheme(r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", nhs.is_valid, "nhs"),
    _scheme(r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", sin.is_valid, "sin", "social insurance"),
    _scheme(r"[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", tfn.is_valid, "tfn", "tax file"),
    _scheme(r"[2-9][0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}", aadhaar.is_valid, "aadhaar", "aadhar", "uidai"),
    _scheme(r"[0-9]{13}", za_idnr.is_valid, "sa id", "south african id", "rsa id", "national id"),
)
_ENOUGH = re.compile(r"[0-9]{2}")
_WORDS = re.compile(r"[^\W\d_]+")


def _persons(text: str) -> Iterator[Finding]:
    """National identifiers. A scheme whose words the text does not have is not looked for."""
    if _ENOUGH.search(text) is None:
        return
    lower = text.lower()
    for scheme in _SCHEMES:
        if scheme.words and not any(word.split()[0] in lower for word in scheme.words):
            continue
        for match in scheme.pattern.finditer(text):
            if _is_said(scheme, text, match.start()) and scheme.valid(match[0]):
                yield _identifier("national_id", match)


def _is_said(scheme: _Scheme, text: str, start: int) -> bool:
    """Whether a word shortly before says what this number is, where one must."""
    if not scheme.words:
        return True
    before = f" {' '.join(_WORDS.findall(text[max(0, start - _NEAR) : start].lower()))} "
    return any(f" {word} " in before for word in scheme.words)
