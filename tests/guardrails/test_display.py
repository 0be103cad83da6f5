"""What is shown to a person hides nothing, turns nothing around, and poses as nothing else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patience import in_time

from pilotman.guardrails.display import quoted, shown, visible

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@given(st.text())
def test_nothing_that_is_shown_hides_or_turns_around_something(text: str) -> None:
    assert not {unicodedata.category(c) for c in visible(text, limit=10**6)} & HIDDEN


@pytest.mark.parametrize(
    "hidden",
    [
        *("\u202e", "\u2066", "\u200b", "\ufeff", "\x1b", "\n", "\u2028", "\U000e0041"),
        *("\u034f", "\u115f", "\u3164", "\uffa0", "\ufe0f", "\ufe01", "\U000e0101", "\u180b", "\u2800"),
    ],
)
def test_bidirectional_and_invisible_characters_are_escaped(hidden: str) -> None:
    assert visible(f"a{hidden}b") == f"a\\u{ord(hidden):04x}b"


def test_plain_text_of_any_script_is_left_alone() -> None:
    for text in (
        "Größe 日本語 שלום 🙂 ❤\ufe0f",
        "админ привет",
        "これはテストです。次",
        "naïve café: 3 €, 5 µm",
    ):
        assert visible(text) == text


def test_long_text_is_cut_and_says_how_long_it_was() -> None:
    assert visible("x" * 600) == "x" * 500 + "… (600 characters)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://p\u0430ypal.com/x", "https://xn--pypal-4ve.com/x"),
        ("http://u:p@bücher.de:80/é", "http://u:p@xn--bcher-kva.de:80/é"),
        ("mail a@bücher.de today", "mail a@xn--bcher-kva.de today"),
        ("see “bücher.de”.", "see “xn--bcher-kva.de”."),
        ("straße.de is not strasse.de", "xn--strae-oqa.de is not strasse.de"),
        ("www.\uff45vil\uff0ecom", "www.evil.com"),
        ("http://日本語\u3002jp/a", "http://xn--wgv71a119e.jp/a"),
        ("http://good.com\uff0f.evil.com", "http://good.xn--com-016s.evil.com"),
        ("résumé.pdf and файл.txt", "résumé.pdf and файл.txt"),
        ("plain.example.com é", "plain.example.com é"),
    ],
)
def test_hosts_stand_in_punycode(text: str, expected: str) -> None:
    assert visible(text) == expected


def test_letters_that_pose_as_latin_ones_are_escaped_within_latin_words() -> None:
    assert visible("\u0430dmin") == "\\u0430dmin"
    assert visible("\u0391BC Ltd") == "\\u0391BC Ltd"


@given(st.text(alphabet='ab"\\\n\u202e,:{}()=', max_size=30), st.text(alphabet='ab",)', max_size=10))
def test_no_value_closes_its_own_quotes(value: str, other: str) -> None:
    words = quoted(value)
    assert words.startswith('"')
    assert words.endswith('"')
    inner = words[1:-1].replace("\\\\", "").replace('\\"', "")
    assert '"' not in inner
    assert (quoted(value) == quoted(other)) == (value == other)


def test_arguments_are_shown_by_name_and_quoted() -> None:
    told = shown({"to": "a@b\u202e", "n": 3, "who\u200b": ["x"]})
    assert told == {"to": '"a@b\\u202e"', "n": "3", "who\\u200b": '["x"]'}


@pytest.mark.parametrize(
    "text",
    ["é" * 200_000 + ".", "a.é" * 60_000, "://" * 60_000 + "é", "@é" * 90_000, "://" + "a:" * 90_000 + "é"],
    ids=["one word", "one host", "schemes", "addresses", "users"],
)
def test_a_long_text_takes_no_longer_than_its_length_asks_for(text: str) -> None:
    with in_time():  # a fraction of a second; squared it would be hours
        visible(text, limit=10**6)
