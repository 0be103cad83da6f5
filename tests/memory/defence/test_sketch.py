"""Sketches recognise a text that was changed a little, and tell nothing of it without their key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.defence.sketch import ALIKE, SAME, SIZE, resemblance, sketch

KEY = b"k" * 32
TEXT = "the night train to the coast leaves from platform nine at ten past eleven, on Sundays an hour later"


@given(st.text(max_size=400))
def test_a_text_is_itself_and_takes_little_room(text: str) -> None:
    marks = sketch(text, KEY)
    assert 0 < len(marks) <= SIZE
    assert resemblance(marks, sketch(text, KEY)) == 1.0
    assert all(0 <= mark < 2**63 for mark in marks)


@given(st.text(max_size=200), st.text(max_size=200))
def test_resemblance_is_symmetric_and_a_share(one: str, other: str) -> None:
    first, second = sketch(one, KEY), sketch(other, KEY)
    assert 0.0 <= resemblance(first, second) == resemblance(second, first) <= 1.0


def test_small_changes_are_no_disguise() -> None:
    marks = sketch(TEXT, KEY)
    hidden = TEXT.replace("train", "tr\u200bain").replace("coast", "co\u00adast")
    for same in (TEXT.upper(), f"  {TEXT}!!", TEXT.replace(" ", "\n"), hidden, TEXT.replace("t", "\uff54")):
        assert resemblance(marks, sketch(same, KEY)) == 1.0
    changed = TEXT.replace("nine", "ten")
    assert ALIKE <= resemblance(marks, sketch(changed, KEY)) < 1.0
    assert resemblance(marks, sketch(f"{TEXT} again", KEY)) >= SAME
    assert resemblance(marks, sketch("the cat sleeps on the table of the kitchen", KEY)) < ALIKE


def test_another_key_gives_other_marks() -> None:
    assert sketch(TEXT, KEY).isdisjoint(sketch(TEXT, b"l" * 32))
