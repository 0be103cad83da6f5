from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.audit.block_check import WINDOW, BlockCheck, Mark, heads_of, plausible
from pilotman.memory.audit.finding import Finding
from pilotman.memory.journal.chain import EMPTY, Block, Head


def written(count: int, *, old: int = 0) -> list[Block]:
    """So many blocks: run a gets an event in each, and each has a new run."""
    chain = [Block.sealed(0, (), old, 1, EMPTY.hash)] if old else [EMPTY]
    for n in range(1, count + 1):
        chain.append(chain[-1].follow([Head("a", n, n, f"a{n}"), Head(f"r{n}", 1, 2, f"r{n}")]))
    return chain if old else chain[1:]


def checked(blocks: Iterable[Any], *marks: Mark) -> tuple[BlockCheck, list[tuple[Any, ...]]]:
    check = BlockCheck(marks)
    findings: list[Finding] = []
    for block in sorted(blocks, key=lambda block: (isinstance(block[0], str), block[0])):
        findings += check.see(block)
    findings += check.end()
    assert all(finding.what == "block" for finding in findings)
    return check, [(f.kind, f.first, f.last) for f in findings]


def changed(block: Block, name: str, value: Any) -> Block:
    fields: list[Any] = [value if n == name else old for n, old in zip(Block._fields, block, strict=True)]
    return Block(*fields)


def mark(block: Block, name: str = "anchor") -> Mark:
    return Mark(block.number, block.hash, name)


@given(st.integers(0, 9), st.integers(0, 5))
def test_what_was_not_touched_is_sound(count: int, old: int) -> None:
    blocks = written(count, old=old)
    check, findings = checked(blocks, *map(mark, blocks))
    assert findings == []
    assert check.old == old
    assert check.held == (mark(blocks[-1]) if blocks else None)
    assert check.last == (blocks[-1] if blocks else EMPTY)


BLOCKS = st.integers(1, 9).flatmap(lambda n: st.tuples(st.just(written(n)), st.integers(0, n - 1)))
"""Some blocks, and the index of one."""


@given(
    BLOCKS,
    st.sampled_from(["heads", "events", "runs", "previous", "hash"]),
    st.sampled_from([99, "x", b"x", None]),
)
def test_an_edit_names_the_block_and_discredits_it(
    place: tuple[list[Block], int], name: str, value: Any
) -> None:
    blocks, index = place
    blocks[index] = changed(blocks[index], name, value)
    check, findings = checked(blocks)
    assert findings == [("edited", index + 1, index + 1)]
    assert check.discredited == {index + 1}


def forged(blocks: list[Block], index: int, head: Head) -> Block:
    """Another block in the place of this one, whose own hash is right."""
    before = blocks[index - 1] if index else EMPTY
    return before.follow([head])


@given(BLOCKS)
def test_a_forged_block_does_not_lead_to_the_next(place: tuple[list[Block], int]) -> None:
    blocks, index = place
    blocks[index] = forged(blocks, index, Head("a", index + 1, index + 1, "forged"))
    check, findings = checked(blocks)
    last = index == len(blocks) - 1  # only an anchor can tell
    assert findings == ([] if last else [("edited", index + 1, index + 2)])
    assert check.discredited == (set() if last else {index + 1, index + 2})


@given(BLOCKS, st.sampled_from(["events", "runs"]))
def test_totals_that_do_not_add_up_are_found(place: tuple[list[Block], int], name: str) -> None:
    blocks, index = place
    number, heads, events, runs, previous, _ = changed(blocks[index], name, 99)
    blocks[index] = Block.sealed(number, heads_of((number, heads)), events, runs, previous)
    assert checked(blocks)[1][0] == ("edited", index + 1, index + 1)


@given(BLOCKS)
def test_a_block_that_was_dropped_is_named(place: tuple[list[Block], int]) -> None:
    blocks, index = place
    whole = list(blocks)
    del blocks[index]
    _, findings = checked(blocks, mark(whole[-1]))
    kind = "truncated" if index == len(blocks) else "dropped"
    assert findings == [(kind, index + 1, index + 1)]


def test_the_block_before_the_first_is_missed() -> None:
    assert checked(written(3, old=5)[1:])[1] == [("dropped", 0, 0)]


