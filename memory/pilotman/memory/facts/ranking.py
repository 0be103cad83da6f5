"""Which of some texts are relevant to a query: BM25 over the texts at hand. Pure.

Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", k1 = 1.2, b = 0.75. Words are compared
by their stems (Snowball English).
"""

from __future__ import annotations

import importlib
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from pilotman.guardrails.wording.lexicon import STOP_WORDS

_K1, _B = 1.2, 0.75
_WORD = re.compile(r"[^\W_]+")
_MOST_TERMS = 64
"""Of a query: whole documents may be asked for."""


@dataclass(frozen=True, slots=True)
class Words:
    """The telling words of a text by their stems, each as often as it occurs; ``length`` counts all words."""

    stems: tuple[str, ...]
    length: int


def words_of(texts: Iterable[str]) -> list[Words]:
    """The words of each text. Equal stems are one object: thousands of texts share them."""
    snowball: Any = importlib.import_module("snowballstemmer")  # it has no types
    cut: Callable[[str], str] = snowball.stemmer("english").stemWord  # it keeps its word in itself
    shared: dict[str, str] = {}

    @cache
    def stem(word: str) -> str:
        found = cut(word)
        return shared.setdefault(found, found)

    folded = map(_folded, texts)
    return [
        Words(
            tuple(stem(word) for word in _WORD.findall(text) if word not in STOP_WORDS), 1 + text.count(" ")
        )
        for text in folded
    ]


def scores(query: str, texts: Sequence[Words]) -> list[float]:
    """A score for each text, 0 where no telling word of the query occurs in it."""
    wanted = list(dict.fromkeys(words_of([query])[0].stems))[:_MOST_TERMS]
    asked = frozenset(wanted)
    found = [0.0] * len(texts)
    where: dict[str, list[int]] = {term: [] for term in wanted}
    hits = length = 0
    for number, text in enumerate(texts):
        if not asked.isdisjoint(text.stems):
            hits, length = hits + 1, length + text.length
            for term in asked.intersection(text.stems):
                where[term].append(number)
    for term, numbers in where.items():
        rarity = math.log(1 + (len(texts) - len(numbers) + 0.5) / (len(numbers) + 0.5)) * (_K1 + 1)
        for number in numbers:
            n = texts[number].stems.count(term)
            found[number] += rarity * n / (n + _K1 * (1 - _B + _B * texts[number].length * hits / length))
    return found


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
