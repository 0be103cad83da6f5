"""English words, reduced just enough to compare a request with a description."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from pilotman.guardrails.wording.lexicon import STOP_WORDS

_WORD = re.compile(r"[A-Za-z]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])(?![A-Z]s\b)")
_EMAIL = re.compile(r"\be-mail", re.IGNORECASE)
_SUFFIXES = (("ations", 5), ("ation", 5), ("ments", 3), ("ment", 3), ("ings", 3), ("ing", 3), ("ed", 3))
_VOWEL = re.compile(r"[aeiouy]")


def words(text: str) -> list[str]:
    """Lower-case words and numbers, ``snake_case`` and ``camelCase`` taken apart, ``e-mail`` as one word."""
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", _EMAIL.sub("email", text)))]


@lru_cache(maxsize=8_192)  # a pure function of few words, asked thousands of times a turn
def stem(word: str) -> str:
    """The word without its inflection: ``silencing``, ``silenced`` and ``silence`` give the same."""
    if len(word) < 4 or not word.isalpha():
        return word
    for suffix, least in _SUFFIXES:
        root = word.removesuffix(suffix)
        if root != word and len(root) >= least and _VOWEL.search(root):
            return _bare(root)
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    return _bare(word.removesuffix("ion") if word.endswith(("tion", "sion")) and len(word) > 6 else word)


def _bare(root: str) -> str:
    """Without a doubled last consonant (``planned``) and without a silent ``e``."""
    if len(root) > 3 and root[-1] == root[-2] and root[-1] not in "aeiousl":
        return root[:-1]
    if len(root) > 4 and root.endswith("ll"):
        return root[:-1]
    return root[:-1] if len(root) > 3 and root.endswith("e") else root


def terms(text: str) -> frozenset[str]:
    """The stems of a text's telling words."""
    return frozenset(stem(word) for word in words(text) if word not in STOP_WORDS and len(word) > 1)


def stem_set(text: str) -> frozenset[str]:
    """The stems of all words of a text, as a set."""
    return frozenset(stem(word) for word in text.split())


def terms_of(texts: Iterable[str]) -> frozenset[str]:
    """The terms of several texts together."""
    return frozenset(term for text in texts for term in terms(text))
