"""Which of some texts are relevant to a query: BM25 over the texts at hand. Pure.

Robertson and Zaragoza 2009, "The Probabilistic Relevance Framework", k1 = 1.2, b = 0.75. Words are compared
by their stems (Snowball English).
"""

from __future__ import annotations

import importlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pilotman.guardrails.wording.lexicon import STOP_WORDS

_K1, _B = 1.2, 0.75
_WORD = re.compile(r"[^\W_]+")
_MOST_TERMS = 64
"""Of a query: whole documents may be asked for."""


def scores(query: str, texts: Sequence[str]) -> list[float]:
    """A score for each text, 0 where no telling word of the query occurs in it."""
    snowball: Any = importlib.import_module("snowballstemmer")  # it has no types
    stem: Callable[[str], str] = cache(snowball.stemmer("english").stemWord)  # it keeps its word in itself
    words = [word for word in _WORD.findall(_folded(query)) if word not in STOP_WORDS]
    wanted = list(dict.fromkeys(map(stem, words)))[:_MOST_TERMS]
    found = [0.0] * len(texts)
    if not wanted:
        return found
    candidates = _candidates(wanted)
    counted: list[tuple[int, Counter[str], int]] = []
    for number, text in enumerate(texts):
        folded = _folded(text)
        counts = Counter(term for term in map(stem, candidates.findall(folded)) if term in wanted)
        if counts:
            counted.append((number, counts, 1 + folded.count(" ")))
    known = Counter(term for _, counts, _ in counted for term in counts)
    mean = sum(length for _, _, length in counted) / max(1, len(counted))
    rarity = {t: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for t, n in known.items()}
    for number, counts, length in counted:
        long = _K1 * (1 - _B + _B * length / mean)
        found[number] = sum(rarity[t] * n * (_K1 + 1) / (n + long) for t, n in counts.items())
    return found


def _candidates(stems: Sequence[str]) -> re.Pattern[str]:
    """Finds the words that may have one of the stems: stemming changes no more than a word's end."""
    roots = (one[:-1] if one[-1] in "iey" and len(one) > 3 else one for one in stems)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, roots))})[^\W_]*")


def _folded(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
