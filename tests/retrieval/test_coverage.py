from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.retrieval.analyzer import Analyzer
from pilotman.retrieval.coverage import Evidence, Rarity, evidence, topics
from pilotman.retrieval.page import Page, page_of

ANALYZER = Analyzer()


def page(source: str, text: str) -> Page:
    return page_of(text, source=source, version="1", readers=frozenset("*"), labels={}, analyzer=ANALYZER)


PAGES = (
    page("disk-full.md", "# Disk full\n\nThe disk of the host has no space left. Rotate the logs.\n"),
    page("cpu-busy.md", "# CPU busy\n\nThe processors of the host are busy. Find the greedy process.\n"),
)
RARITY = Rarity(page.vocabulary for page in PAGES)


def told(query: str, closeness: float | None = None) -> Evidence:
    return evidence(topics(ANALYZER.words(query), RARITY), PAGES[0], RARITY, closeness)


def test_a_question_in_the_words_of_the_document_is_covered_and_a_strange_one_is_not() -> None:
    assert told("The disk of the host is full, no space left").coverage() > 0.9
    assert told("The printer is out of toner").coverage() < 0.1


@pytest.mark.parametrize(
    "more",
    [
        " on web-3",
        " at 10.0.12.7:9100",
        " of checkout-7d9f8b6c5d-x2k4p",
        " within the last 15 minutes",
        " at 94.1%",
    ],
)
def test_identifiers_and_times_do_not_change_the_share(more: str) -> None:
    assert told("disk full" + more).share == told("disk full").share == 1.0


def test_a_name_that_occurs_word_by_word_is_found() -> None:
    assert told("DiskFull").subject == 1.0


def test_an_empty_question_is_not_covered() -> None:
    assert told("").coverage() < 0.5
    assert told("the 15 minutes", 0.0).coverage() < 0.5


def test_rarer_terms_weigh_more_and_unknown_ones_most() -> None:
    assert RARITY.weight("host") < RARITY.weight("disk") < RARITY.weight("toner")


@given(st.floats(0, 1), st.floats(0, 1), st.none() | st.floats(0, 1), st.floats(0, 0.2))
def test_more_evidence_never_means_less_coverage(
    share: float, subject: float, closeness: float | None, more: float
) -> None:
    before = Evidence(share=share, subject=subject, closeness=closeness).coverage()
    assert 0 <= before <= 1
    assert Evidence(share=share + more, subject=subject, closeness=closeness).coverage() >= before
    assert Evidence(share=share, subject=subject + more, closeness=closeness).coverage() >= before
    if closeness is not None:
        assert Evidence(share=share, subject=subject, closeness=closeness + more).coverage() >= before
