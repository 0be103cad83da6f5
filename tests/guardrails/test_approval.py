"""A question is answered once, in time, about what was shown; and what is shown hides nothing."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Approval, Principal
from pilotman.guardrails.approval import question, visible
from pilotman.guardrails.errors import Conflict

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ALICE, BOB = Principal(tenant="acme", user="alice"), Principal(tenant="acme", user="bob")
Answer = Literal["approved", "rejected"]
ANSWERS: tuple[Answer, Answer] = ("approved", "rejected")


def asked() -> Approval:
    return Approval(
        approval_id="apr_1",
        run_id="run_1",
        tool="restart",
        args={"host": "web-1"},
        question="May operator do restart(host=web-1)?",
        digest="shown",
        reasons=("irreversible",),
        requested_by=ALICE,
        created_at=NOW,
        expires_at=NOW + timedelta(days=2),
    )


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_answer_is_recorded_with_who_when_and_why(answer: Answer) -> None:
    done = asked().answered(answer, by=BOB, now=NOW, digest="shown", comment="because")
    assert (done.state, done.decided_by, done.decided_at, done.comment) == (answer, BOB, NOW, "because")
    assert asked().state == "pending"


@pytest.mark.parametrize("first", ANSWERS)
@pytest.mark.parametrize("second", ANSWERS)
def test_answering_twice_is_refused_also_with_the_same_answer(first: Answer, second: Answer) -> None:
    done = asked().answered(first, by=BOB, now=NOW)
    with pytest.raises(Conflict, match=f"is {first} already"):
        done.answered(second, by=BOB, now=NOW)


def test_other_arguments_than_those_shown_are_refused() -> None:
    with pytest.raises(Conflict, match="other arguments"):
        asked().answered("approved", by=BOB, now=NOW, digest="other")


@given(st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=4)))
def test_an_unanswered_question_counts_as_no_from_its_expiry_on(waited: timedelta) -> None:
    now = NOW + waited
    expired = waited >= timedelta(days=2)
    assert asked().at(now).state == ("expired" if expired else "pending")
    if expired:
        assert asked().at(now).decided_at == asked().expires_at
        with pytest.raises(Conflict, match="expired"):
            asked().answered("approved", by=BOB, now=now)
    else:
        assert asked().answered("approved", by=BOB, now=now).state == "approved"


def test_an_answer_does_not_expire() -> None:
    done = asked().answered("approved", by=BOB, now=NOW)
    assert done.at(NOW + timedelta(days=30)) == done


@given(st.text())
def test_nothing_that_is_shown_hides_or_turns_around_something(text: str) -> None:
    shown = visible(text, limit=10**6)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


@pytest.mark.parametrize(
    "hidden", ["\u202e", "\u2066", "\u200b", "\ufeff", "\x1b", "\n", "\u2028", "\U000e0041"]
)
def test_bidirectional_and_invisible_characters_are_escaped(hidden: str) -> None:
    assert visible(f"a{hidden}b") == f"a\\u{ord(hidden):04x}b"


def test_plain_text_of_any_script_is_left_alone() -> None:
    assert visible("Größe 日本語 שלום 🙂") == "Größe 日本語 שלום 🙂"


def test_long_text_is_cut_and_says_how_long_it_was() -> None:
    assert visible("x" * 600) == "x" * 500 + "… (600 characters)"


def test_the_question_shows_every_argument_as_data() -> None:
    words = question("mail", {"to": "a@b\u202e", "body": 'say "hi"', "n": 3}, agent="writer", effect="egress")
    assert words == 'May writer do mail(to="a@b\\u202e", body="say \\"hi\\"", n=3)? Effect: egress.'
    assert question("mail", {}, agent="w", effect="write", kind="repeat").startswith("w repeats itself.")
    assert "was lost" in question("mail", {}, agent="w", effect="write", kind="outcome")
