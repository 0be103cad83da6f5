"""Days, hours and shares in words are those that a calendar and a clock give, whatever day it is."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.gate.moments import days_in_words, hours_in_words, shares_in_words

TODAYS = st.dates(min_value=date(2000, 1, 1), max_value=date(2090, 12, 31))


@given(today=TODAYS, count=st.integers(min_value=1, max_value=99))
def test_so_many_weeks_from_today_is_so_many_times_seven_days(today: date, count: int) -> None:
    meant = days_in_words(f"back in {count} weeks", today.isoformat())
    assert meant == {(today + timedelta(days=7 * count)).isoformat()}


@given(today=TODAYS)
def test_the_end_of_the_month_is_the_day_before_another_month(today: date) -> None:
    (last,) = days_in_words("until the end of the month", today.isoformat())
    after = date.fromisoformat(last) + timedelta(days=1)
    assert after.day == 1
    assert last[:7] == today.isoformat()[:7]


@pytest.mark.parametrize(
    ("said", "day"),
    [
        ("a week from today", "2026-02-04"),
        ("the day after tomorrow", "2026-01-30"),
        ("within one month", "2026-02-28"),
        ("at the end of february", "2026-02-28"),
        ("from the first of march", "2026-03-01"),
        ("by the end of the year", "2026-12-31"),
        ("at the end of next month", "2026-02-28"),
    ],
)
def test_a_day_in_words_is_counted_from_today(said: str, day: str) -> None:
    assert days_in_words(said, "2026-01-28") == {day}


def test_without_today_no_day_is_counted() -> None:
    assert days_in_words("in two weeks", None) == frozenset()
    assert days_in_words("in two weeks", "some day") == frozenset()


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        ("half past four", {"04:30", "16:30"}),
        ("a quarter to 9", {"08:45", "20:45"}),
        ("ten past twelve", {"00:10", "12:10"}),
        ("half of it", set[str]()),
    ],
)
def test_an_hour_in_words_is_one_of_either_half_of_the_day(said: str, hours: set[str]) -> None:
    assert hours_in_words(said) == hours


def test_a_share_is_told_from_a_length_of_time_and_from_an_hour() -> None:
    assert shares_in_words("twice as many") == {2.0}
    assert shares_in_words("give her half of it back") == {0.5}
    assert shares_in_words("half past six, for half an hour") == frozenset()
