from __future__ import annotations

import pytest

from pilotman.retrieval.words.analyzer import Analyzer
from pilotman.retrieval.words.coverage import Rarity, question
from pilotman.retrieval.words.reformulation import reformulated

ANALYZER = Analyzer()
RARITY = Rarity.among(
    frozenset(ANALYZER.terms(text))
    for text in ("the disk of the host is full", "the write ahead log of the host", "a pod is crash looping")
)


def in_other_words(query: str) -> str:
    topics = question(query, ANALYZER, RARITY).topics
    return reformulated(list(ANALYZER.words(query)), topics, RARITY)


@pytest.mark.parametrize(
    ("query", "other"),
    [
        ("KubePodCrashLooping", "kube pod crash looping"),
        ("The write-ahead log grows by 40% on web-7f9c", "write ahead log grows"),
        ("disk full on 10.0.0.7:9100, disk full since 14:05 UTC", "disk full utc"),
        ("checkout-7d9f8b6c5d-x2k4p", ""),
    ],
)
def test_identifiers_and_figures_go_and_compounds_are_written_apart(query: str, other: str) -> None:
    assert in_other_words(query) == other


def test_a_plain_question_stays_as_it_is() -> None:
    assert in_other_words("Why is the disk of the host full?") == ""


def test_of_a_long_text_the_rarest_words_are_left_in_their_order() -> None:
    told = [f"{letter * 5}ing" for letter in "bcdfghklmnpr"]
    other = in_other_words(f"the host and the disk: {' '.join(told)}")
    assert other.split() == told
