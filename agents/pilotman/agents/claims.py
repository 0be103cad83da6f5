"""Sentences that claim an action as done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

_CLAUSE = re.compile(r"(?<=[.!?;])\s+|\n+|,\s(?=(?:and|but|then|so)\s)")
_WORD = re.compile(r"[a-z0-9]+")
# What makes a sentence say less than "it was done": negation, condition, intention, advice, a question.
_OPEN_ENDED = re.compile(
    r"\b(?:not|no|none|nobody|never|neither|nor|cannot|could|would|should|may|might|can|must|if|whether|once|"
    r"until|unless|before|without|pending|waiting|waits?|awaits|proposed?|denied|rejected|refused|unknown|"
    r"failed|unable|please|will|shall|to be|needs?|requires?|recommend(?:ed|s)?|suggest(?:ed|s)?|"
    r"request(?:ed|s)?|ask(?:ed|s)?|plan(?:ned|s)?|have to|has to|wants?)\b|n['\u2019]t\b|\?",
    re.IGNORECASE,
)
_PAST: Mapping[str, str] = MappingProxyType(
    {
        "build": "built",
        "buy": "bought",
        "cut": "cut",
        "give": "gave|given",
        "make": "made",
        "pay": "paid",
        "put": "put",
        "rebuild": "rebuilt",
        "reset": "reset",
        "run": "ran",
        "send": "sent",
        "set": "set",
        "shut": "shut",
        "take": "took|taken",
        "withdraw": "withdrew|withdrawn",
        "write": "wrote|written",
    }
)
# Words that people use for one another when they say what was done.
_SAME = (
    frozenset({"open", "create", "file", "raise", "log", "submit", "make"}),
    frozenset({"restart", "reboot", "bounce"}),
    frozenset({"silence", "mute"}),
    frozenset({"update", "change", "modify", "edit", "set", "adjust"}),
    frozenset({"delete", "remove", "drop", "erase"}),
    frozenset({"send", "email", "post", "notify"}),
    frozenset({"close", "resolve"}),
)
_SCANS = 20_000_000


def unmade(text: str, tools: Iterable[str], said: str) -> Iterator[tuple[str, str]]:
    """Tools of which ``text`` claims that they were used, each with the first sentence that does so.

    ``said`` is everything that the run has seen: a sentence that stands there word for word is a quote.
    """
    clauses = [clause.strip() for clause in _CLAUSE.split(text)]
    claims = [clause for clause in clauses if not _OPEN_ENDED.search(clause)]
    scans = max(16, _SCANS // (len(said) + 1))  # a megabyte is not searched ten thousand times
    for tool in sorted(tools):
        verb, *things = _WORD.findall(tool.lower().replace("_", " ")) or [""]
        claim = re.compile(rf"\b(?:{'|'.join(_forms(verb))})\b", re.IGNORECASE)
        for sentence in claims:
            lowered = sentence.lower()
            about_it = not things or any(thing[:5] in lowered for thing in things)
            if not about_it or not claim.search(sentence):
                continue
            scans -= 1
            if scans < 0 or sentence not in said:
                yield tool, sentence
                break


def _forms(verb: str) -> list[str]:
    """Forms of a verb, and of those that mean the same, that claim a thing as done."""
    verbs = next((same for same in _SAME if verb in same), frozenset({verb}))
    return [form for one in sorted(verbs) for form in _past(one)]


def _past(verb: str) -> tuple[str, ...]:
    if verb in _PAST:
        return (_PAST[verb],)
    if verb.endswith("e"):
        return (f"{verb}d",)
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return (f"{verb[:-1]}ied",)
    return (f"{verb}ed", f"{verb}{verb[-1:]}ed")
