"""Numbers, dates and identifiers: what was seen passes in any honest form, what was made up does not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.patience import PATIENCE

from pilotman.agents.mentions import Evidence, unseen

SEEN = Evidence(
    '{"disk":97.3,"free":1073741824,"sizes":[120,340,5],"at":"2026-01-02T14:45:33Z","id":"ord_9912",'
    '"cents":4550,"host":"web-17","ip":"10.0.0.12","ratio":0.973,"elapsed_ms":1500,"python":"3.11.4",'
    '"rows":1234567,"run":"run_INC0012345-x","digest":"3f2a1b9c44","timeout_s":90}\n'
    "Ticket OPS-42: about 1,500 hosts"
)


@pytest.mark.parametrize(
    "text",
    [
        "The disk is at 97.3%, so 97 % or 97% are used.",
        "A ratio of 0.973 is 97.3 percent.",
        "1 GiB is free, that is 1024 MiB or 1,024 MB or 1,073,741,824 bytes.",
        "Sizes are 120 and 340; 5 is small.",
        "At 14:45 on 2026-01-02, i.e. on 2 January 2026.",
        "2026-01-02T14:45:33Z",
        "2026-01-02 14:45",
        "Order ord_9912 (ORD_9912), host web-17.",
        "Refund of $45.50, or 45.50 EUR.",
        "From 10.0.0.12: Python 3.11.4.",
        "It took 1.5 s, or 1500 ms, or 1500ms.",
        "1,234,567 rows; 1.2 million of them.",
        "INC0012345 and OPS-42 are about the same.",
        "Digest 3f2a1b9c44.",
        "It waits 90 seconds, 1.5 minutes.",
        "1. One\n2. Two\n13. Thirteen\n14) Fourteen",
        "SHA-256, UTF-8, ISO-8601, RFC-9110, sha256, x86_64, utf8, http2 and CVE-2026-12345.",
        "Step 3 of 12, the 2nd try.",
        "1,500 hosts",
        "",
        "-",
    ],
)
def test_honest_words_pass(text: str) -> None:
    assert list(unseen(text, SEEN)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("98% are used.", "the number 98%"),
        ("98 % are used.", "the number 98 %"),
        ("99.1 percent", "the number 99.1 percent"),
        ("OPS-99", "OPS-99"),
        ("OPS-4", "OPS-4"),
        ("ord_9913", "ord_9913"),
        ("INC0012346", "INC0012346"),
        ("10.0.0.1", "10.0.0.1"),
        ("10.0.0.13", "10.0.0.13"),
        ("3.11.5", "3.11.5"),
        ("on 2026-02-09", "the date 2026-02-09"),
        ("$46.50", "the number 46.50"),
        ("44000 rows", "the number 44000"),
        ("1,235,567 rows", "the number 1,235,567"),
        ("77GB", "the number 77GB"),
        ("a 45-page report, 77 of them", "the number 77"),
        ("3f2a1b9c45", "3f2a1b9c45"),
        ("about 1,600 hosts", "the number 1,600"),
        ("-55 degrees", "the number 55"),
    ],
)
def test_what_was_made_up_is_found(text: str, said: str) -> None:
    assert said in list(unseen(text, SEEN))


def test_each_is_said_once() -> None:
    assert list(unseen("OPS-99 OPS-99 98% 98%", SEEN)) == ["OPS-99", "the number 98%"]


def test_a_number_is_not_seen_because_its_digits_are() -> None:
    assert list(unseen("4242", Evidence("142424"))) == ["the number 4242"]
    assert list(unseen("OPS-42", Evidence("OPS-421 XOPS-42"))) == ["OPS-42"]


@pytest.mark.parametrize(
    "seen",
    [
        "2 January 2026",
        "2nd Jan 2026",
        "January 2, 2026",
        "Jan. 2 2026",
        "02/01/2026",
        "2.1.2026",
        "1767362733000",
        "1767362733",
    ],
)
def test_a_day_is_the_same_in_any_form(seen: str) -> None:
    assert list(unseen("It was on 2026-01-02.", Evidence(seen))) == []
    assert list(unseen("It was on 2026-01-03.", Evidence(seen))) == ["the date 2026-01-03"]


@given(st.integers(0, 10**18))
def test_every_whole_number_that_was_seen_passes_with_and_without_separators(number: int) -> None:
    evidence = Evidence(f'{{"n":{number}}}')
    assert list(unseen(f"{number} or {number:,}", evidence)) == []


@given(st.floats(0.001, 10**9, allow_nan=False), st.integers(0, 6))
def test_every_rounding_of_a_number_that_was_seen_passes(number: float, places: int) -> None:
    assert list(unseen(f"about {number:.{places}f} units", Evidence(f"{number:.9f}"))) == []


@given(st.integers(13, 10**9), st.integers(13, 10**9))
def test_another_whole_number_does_not_pass(seen: int, said: int) -> None:
    found = list(unseen(f"There are {said}.", Evidence(f"[{seen}]")))
    assert bool(found) == (seen != said)


@given(st.text())
def test_a_text_is_always_its_own_evidence(text: str) -> None:
    assert list(unseen(text, Evidence(text))) == []


@pytest.mark.parametrize(
    "piece",
    [
        "1,",
        "1",
        "1,111",
        "1.1",
        "OPS-",
        "a-",
        "A1-",
        "2026-01-02T",
        "x_1",
        "12 GB ",
        " ",
        "\n",
        "1. ",
        "_",
        "é1-",
    ],
)
def test_time_is_linear(piece: str) -> None:
    text = piece * (400_000 // len(piece)) + "x"
    began = time.process_time()
    list(unseen(text, Evidence("nothing")))
    list(unseen("OPS-99 98%", Evidence(text)))
    assert time.process_time() - began < PATIENCE


def test_many_different_ones_are_linear_too() -> None:
    text = " ".join(f"OPS-{n} {n}.5 {n} MB" for n in range(15_000))
    began = time.process_time()
    list(unseen(text, Evidence(text)))
    list(unseen(text, Evidence("nothing")))
    assert time.process_time() - began < PATIENCE


def test_a_number_of_ten_thousand_digits_is_a_number() -> None:
    digits = "7" * 10_000
    assert list(unseen(digits, Evidence(digits))) == []
    assert len(list(unseen(digits, Evidence("8")))) == 1
