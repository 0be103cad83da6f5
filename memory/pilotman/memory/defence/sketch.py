"""Sketches: by them a text is recognised again, changed a little, and nothing of it can be read. Pure.

Bottom-k sketches of a text's word triples (Broder 1997, "On the resemblance and containment of documents";
Cohen and Kaplan 2007): the smallest of their digests, which are keyed, so that nobody without the key finds
out whether a text is there.
"""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Set
from typing import TypeAlias

from pilotman.guardrails.incoming.hidden import seen

Sketch: TypeAlias = frozenset[int]
"""At most ``SIZE`` marks: numbers of 63 bits."""

SIZE = 32
ALIKE = 0.5
"""Two texts that resemble each other this much say the same: some words or a name were changed."""

SAME = 0.8
"""They are the same but for a word or two."""

_WORD = re.compile(r"\w+")
_TOGETHER = 3
_LONGEST = 8_000
"""Characters that are looked at."""


def sketch(text: str, key: bytes) -> Sketch:
    """The marks of a text. Case, punctuation and what is hidden make no difference."""
    words = _WORD.findall(unicodedata.normalize("NFKC", seen(text[:_LONGEST])).casefold())
    runs = {" ".join(words[at : at + _TOGETHER]) for at in range(max(1, len(words) - _TOGETHER + 1))}
    return frozenset(sorted(_mark(run, key) for run in runs)[:SIZE])


def resemblance(one: Set[int], other: Set[int]) -> float:
    """About how much of all word triples of two texts stands in both, 0 to 1."""
    union = sorted(one | other)[:SIZE]
    return sum(mark in one and mark in other for mark in union) / len(union) if union else 0.0


def _mark(words: str, key: bytes) -> int:
    return int.from_bytes(hmac.digest(key, words.encode(), "sha256")[:8], "big") >> 1
