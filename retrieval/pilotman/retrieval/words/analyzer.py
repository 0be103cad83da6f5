"""From text to terms: what the lexical index counts and what coverage weighs."""

from __future__ import annotations

import importlib
import re
import threading
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

_COMPOUND = re.compile(r"[^\W_]+(?:[-_./:][^\W_]+)*")
_FRAGMENT = re.compile(r"[^\W_]+")
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")

# The usual list drops words that tell one failure from another: down, full up, out of space, not ready.
_TELLING = frozenset(["above", "below", "down", "no", "not", "off", "out", "over", "under", "up"])

_REMEMBERED = 50_000
_LONGEST_CODE = 8
"""Characters of the longest fragment of letters and digits that is a term (k8s, ipv6, p95, v1beta1)."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text with the stems of its parts: ``KubeProxy`` and ``kube-proxy`` have two.

    ``joined`` holds each two neighbouring parts as one stem, so that ``DaemonSet`` meets ``daemonset``.
    ``coded`` says that digits occur in it: a version, a host, a figure, an identifier. ``linked`` says
    that it was written with a hyphen, a dot or the like. ``plain`` has the parts themselves, without
    figures, which makes no difference between two words.
    """

    parts: tuple[str, ...]
    joined: tuple[str, ...]
    coded: bool
    linked: bool
    plain: str = field(default="", compare=False)


class Analyzer:
    """Splits identifiers, drops English stop words and stems (Snowball English). Thread-safe.

    Words of other languages are kept as they are.
    """

    def __init__(self) -> None:
        snowball: Any = importlib.import_module("snowballstemmer")  # neither has types
        lists: Any = importlib.import_module("bm25s.stopwords")
        self._stemmer: Any = snowball.stemmer("english")
        self._stop: frozenset[str] = frozenset(lists.STOPWORDS_EN_PLUS) - _TELLING
        self._words: dict[str, Word] = {}
        self._lock = threading.Lock()

    def words(self, text: str) -> Iterator[Word]:
        """The words of ``text`` in their order; a word that is only stop words or figures is left out."""
        for match in _COMPOUND.finditer(unicodedata.normalize("NFKC", text)):
            word = self._word(match.group())
            if word.parts:
                yield word

    def terms(self, text: str) -> list[str]:
        """The terms of ``text`` as the lexical index counts them, repeated as often as they occur."""
        return [term for word in self.words(text) for term in (*word.parts, *word.joined)]

    def _word(self, written: str) -> Word:
        """A word; the same text gives the same one, and most words were seen before."""
        found = self._words.get(written)
        if found is None:
            raw = [part for fragment in _FRAGMENT.findall(written) for part in _split(fragment)]
            told = [part for part in raw if part not in self._stop]
            with self._lock:  # a Snowball stemmer keeps the word that it works on in itself
                stem: Callable[[str], str] = self._stemmer.stemWord
                found = Word(
                    parts=tuple(map(stem, told)),
                    joined=tuple(stem(a + b) for a, b in pairwise(raw)),
                    coded=any(letter.isdigit() for letter in written),
                    linked=_FRAGMENT.fullmatch(written) is None,
                    plain=" ".join(part for part in told if part.isalpha()),
                )
                if len(self._words) >= _REMEMBERED:
                    self._words.clear()
                self._words[written] = found
        return found


def _split(fragment: str) -> list[str]:
    """The parts of a fragment in lower case: CamelCase is split, short codes stay whole, figures go."""
    if any(letter.isdigit() for letter in fragment):
        figure = fragment.isdigit()
        kept = 3 <= len(fragment) <= 5 if figure else len(fragment) <= _LONGEST_CODE
        return [fragment.lower()] if kept else []
    if not fragment.isascii():
        return [fragment.casefold()]
    return [part.lower() for part in _PART.findall(fragment) if len(part) > 1]
