"""Results survive the journal, and no words of ours carry something hidden."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.agents.result import ToolError, ToolResult, clean_text, storable

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(json_values)
def test_a_result_survives_json(value: Any) -> None:
    value = storable(value)
    for result in (
        ToolResult.ok(value, "a caveat"),
        ToolResult.partial(value, "half of it"),
        ToolResult.failed(ToolError.of("rate_limit", "slow down", retry_after=1.5)),
    ):
        assert ToolResult.from_dict(result.to_dict()) == result
        assert ToolResult.from_json(result.to_json()) == result


def test_what_is_retryable_follows_from_the_kind() -> None:
    assert ToolError.of("timeout", "").retryable
    assert not ToolError.of("unknown_outcome", "").retryable
    assert not ToolError.of("validation", "").retryable


def test_an_error_is_there_exactly_in_errors() -> None:
    with pytest.raises(ValueError, match="error"):
        ToolResult(status="error")
    with pytest.raises(ValueError, match="error"):
        ToolResult(status="ok", error=ToolError.of("timeout", ""))


@pytest.mark.parametrize(
    ("dirty", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "link"),
        ("\x1b]0;title\x1b\\text", "text"),
        ("\x9b31mred", "red"),
        ("\x1b]never terminated\nand the rest", "never terminated\nand the rest"),
        ("\x1bc\x1b(Btext", "text"),
        ("a\x00b\x07c\x7fd\x85e", "abcd\ne"),
        ("tab\tand\nline", "tab\tand\nline"),
        ("dos\r\nmac\rend", "dos\nmac\nend"),
        ("over\rwritten", "over\nwritten"),
        ("pay\u200bpal\u2060.com\ufeff", "paypal.com"),
        ("user\u202egnp.exe\u2066x\u2069", "usergnp.exex"),
        ("ignore\U000e0069\U000e0067 this", "ignore this"),
        ("soft\u00adhyphen\u3164filler", "softhyphenfiller"),
        ("line\u2028sep\u2029par", "line\nsep\npar"),
        ("lone\ud800surrogate", "lone\ufffdsurrogate"),
        ("Grüße, 你好, السلام, 😀 ✓", "Grüße, 你好, السلام, 😀 ✓"),
    ],
)
def test_hidden_characters_are_removed_and_visible_ones_stay(dirty: str, shown: str) -> None:
    assert clean_text(dirty) == shown


@given(st.text())
def test_cleaning_is_complete_and_final(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    bad = {c for c in cleaned if unicodedata.category(c) in {"Cc", "Cs"} and c not in "\t\n"}
    assert not bad
    assert not {
        c
        for c in cleaned
        if unicodedata.bidirectional(c) in {"RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI"}
    }
    cleaned.encode()


def test_what_is_stored_is_text_and_no_key_hides_another() -> None:
    assert storable({"a\x07": 1, "a": [{"b\x1b[1m": "x\x00"}]}) == {"a": 1, "a'": [{"b": "x"}]}
    assert storable(("x\x07", 1, None, "y\u200b")) == ["x", 1, None, "y\u200b"]


def test_a_long_hostile_text_is_cleaned_quickly() -> None:
    for piece in ("\x1b]", "\x1b[", "\x1b[0", "\x9b;", "\u200b"):
        assert len(clean_text(piece * 100_000)) < 400_000
