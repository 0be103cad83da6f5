"""Each way to tamper with the events of a run is found and named, also if hashes are forged along with it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.audit.finding import Finding, merged
from pilotman.memory.audit.run_check import WINDOW, RunCheck, Segment
from pilotman.memory.journal.chain import HASHED, chained, genesis

Row = list[Any]
SEQ, DATA, HASH = HASHED.index("seq"), HASHED.index("data"), len(HASHED)
SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=8)


class Story:
    """A run that was written in transactions of so many events, and what somebody makes of it."""

    def __init__(self, sizes: Iterable[int], *, old: int = 0) -> None:
        sizes = list(sizes)
        ends = list(accumulate(sizes, initial=old))
        self.old = old
        self.rows = [self.event(seq) for seq in range(1, ends[-1] + 1)]
        for row in self.rows[:old]:
            row[HASH] = None
        self.rehash(old + 1)
        self.segments = [
            Segment(end - size + 1, end, self.at(end)[HASH])
            for size, end in zip(sizes, ends[1:], strict=True)
        ]

    @staticmethod
    def event(seq: int, what: str = "it was so") -> Row:
        key, data = f"k{seq}", f'{{"n":{seq},"text":"{what}"}}'
        said = [10 * seq, "noted", "desk", None, None, "tool", 1.5, None, 7, None, "ok", data]
        return ["run_1", seq, key, *said, "0" * 64]

    def at(self, seq: int) -> Row:
        return next(row for row in self.rows if row[SEQ] == seq)

    @property
    def last(self) -> int:
        return len(self.rows)

    def rehash(self, first: int, last: int | None = None) -> None:
        """Give the rows from ``first`` on the hashes that they should have."""
        for row in sorted(self.rows, key=lambda row: row[SEQ]):
            if row[SEQ] >= first and (last is None or row[SEQ] <= last):
                before = [r for r in self.rows if r[SEQ] == row[SEQ] - 1]
                previous = before[0][HASH] if before and before[0][HASH] else genesis("run_1", "acme")
                row[HASH] = chained(previous, row[:HASH])

    def drop(self, *numbers: int) -> None:
        self.rows = [row for row in self.rows if row[SEQ] not in numbers]

    def shift(self, after: int, by: int) -> None:
        for row in self.rows:
            row[SEQ] += by * (row[SEQ] > after)

    def insert(self, seq: int) -> Row:
        self.rows.append(row := self.event(seq, "it never was"))
        return row

    def swap(self, one: int, other: int) -> None:
        first, second = self.at(one), self.at(other)
        first[SEQ], second[SEQ] = other, one

    def found(self, *, tenant: str | None = "acme") -> list[Finding]:
        self.check = RunCheck("run_1", tenant, self.segments, always=not self.old)
        return list(merged(self.check.findings(sorted(self.rows, key=lambda row: row[SEQ]))))

    def begin_of_segment(self, seq: int) -> int:
        return next(segment.first for segment in self.segments if segment.seq >= seq)


def said(findings: Iterable[Finding]) -> list[tuple[Any, ...]]:
    return [(f.kind, f.first, f.last) for f in findings if f.what == "event"]


def named(findings: Iterable[Finding], *kinds: str) -> set[int]:
    """The numbers that findings name, with those that may be meant."""
    return {
        seq
        for f in findings
        if f.first is not None and f.last is not None and (not kinds or f.kind in kinds)
        for seq in range(f.since or f.first, f.last + 1)
    }


@st.composite
def stories(draw: st.DrawFn) -> Story:
    return Story(draw(SIZES))


@st.composite
def places(draw: st.DrawFn) -> tuple[Story, int]:
    """A run, and one of its events."""
    story = draw(stories())
    return story, draw(st.integers(1, story.last))


@given(SIZES, st.integers(0, 4))
def test_what_was_not_touched_is_sound(sizes: list[int], old: int) -> None:
    story = Story(sizes, old=old)
    assert story.found() == []
    assert (story.check.events, story.check.unhashed) == (story.last, old)


@given(places(), st.integers(2, HASH))
def test_an_edit_of_any_column_names_the_event(place: tuple[Story, int], column: int) -> None:
    story, seq = place
    story.at(seq)[column] = "another"
    (finding,) = story.found()
    assert (finding.kind, finding.first, finding.last) == ("edited", seq, seq)
    assert finding.since in (None, story.begin_of_segment(seq))


@given(places(), st.sampled_from([b"blob", None, 3, "0.5", ""]))
def test_a_value_of_another_type_is_an_edit(place: tuple[Story, int], value: Any) -> None:
    story, seq = place
    story.at(seq)[DATA] = value
    assert said(story.found()) == [("edited", seq, seq)]


@given(places())
def test_a_hash_that_is_taken_away_is_an_edit(place: tuple[Story, int]) -> None:
    story, seq = place
    story.at(seq)[HASH] = None
    findings = story.found()
    assert said(findings)[0] == ("edited", seq, seq)
    assert named(findings) <= {*range(story.begin_of_segment(seq), seq + 2)}


@given(places(), st.data())
def test_forged_hashes_do_not_hide_an_edit(place: tuple[Story, int], data: st.DataObject) -> None:
    story, seq = place
    upto = data.draw(st.integers(seq, story.last))
    story.at(seq)[DATA] = "forged"
    story.rehash(seq, upto)
    findings = story.found()
    assert seq in named(findings, "edited")
    assert min(named(findings)) >= story.begin_of_segment(seq)


@given(stories(), st.data())
def test_what_was_dropped_is_named(story: Story, data: st.DataObject) -> None:
    numbers = st.sets(st.integers(1, story.last), min_size=1, max_size=story.last - 1)
    if story.last == 1:
        return
    gone = data.draw(numbers)
    last = story.last
    story.drop(*gone)
    findings = story.found()
    assert named(findings, "dropped", "truncated") == gone
    assert named(findings, "truncated") == {n for n in gone if {*range(n, last + 1)} <= gone}
    assert {f.kind for f in findings} <= {"dropped", "truncated", "unchecked"}


@given(stories(), st.data())
def test_numbers_that_are_given_anew_do_not_hide_what_was_dropped(story: Story, data: st.DataObject) -> None:
    if story.last < 3:
        return
    first = data.draw(st.integers(1, story.last - 2))
    count = data.draw(st.integers(1, story.last - first - 1))
    story.drop(*range(first, first + count))
    story.shift(first, -count)
    findings = story.found()
    assert said(findings)[0] == ("dropped", first, first + count - 1)
    assert named(findings, "edited", "inserted", "truncated", "reordered") == set()


@given(places(), st.sampled_from([None, "0" * 64]))
def test_what_was_inserted_is_named(place: tuple[Story, int], hashed: str | None) -> None:
    story, seq = place
    story.shift(seq - 1, 1)
    story.insert(seq)[HASH] = hashed
    assert said(story.found()) == [("inserted", seq, seq)]


@given(places(), st.data())
def test_forged_hashes_do_not_hide_an_insertion(place: tuple[Story, int], data: st.DataObject) -> None:
    story, seq = place
    begun = story.begin_of_segment(seq)
    story.shift(seq - 1, 1)
    story.insert(seq)
    story.rehash(seq, data.draw(st.integers(seq, story.last)))
    findings = story.found()
    assert seq in named(findings)
    assert min(named(findings)) >= begun


@given(stories(), st.booleans())
def test_what_was_appended_is_named_even_if_its_hash_is_right(story: Story, hashed: bool) -> None:
    row = story.insert(story.last + 1)
    story.rehash(story.last)
    if not hashed:
        row[HASH] = None
    assert said(story.found()) == [("inserted", story.last, story.last)]


@pytest.mark.parametrize("seq", [0, -3])
def test_what_stands_before_the_first_event_was_inserted(seq: int) -> None:
    story = Story([2, 2])
    story.insert(seq)
    assert said(story.found()) == [("inserted", seq, seq)]


@given(stories(), st.data())
def test_two_that_changed_places_are_named(story: Story, data: st.DataObject) -> None:
    if story.last == 1:
        return
    one, other = sorted(data.draw(st.sets(st.integers(1, story.last), min_size=2, max_size=2)))
    story.swap(one, other)
    findings = story.found()
    assert named(findings) == {one, other}
    assert {f.kind for f in findings} == {"reordered"}


@given(stories(), st.randoms(use_true_random=False))
def test_any_other_order_is_named(story: Story, dice: Any) -> None:
    order = list(range(1, story.last + 1))
    dice.shuffle(order)
    for row, seq in zip(list(story.rows), order, strict=True):
        row[SEQ] = seq
    moved = {seq for slot, seq in enumerate(order, start=1) if slot != seq}
    findings = story.found()
    assert named(findings) == moved
    assert {f.kind for f in findings} <= {"reordered"}


def test_what_changed_places_far_apart_is_found_as_edits() -> None:
    story = Story([3] * WINDOW)
    story.swap(10, 10 + WINDOW + 5)
    findings = story.found()
    assert {10, 10 + WINDOW + 5} <= named(findings, "edited")


def test_numbers_that_jump_are_named_once() -> None:
    story = Story([3, 3])
    story.shift(4, 10)
    assert said(story.found()) == [("reordered", 15, 15)]


@given(stories(), st.data())
def test_every_one_of_several_edits_is_named(story: Story, data: st.DataObject) -> None:
    edits = data.draw(st.sets(st.integers(1, story.last), min_size=1))
    for seq in edits:
        story.at(seq)[DATA] = "forged"
        if data.draw(st.booleans()):
            story.rehash(seq, seq)
    assert edits <= named(story.found(), "edited")


@given(stories(), st.data())
def test_an_edit_beside_a_gap_is_named_or_cannot_be_checked(story: Story, data: st.DataObject) -> None:
    if story.last < 3:
        return
    gone = data.draw(st.integers(1, story.last - 1))
    story.at(gone + 1)[DATA] = "forged"
    story.drop(gone)
    findings = story.found()
    assert gone in named(findings, "dropped")
    assert gone + 1 in named(findings, "edited", "unchecked")


def test_a_run_of_another_tenant_does_not_begin_like_this() -> None:
    (finding,) = Story([2, 1]).found(tenant="rival")
    assert (finding.kind, finding.first) == ("edited", 1)
    assert "tenant" in finding.note


def test_a_run_whose_record_is_gone_is_named() -> None:
    story = Story([2, 1])
    assert ("dropped", "run", "run_1") in [(f.kind, f.what, f.run_id) for f in story.found(tenant=None)]


@pytest.mark.parametrize("tenant", ["acme", None])
def test_a_run_that_is_gone_with_its_events_is_one_finding(tenant: str | None) -> None:
    story = Story([2, 3])
    story.drop(*range(1, 6))
    (finding,) = story.found(tenant=tenant)
    assert (finding.kind, finding.what, finding.run_id) == ("dropped", "run", "run_1")
    assert "1 to 5" in str(finding)


def test_a_run_that_no_block_holds_was_inserted() -> None:
    story = Story([3])
    story.segments = []
    assert said(story.found()) == [("inserted", 1, 3)]


@pytest.mark.parametrize("value", ["abc", b"x", 1.5, None])
def test_what_has_no_number_is_told(value: Any) -> None:
    story = Story([2, 1])
    story.rows.append(row := story.event(9))
    row[SEQ] = value
    rows = [*story.rows[:3], row]
    findings = list(RunCheck("run_1", "acme", story.segments).findings(rows))
    assert [(f.kind, f.first) for f in findings] == [("edited", None)]


class TestOldEvents:
    """Those from before there were hashes."""

    def test_they_go_on_as_a_chain(self) -> None:
        assert Story([2, 2], old=3).found() == []

    def test_an_edit_of_them_cannot_be_seen(self) -> None:
        story = Story([2], old=3)
        story.at(2)[DATA] = "forged"
        assert story.found() == []
        assert story.check.unhashed == 3

    @pytest.mark.parametrize("gone", [1, 2, 3])
    def test_a_gap_in_them_can(self, gone: int) -> None:
        story = Story([2], old=3)
        story.drop(gone)
        assert said(story.found()) == [("dropped", gone, gone)]

    def test_a_hashed_event_does_not_become_one_of_them(self) -> None:
        story = Story([2, 2], old=3)
        story.at(4)[HASH] = None
        assert said(story.found())[0] == ("edited", 4, 4)

    def test_nobody_inserts_before_them(self) -> None:
        story = Story([2], old=3)
        story.insert(0)[HASH] = None
        assert ("inserted", 0, 0) in said(story.found())

    def test_where_there_were_none_there_are_none(self) -> None:
        story = Story([1])
        story.rows.append(row := story.event(2))
        row[HASH] = None
        assert said(story.found()) == [("inserted", 2, 2)]


def test_a_long_run_takes_no_more_memory_than_a_short_one() -> None:
    def rows(previous: str = genesis("run_1", "acme")) -> Iterator[Row]:
        for seq in range(1, 10_001):
            row = Story.event(seq, "it was so " * 100)
            row[HASH] = previous = chained(previous, row[:HASH])
            yield row

    segments = (Segment(seq, seq, None) for seq in range(1, 10_001))
    tracemalloc.start()
    assert list(RunCheck("run_1", "acme", segments).findings(rows())) == []
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000, "a tenth of what the events take"
