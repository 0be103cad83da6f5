from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.retrieval.pages import chunks_of

from pilotman.retrieval.page import Page, page_of
from pilotman.retrieval.words.analyzer import Analyzer
from pilotman.retrieval.words.coverage import Evidence, Rarity, Standing, evidence, question

ANALYZER = Analyzer()


def page(source: str, text: str) -> Page:
    return page_of(chunks_of(text, source=source), ANALYZER)


PAGES = (
    page("disk-full.md", "# Disk full\n\nThe disk of the host has no space left. Rotate the logs.\n"),
    page("cpu-busy.md", "# CPU busy\n\nThe processors of the host are busy. Find the greedy process.\n"),
)
RARITY = Rarity.among(page.vocabulary for page in PAGES)


def told(
    query: str, *, of: Page = PAGES[0], words: float = 0.5, near: tuple[float, ...] | None = None
) -> Evidence:
    return evidence(
        question(query, ANALYZER, RARITY),
        of,
        RARITY,
        words=Standing(scores=(words, 0.0)),
        vectors=None if near is None else Standing(scores=near),
        closeness=None if near is None else near[0],
    )


def test_a_question_in_the_words_of_the_document_is_covered_and_a_strange_one_is_not() -> None:
    assert told("The disk of the host is full, no space left").coverage() > 0.9
    assert told("The printer is out of toner", words=0.0).coverage() < 0.1


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
    assert told("", words=0.0).coverage() < 0.5
    assert told("the 15 minutes", words=0.0, near=(0.0, 0.0)).coverage() < 0.5


def test_the_head_of_a_query_counts_by_itself() -> None:
    rest = "\nThe processors of the host are busy with the greedy process."
    assert told("Disk full" + rest).head == 1.0 > told("Disk full" + rest).share
    assert (
        told("Version 1.2 of the disk is full. Processors are greedy").head
        == told("version of the disk full").share
    )


def test_terms_that_stand_together_are_a_phrase_and_scattered_ones_are_not() -> None:
    assert told("no space left").phrases == 1.0
    assert told("host logs").phrases == 0.0


def test_what_a_name_says_beyond_the_query_is_unsaid() -> None:
    longer = page("disk-full-on-greedy-host.md", "The disk of a host is full: find the greedy process.\n")
    assert told("disk full").unsaid == 0.0
    assert told("disk full", of=longer).unsaid > 0.5


def test_a_name_without_a_word_of_the_text_is_no_subject() -> None:
    assert page("doc-4711.md", "The disk is full.\n").subjects == ()


@pytest.mark.parametrize(
    ("scores", "ahead"), [((), 0.0), ((0.8,), 0.8), ((0.8, 0.5), 0.3), ((0.8, 0.7, 0.2, 0.1), 0.6)]
)
def test_the_best_is_ahead_of_the_third(scores: tuple[float, ...], ahead: float) -> None:
    assert Standing(scores=scores).ahead == pytest.approx(ahead)


def test_a_document_that_stands_out_is_covered_rather_than_one_of_many_alike() -> None:
    alone, alike = (told("find the host", near=(0.6, second, second)) for second in (0.2, 0.6))
    assert alone.coverage() > alike.coverage() + 0.2


def test_rarer_terms_weigh_more_and_unknown_ones_most() -> None:
    assert RARITY.weight("host") < RARITY.weight("disk") < RARITY.weight("toner") == RARITY.most


MEASURES = ("share", "head", "phrases", "subject", "words", "vectors", "closeness")


@given(
    st.lists(st.floats(0, 1), min_size=8, max_size=8),
    st.booleans(),
    st.sampled_from(MEASURES),
    st.floats(0, 0.2),
)
def test_more_evidence_never_means_less_coverage(
    values: list[float], embedded: bool, measure: str, more: float
) -> None:
    before = Evidence(**dict(zip((*MEASURES, "unsaid"), values, strict=True)))
    if not embedded:
        before = replace(before, vectors=None, closeness=None)
    assert 0 <= before.coverage() <= 1
    assert replace(before, unsaid=before.unsaid + more).coverage() <= before.coverage()
    if getattr(before, measure) is not None:
        assert replace(before, **{measure: getattr(before, measure) + more}).coverage() >= before.coverage()
