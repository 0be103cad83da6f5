"""Which of some texts are relevant to a query: BM25 over the texts at hand. Pure.

Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", k1 = 1.2, b = 0.75. Words are compared
by their stems (Snowball English); the words of a text are only counted where one of the query's occurs in it.
"""

from __future__ import annotations

import importlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from pilotman.guardrails.wording.lexicon import STOP_WORDS

_K1, _B = 1.2, 0.75
_WORD = re.compile(r"[^\W_]+")
_MOST_TERMS = 64
"""Of a query: whole documents may be asked for."""


def scores(query: str, texts: Sequence[str]) -> list[float]:
    """A score for each text, 0 where no telling word of the query occurs in it."""
    stemmer = _Stemmer()
    wanted = dict.fromkeys(stemmer.terms(_folded(query))[:_MOST_TERMS])
    roots = [term[:-1] if term[-1] in "iey" and len(term) > 3 else term for term in wanted]
    counted: list[tuple[int, Counter[str], int]] = []
    for number, text in enumerate(texts):
        folded = _folded(text)
        if any(root in folded for root in roots):
            terms = stemmer.terms(folded)
            counts = Counter(term for term in terms if term in wanted)
            if counts:
                counted.append((number, counts, len(terms)))
    found = [0.0] * len(texts)
    if not counted:
        return found
    known = Counter(term for _, counts, _ in counted for term in counts)
    mean = sum(length for _, _, length in counted) / len(counted)
    rarity = {t: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for t, n in known.items()}
    for number, counts, length in counted:
        long = _K1 * (1 - _B + _B * length / mean)
        found[number] = sum(rarity[t] * n * (_K1 + 1) / (n + long) for t, n in counts.items())
    return found


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()


class _Stemmer:
    """Snowball's, which keeps the word that it works on in itself: one for each call."""

    def __init__(self) -> None:
        snowball: Any = importlib.import_module("snowballstemmer")  # it has no types
        self._stem = cache(snowball.stemmer("english").stemWord)

    def terms(self, folded: str) -> list[str]:
        """The stems of a text's telling words, as often as they occur."""
        return [self._stem(word) for word in _WORD.findall(folded) if word not in STOP_WORDS]
