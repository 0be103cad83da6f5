"""What must not break: the estimate is an upper bound for ordinary text and grows with it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotman.agents.tokens import estimate_tokens


def test_ordinary_english_is_not_underestimated() -> None:
    text = "The quick brown fox jumps over the lazy dog, and then it sleeps in the sun until the evening."
    assert estimate_tokens(text) >= len(text.split()) * 4 / 3  # the usual rule of thumb: 3 words are 4 tokens


@given(st.text(), st.text())
def test_more_text_is_never_fewer_tokens(one: str, more: str) -> None:
    assert 1 <= estimate_tokens(one) <= estimate_tokens(one + more)


def test_anything_can_be_estimated() -> None:
    assert estimate_tokens({"a": [1, None]}) > 1
    assert estimate_tokens({"a": object()}) > 1
    assert estimate_tokens("\ud800") >= 1
