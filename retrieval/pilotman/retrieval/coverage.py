"""Does any document treat what was asked? Pure.

Three measures, none of which grows with the corpus or the query, and a logistic curve over them. Its
weights were fitted once, over corpora of 1 to 108 documents from four domains; fitted without one of the
domains they hold for it all the same.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pilotman.retrieval.analyzer import Word
from pilotman.retrieval.page import Page

_PRIOR = 5.0
"""Documents that are assumed to exist beside those of the corpus: in a small one every term is rare."""

# Stems that say when, how much or please: in a question they are no topic.
_COMMON = frozenset(
    [
        "second",
        "minut",
        "hour",
        "day",
        "week",
        "month",
        "year",
        "ago",
        "sinc",
        "yesterday",
        "today",
        "tomorrow",
        "last",
        "next",
        "within",
        "longer",
        "long",
        "one",
        "two",
        "three",
        "four",
        "five",
        "first",
        "number",
        "mani",
        "much",
        "more",
        "less",
        "least",
        "pleas",
        "want",
        "need",
        "get",
        "got",
        "cannot",
        "may",
        "must",
        "also",
        "current",
        "still",
        "yet",
        "see",
        "say",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How well a document fits a query; each measure is in [0, 1].

    ``share``: the query's informative terms that the document has, weighed by their rarity.
    ``subject``: the terms of the document's name (or title) that the query has, weighed alike.
    ``closeness``: the cosine of query and document, None without an embedding.
    """

    share: float
    subject: float
    closeness: float | None = None

    def coverage(self) -> float:
        """The probability, in [0, 1], that the document treats what was asked."""
        if self.closeness is None:
            return _logistic(9.4 * self.share + 5.1 * self.subject - 5.4)
        return _logistic(7.1 * self.share + 3.7 * self.subject + 4.7 * self.closeness - 6.3)


class Rarity:
    """How much a term tells, from the number of documents that have it."""

    def __init__(self, vocabularies: Iterable[frozenset[str]]) -> None:
        self._vocabularies = tuple(vocabularies)
        self._having = Counter(term for vocabulary in self._vocabularies for term in vocabulary)

    def knows(self, term: str) -> bool:
        """Whether any document has the term."""
        return term in self._having

    def weight(self, term: str) -> float:
        """A smoothed inverse document frequency; largest for a term that no document has."""
        return math.log(1 + (len(self._vocabularies) + _PRIOR) / (self._having[term] + _PRIOR))


def topics(words: Iterable[Word], rarity: Rarity) -> tuple[Word, ...]:
    """The words of a query that can tell what it is about, each once.

    A word with digits, or one linked by hyphens or dots, that shares nothing with the corpus is taken for
    the identifier of a host, a pod or a customer.
    """
    told = dict.fromkeys(word for word in words if not _COMMON.issuperset(word.parts))
    return tuple(
        word for word in told if not (word.coded or word.linked) or any(map(rarity.knows, word.parts))
    )


def evidence(words: Sequence[Word], page: Page, rarity: Rarity, closeness: float | None) -> Evidence:
    """How well ``page`` fits the topics of a query."""
    have = page.vocabulary
    total = found = 0.0
    for word in words:
        weights = [rarity.weight(part) for part in word.parts]
        hit = sum(w for part, w in zip(word.parts, weights, strict=True) if part in have) / sum(weights)
        whole = any(term in have for term in word.joined) if len(word.parts) > 1 else False
        total += max(weights)
        found += max(weights) * (1.0 if whole and len(word.joined) == 1 else hit)
    asked = frozenset(term for word in words for term in (*word.parts, *word.joined))
    subject = max((_weighed(names, asked, rarity) for names in page.subjects), default=0.0)
    return Evidence(share=found / total if total else 0.0, subject=subject, closeness=closeness)


def _weighed(names: frozenset[str], asked: frozenset[str], rarity: Rarity) -> float:
    weights = {name: rarity.weight(name) for name in names}
    return sum(weight for name, weight in weights.items() if name in asked) / sum(weights.values())


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
