"""Does any document treat what was asked? Pure.

A few measures, none of which grows with the corpus or the query, and a logistic curve over them. Its
weights were fitted over documents of eleven domains, whole and in samples of 1 to 100 documents: covered
questions, questions about something else, and (weighing little: a neighbour may well do) covered questions
whose document was taken away. Fitted without one of the domains they hold for it all the same.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from pilotman.retrieval.page import Page
from pilotman.retrieval.words.analyzer import Analyzer, Word

_CLOSE = 0.6
"""Of documents that are closer than this, the distance does not tell the right one."""

_HEAD = re.compile(r"(?:[^.\n]|\.(?!\s))*")

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
class Question:
    """The topics of a query, and those of its head: what stands before the first full stop or line end.

    The head of an alert is its summary, that of a letter its subject: what it says weighs most.
    """

    topics: tuple[Word, ...]
    head: tuple[Word, ...]

    @property
    def asked(self) -> frozenset[str]:
        """All terms of the topics."""
        return frozenset(term for word in self.topics for term in (*word.parts, *word.joined))

    @property
    def parts(self) -> frozenset[str]:
        """The terms of the topics' parts alone."""
        return frozenset(part for word in self.topics for part in word.parts)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a retriever's best documents stand, from the best down: ``scores`` of at least the first three.

    What nothing treats finds many that are alike; what one document treats finds that one.
    """

    scores: tuple[float, ...]

    @property
    def ahead(self) -> float:
        """What the first is ahead of the third (or of the last, or of nothing)."""
        following = self.scores[1:3]
        return self.scores[0] - (following[-1] if following else 0.0) if self.scores else 0.0


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """How well a document fits a query; each measure is in [0, 1].

    ``share``: the query's informative terms that the document has, weighed by their rarity. ``head``: the
    same for the query's head. ``phrases``: neighbouring terms of the head that stand close in the document.
    ``subject``: the terms of the document's name (or title) that the query has, weighed alike. ``unsaid``:
    how much the name says that the query does not. ``words``: how far its words put the best document
    ahead; ``vectors``: the same by the embedding. ``closeness``: that of query and document. The last two
    are None without an embedding.
    """

    share: float
    head: float
    phrases: float
    subject: float
    unsaid: float
    words: float
    vectors: float | None = None
    closeness: float | None = None

    def coverage(self) -> float:
        """The probability, in [0, 1], that the document treats what was asked."""
        if self.closeness is None or self.vectors is None:
            told = 5.2 * self.share + 2.7 * self.head + 2.5 * self.phrases + 2.4 * self.subject
            return _logistic(told + 2.7 * self.words - 4.6)
        told = 2.4 * self.share + 1.7 * self.head - 1.1 * self.unsaid
        # Vectors that put ahead what shares no word with the query are noise more often than insight.
        borne = min(self.vectors, self.share)
        return _logistic(told + 8.6 * borne + 7.6 * min(self.closeness, _CLOSE) - 4.3)


class Rarity:
    """How much a term tells, from how many of the documents have it; each term is counted once."""

    def __init__(self, documents: int, having: Callable[[str], int]) -> None:
        self._documents = documents
        self._having = cache(having)

    @classmethod
    def among(cls, vocabularies: Iterable[frozenset[str]]) -> Rarity:
        """The rarity of terms among documents with these vocabularies."""
        known = tuple(vocabularies)
        counted = Counter(term for vocabulary in known for term in vocabulary)
        return cls(len(known), counted.__getitem__)

    def knows(self, term: str) -> bool:
        """Whether any document has the term."""
        return self._having(term) > 0

    def weight(self, term: str) -> float:
        """A smoothed inverse document frequency; largest for a term that no document has."""
        return math.log(1 + (self._documents + _PRIOR) / (self._having(term) + _PRIOR))

    @property
    def most(self) -> float:
        """The weight of a term that no document has."""
        return math.log(1 + (self._documents + _PRIOR) / _PRIOR)


def question(query: str, analyzer: Analyzer, rarity: Rarity) -> Question:
    """The topics of a query.

    A word with digits, or one linked by hyphens or dots, that shares nothing with the corpus is taken for
    the identifier of a host, a pod or a customer.
    """
    head = _HEAD.match(query.strip())
    return Question(
        topics=_topics(analyzer.words(query), rarity),
        head=_topics(analyzer.words(head.group() if head else ""), rarity),
    )


def evidence(
    asked: Question,
    page: Page,
    rarity: Rarity,
    *,
    words: Standing,
    vectors: Standing | None,
    closeness: float | None,
) -> Evidence:
    """How well ``page`` fits a question, where the retrievers put their best documents as told.

    ``words`` has BM25's scores as shares of the most that the topics can score; ``vectors`` and
    ``closeness`` are as the embedding tells closeness.
    """
    return Evidence(
        share=_share(asked.topics, page, rarity),
        head=_share(asked.head or asked.topics, page, rarity),
        phrases=_phrases(asked.head, page, rarity),
        subject=max((_said(names, asked, rarity) for names in page.subjects), default=0.0),
        unsaid=min((_unsaid(names, asked, rarity) for names in page.subjects), default=1.0),
        words=min(1.0, words.ahead),
        vectors=None if vectors is None else vectors.ahead,
        closeness=closeness,
    )


def _topics(words: Iterable[Word], rarity: Rarity) -> tuple[Word, ...]:
    """The words that can tell what a text is about, each once."""
    told = dict.fromkeys(word for word in words if not _COMMON.issuperset(word.parts))
    return tuple(
        word for word in told if not (word.coded or word.linked) or any(map(rarity.knows, word.parts))
    )


def _share(words: Sequence[Word], page: Page, rarity: Rarity) -> float:
    have = page.vocabulary
    total = found = 0.0
    for word in words:
        weights = [rarity.weight(part) for part in word.parts]
        hit = sum(w for part, w in zip(word.parts, weights, strict=True) if part in have) / sum(weights)
        whole = any(term in have for term in word.joined) if len(word.parts) > 1 else False
        total += max(weights)
        found += max(weights) * (1.0 if whole and len(word.joined) == 1 else hit)
    return found / total if total else 0.0


def _phrases(words: Sequence[Word], page: Page, rarity: Rarity) -> float:
    parts = [part for word in words for part in word.parts]
    weights = {pair: min(map(rarity.weight, pair)) for pair in pairwise(parts) if pair[0] != pair[1]}
    if not weights:
        return 0.0
    near = {pair for terms in page.terms for gap in (1, 2) for pair in zip(terms, terms[gap:], strict=False)}
    found = [weight for (a, b), weight in weights.items() if (a, b) in near or (b, a) in near]
    return sum(found) / sum(weights.values())


def _said(names: frozenset[str], asked: Question, rarity: Rarity) -> float:
    weights = {name: rarity.weight(name) for name in names}
    return sum(weight for name, weight in weights.items() if name in asked.asked) / sum(weights.values())


def _unsaid(names: frozenset[str], asked: Question, rarity: Rarity) -> float:
    return min(1.0, sum(map(rarity.weight, names - asked.asked)) / rarity.most)


def _logistic(value: float) -> float:
    return 1 / (1 + math.exp(-value))
