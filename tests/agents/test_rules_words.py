"""What must not break: inflections of one word meet, different words do not, little words do not count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.wording.words import stem, terms, words


def test_names_are_taken_apart() -> None:
    assert words("disk_usage getHTTPStatus e-mail web-1") == [
        "disk", "usage", "get", "http", "status", "email", "web", "1",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "family",
    [
        "silence silences silenced silencing",
        "update updates updated updating",
        "ticket tickets",
        "policy policies",
        "cancel cancelled cancelling cancellation",
        "plan planned planning plans",
        "address addresses",
        "pay payment payments",
        "reserve reservation reserved",
        "create creation created",
    ],
)
def test_one_word_has_one_stem(family: str) -> None:
    assert len({stem(word) for word in family.split()}) == 1


def test_different_words_stay_different() -> None:
    assert (
        len(
            {
                stem(w)
                for w in [
                    "order",
                    "host",
                    "disk",
                    "user",
                    "status",
                    "memory",
                    "process",
                    "access",
                    "news",
                    "gas",
                ]
            }
        )
        == 10
    )


def test_little_words_do_not_count() -> None:
    assert terms("What is the status of my refund?") == {"status", "refund"}
    assert terms("the of and is") == frozenset()


@given(st.text(max_size=40))
def test_any_text_has_terms_and_their_stems_are_stable(text: str) -> None:
    assert all(term == term.lower() and term for term in terms(text))