@given(BLOCKS, st.data())
def test_two_that_changed_places_are_named(place: tuple[list[Block], int], data: st.DataObject) -> None:
    blocks, one = place
    other = data.draw(st.integers(0, len(blocks) - 1))
    if one == other:
        return
    first, second = blocks[one], blocks[other]
    blocks[one], blocks[other] = first._replace(number=other + 1), second._replace(number=one + 1)
    numbers = sorted({one + 1, other + 1})
    assert checked(blocks)[1] == [("reordered", n, n) for n in numbers]


def test_more_than_can_be_kept_are_edits() -> None:
    blocks = written(WINDOW + 10)
    reversed_ = [block._replace(number=len(blocks) + 1 - block.number) for block in blocks]
    _, findings = checked(reversed_)
    assert {first for _, first, _ in findings} == set(range(1, len(blocks) + 1))


@pytest.mark.parametrize("number", ["x", -1, None])
def test_a_block_with_an_impossible_number_was_inserted(number: Any) -> None:
    blocks = written(3)
    check = BlockCheck([])
    found = [*check.see(blocks[0]), *check.see(blocks[1]._replace(number=number)), *check.see(blocks[1])]
    assert [(f.kind, f.first) for f in found] == [("inserted", None)]
    assert list(check.end()) == []


@given(BLOCKS, st.data())
def test_a_journal_that_was_rewritten_is_found_by_an_anchor(
    place: tuple[list[Block], int], data: st.DataObject
) -> None:
    genuine, index = place
    blocks = genuine[:index]
    for n in range(index + 1, len(genuine) + 1):
        blocks.append(forged(blocks, n - 1, Head("a", n, n, "forged")))
    anchored = data.draw(st.sampled_from(genuine))
    check, findings = checked(blocks, mark(anchored))
    found = anchored.number > index
    assert findings == ([("edited", 1, anchored.number)] if found else [])
    assert check.held == (None if found else mark(anchored))


def test_what_was_rewritten_since_an_anchor_that_holds_is_bounded_by_it() -> None:
    genuine = written(8)
    blocks = written(4)
    for n in range(5, 9):
        blocks.append(blocks[-1].follow([Head("b", n - 4, n - 4, "forged")]))
    check, findings = checked(blocks, *map(mark, genuine))
    assert findings == [("edited", 5, n) for n in range(5, 9)]
    assert check.held == mark(genuine[3])


def test_a_journal_that_was_rolled_back_is_found_by_its_anchor() -> None:
    genuine = written(9)
    check, findings = checked(genuine[:5], mark(genuine[2]), mark(genuine[6]), mark(genuine[8]))
    assert findings == [("truncated", 6, 9)]
    assert check.held == mark(genuine[2])


def test_another_journal_is_not_the_one_that_was_anchored() -> None:
    assert checked([], mark(written(3)[2]))[1] == [("truncated", 1, 3)]
    assert checked(written(3, old=2), mark(written(3)[2]))[1] == [("edited", 1, 3)]
    assert checked(written(3), mark(EMPTY))[1] == []
    assert checked([], mark(EMPTY))[1] == []
    assert checked(written(3, old=2), mark(EMPTY))[1] == [("edited", 0, 0)]


@pytest.mark.parametrize(
    "heads", ["", "[", "{}", "[1]", "[[1]]", "null", b"\xff", None, 5, '[["a",1,1,"h",2]]']
)
def test_heads_that_cannot_be_read_are_none(heads: Any) -> None:
    assert heads_of(EMPTY._replace(heads=heads)) == []


@pytest.mark.parametrize("events", ["many", b"x", None])
def test_what_is_no_count_of_old_events_is_none(events: Any) -> None:
    blocks = written(2, old=5)
    blocks[0] = changed(blocks[0], "events", events)
    check, findings = checked(blocks)
    assert (check.old, findings) == (0, [("edited", 0, 0)])


def test_only_what_we_could_have_written_is_believed() -> None:
    good = ("a", 1, 2, "h")
    others = [("a", 0, 2, "h"), ("a", 3, 2, "h"), (1, 1, 2, "h"), ("a", "1", 2, "h"), ("a", 1, 2**63, "h")]
    assert plausible([*others, good]) == [good]
