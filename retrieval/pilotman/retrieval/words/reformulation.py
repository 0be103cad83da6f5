"""One more try for a query that found little: what it is about, without what merely occurs in it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from pilotman.retrieval.words.analyzer import Word
from pilotman.retrieval.words.coverage import Rarity

_MOST = 12
"""Words that a reformulated query has at most: the rarest."""


GAIN = 0.1
"""What another query must add to the coverage of what was asked, to take the place of the first."""


@runtime_checkable
class Reformulator(Protocol):
    """Somebody, such as a model, who can say a query in other words."""

    async def reformulate(self, query: str) -> str | None:
        """Another way to ask the same, or None. Called once for a search whose result is weak; a failure
        or a late answer leaves the rules to do it."""
        ...


def reformulated(words: Sequence[Word], topics: Sequence[Word], rarity: Rarity) -> str:
    """The rarest ``topics`` of a query, each once and in their order, as plain words; an empty text where
    the ``words`` of the query are plain and few already: dropping grammar alone loses more than it gains.

    Topics are what is left of a query without stop words, times, amounts and identifiers. Words that were
    written together (``KubePodCrashLooping``, ``write-ahead``) are written apart, figures are left out.
    """
    if len(topics) <= _MOST and not any(word.coded or word.joined for word in words):
        return ""
    plain = {word.parts: word.plain for word in topics if word.plain}
    weights = {parts: max(map(rarity.weight, parts)) for parts in plain}
    kept = sorted(weights, key=lambda parts: -weights[parts])[:_MOST]
    return " ".join(dict.fromkeys(plain[parts] for parts in plain if parts in kept))
