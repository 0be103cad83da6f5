"""One value has many spellings and one canonical form; a longer word or number is another value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.gate.literals import (
    addresses,
    agrees,
    canonical,
    canonical_account,
    canonical_number,
    canonical_url,
    dates,
    literals,
    numbers,
    quotes,
    times,
    weekday_of,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,200.00", "1200"),
        ("1200", "1200"),
        ("+7", "7"),
        ("12,5", "12.5"),
        ("-3,000", "-3000"),
        ("1e3", "1000"),
        ("1,20,0", None),
        ("NaN", None),
        ("Infinity", None),
        ("", None),
        ("pier 7", None),
    ],
)
def test_a_number_has_one_form(text: str, expected: str | None) -> None:
    assert canonical_number(text) == expected


@given(st.integers(-(10**9), 10**9))
def test_thousands_set_apart_are_the_same_number(number: int) -> None:
    assert canonical_number(f"{number:,}.00") == canonical_number(str(number))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on 5 May 2026", {"2026-05-05"}),
        ("May 5th, 2026", {"2026-05-05"}),
        ("2026/5/5", {"2026-05-05"}),
        ("the 5th", {"---05"}),
        ("5th of May", {"--05-05"}),
        ("May 3 to 5, 2026", {"2026-05-03", "2026-05-05", "--05-03"}),
        ("03/05/2026", {"2026-03-05", "2026-05-03"}),
        ("2026-13-05, 2026-05-99", set[str]()),
        ("version 2026-05-051", set[str]()),
    ],
)
def test_dates_in_many_notations(text: str, expected: set[str]) -> None:
    assert dates(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 3pm", {"15:00"}),
        ("12 a.m.", {"00:00"}),
        ("15:30", {"15:30"}),
        ("noon or midnight", {"12:00", "00:00"}),
        ("99:99", set[str]()),
        ("at 3", set[str]()),
    ],
)
def test_times_of_day(text: str, expected: set[str]) -> None:
    assert times(text) == expected


def test_numbers_stand_alone_or_as_small_words() -> None:
    assert numbers("three boats, 40 ropes, pier-7, v2.1.x") == {"3", "40"}


def test_addresses_of_every_kind() -> None:
    text = "Write Dana@Acme.example, see https://www.acme.example/p, pay DE89 3704 0044 0532 0130 00"
    assert addresses(text) == {"dana@acme.example", "acme.example/p", "de89370400440532013000"}


def test_words_in_quotation_marks() -> None:
    assert quotes("say \"ahoy\" and \u201cland ho\u201d, don't shout 'all aboard'") == (
        "ahoy",
        "land ho",
        "all aboard",
    )


def test_what_a_text_spells_out_has_kinds() -> None:
    found = {
        (one.kind, one.value)
        for one in literals("Pay $40 or 1,5 euros on Monday, not tomorrow; $, is no amount")
    }
    assert {("money", "40"), ("money", "1.5"), ("weekday", "monday"), ("relative", "tomorrow")} <= found


def test_partial_dates_agree_with_full_ones() -> None:
    assert agrees("---05", "2026-05-05")
    assert agrees("--05-05", "2026-05-05")
    assert agrees("2026-05-05", "2026-05-05")
    assert not any(agrees(said, "2026-05-05") for said in ("---06", "--06-05", "2025-05-05"))


def test_a_day_that_does_not_exist_has_no_weekday() -> None:
    assert (weekday_of("2026-05-05"), weekday_of("2026-02-31")) == ("tuesday", None)


def test_invisible_characters_and_wide_ones_make_no_other_text() -> None:
    assert canonical(" Pi\u200ber\u00a0 \uff17 ") == "pier 7"
    assert canonical_url("HTTPS://www.Acme.example/") == "acme.example"
    assert canonical_account("+49 (40) 123-45") == "+494012345"


@given(st.text(max_size=60))
def test_canonical_text_stays_as_it_is(text: str) -> None:
    assert canonical(canonical(text)).split() == canonical(canonical(canonical(text))).split()
