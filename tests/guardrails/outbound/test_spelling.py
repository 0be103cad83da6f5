"""A text has one spelling for detectors, and each of its characters a place in the original."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.outbound.spelling import Spelling


@given(st.text())
def test_every_character_stands_somewhere_in_the_original_and_in_order(original: str) -> None:
    spelling = Spelling.of(original)
    places = [spelling.origin(index, index + 1) for index in range(len(spelling.text))]
    assert places == sorted(places)
    assert all(0 <= start < end <= len(original) for start, end in places)


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_is_spelled_as_it_is(original: str) -> None:
    spelling = Spelling.of(original)
    assert spelling.text == original
    assert all(spelling.origin(index, index + 1) == (index, index + 1) for index in range(len(original)))


def test_what_a_reader_takes_for_the_same_is_the_same() -> None:
    seen = "\uff11\u0661\u200b\u00ad1\u2014a\u00a0\ufb01\u202e!"
    assert Spelling.of(seen).text == "111-a fi!"


def test_a_character_that_becomes_two_is_one_place() -> None:
    spelling = Spelling.of("a\ufb01b")
    assert spelling.text == "afib"
    assert [spelling.origin(index, index + 1) for index in range(4)] == [(0, 1), (1, 2), (1, 2), (2, 3)]
