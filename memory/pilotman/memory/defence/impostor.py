"""Whether a text gives another address or number of a thing than what is trusted says of it. Pure, linear.

A fact that is swapped needs no command: "the landlord's account is now ...". It shows by what is known: the
same words, another identifier of the same kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from pilotman.guardrails.wording.lexicon import STOP_WORDS
from pilotman.guardrails.wording.words import stem
from pilotman.memory.defence.veils import plain

_KINDS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "e-mail": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
        "link": re.compile(
            r"https?://[^\s,;]+|\b(?:[a-z0-9-]+\.)+(?:com|net|org|io|dev|app|info|example)\b[^\s,;]*"
        ),
        "account": re.compile(r"\b[a-z]{2}\d{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?\b"),
        "number": re.compile(r"(?<![\w-])\+?\d(?:[ /()-]{0,2}\d){4,}(?![\w-])"),
    }
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NO_MATTER = STOP_WORDS | {"new", "now", "changed", "old", "number", "please", "note"}
_ENOUGH = 0.6
"""The share of the telling words of the shorter text that must stand in both."""


def identifiers(text: str) -> dict[str, frozenset[str]]:
    """The addresses and numbers in a text, by kind; kinds that are not there are left out."""
    left, found = _DATE.sub(" ", plain(text)), dict[str, frozenset[str]]()
    for kind, pattern in _KINDS.items():
        here = frozenset(
            re.sub(r"[ /()-]", "", one) if kind != "link" else one for one in pattern.findall(left)
        )
        if here:
            found[kind] = here
        left = pattern.sub(" ", left)
    return found


def impostor(text: str, about: str, trusted: Iterable[tuple[str, str]]) -> str:
    """Which kind of identifier a text gives otherwise than what is trusted of the same thing; "": none.

    ``trusted``: what each such fact is about and says.
    """
    mine = identifiers(text)
    words = _words(text, mine)
    for thing, said in trusted if mine else ():
        theirs = identifiers(said)
        kinds = [kind for kind in mine if kind in theirs and mine[kind].isdisjoint(theirs[kind])]
        if kinds and (_is_same(about, thing) or _alike(words, _words(said, theirs))):
            return kinds[0]
    return ""


def _is_same(one: str, other: str) -> bool:
    return bool(one) and one.casefold() == other.casefold()


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    least = min(len(one), len(other))
    return least > 1 and len(one & other) >= max(2, _ENOUGH * least)


def _words(text: str, found: Mapping[str, frozenset[str]]) -> frozenset[str]:
    left = plain(text)
    for kind in found:
        left = _KINDS[kind].sub(" ", left)
    return frozenset(stem(word) for word in _WORD.findall(left) if word not in _NO_MATTER)
