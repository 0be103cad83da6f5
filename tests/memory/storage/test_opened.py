from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.storage.opened import Opened


@dataclass(frozen=True)
class Thing:
    size: int


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.dictionaries(st.integers(0, 9), st.integers(1, 40)))
        | st.sampled_from("abc")
    )
)
def test_no_more_is_kept_than_fits_and_nothing_that_was_not_the_owners_last(
    steps: list[str | tuple[str, dict[int, int]]],
) -> None:
    opened, last = Opened[int, Thing](limit=100), dict[str, dict[int, Thing]]()
    for step in steps:
        if isinstance(step, str):
            opened.drop(step)
            last.pop(step, None)
        else:
            last[step[0]] = {number: Thing(size) for number, size in step[1].items()}
            opened.keep(step[0], last[step[0]])
        kept = [one.size for whose in "abc" for one in opened.of(whose).values()]
        assert opened.size == sum(kept) <= 100
        for whose in "abc":
            assert opened.of(whose).items() <= last.get(whose, {}).items()


def test_who_was_not_asked_about_for_the_longest_time_goes_first() -> None:
    opened = Opened[int, Thing](limit=100)
    for whose in "abc":
        opened.keep(whose, {1: Thing(30)})
    opened.of("a")
    opened.keep("d", {1: Thing(30)})
    assert [whose for whose in "abcd" if opened.of(whose)] == ["a", "c", "d"]


def test_of_one_owner_with_too_much_the_first_are_kept() -> None:
    opened = Opened[int, Thing](limit=100)
    opened.keep("a", {number: Thing(30) for number in range(9)})
    assert [*opened.of("a")] == [0, 1, 2]


def test_of_whom_nobody_asks_any_more_nothing_stays() -> None:
    now = [0.0]
    opened = Opened[int, Thing](limit=100, seconds=60.0, clock=lambda: now[0])
    opened.keep("a", {1: Thing(30)})
    opened.keep("b", {1: Thing(30)})
    now[0] = 50.0
    assert opened.of("b")
    now[0] = 100.0
    assert opened.of("b")
    assert opened.size == 30
    assert not opened.of("a")
