"""Marks and what a receipt says of them."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.forgetting.receipt import counted, digest_of, joined

items = st.sampled_from(["run:a", "run:b", "fact:c"])
marks = st.lists(st.builds("{} {}".format, items, st.sampled_from(["-", "abc", "def"])), max_size=5)


@given(marks, marks)
def test_each_item_of_a_store_counts_once_with_its_first_digest(first: list[str], then: list[str]) -> None:
    once = joined((), "runs", first)
    both = joined(once, "runs", then)
    assert once <= both
    named = {one.split(" ")[0] for one in [*first, *then]}
    assert len({one.split(" ")[1] for one in both}) == len(named)
    assert joined(both, "runs", [*first, *then]) == both


def test_stores_do_not_share_items() -> None:
    both = joined(joined((), "runs", ["x -"]), "facts", ["x -", "y -"])
    assert counted(both) == {"facts": 2, "runs": 1}


def test_a_mark_may_stand_for_several() -> None:
    assert counted({"vectors chunks:12 - 12", "vectors chunks:3 - 3", "runs run:a x"}) == {
        "runs": 1,
        "vectors": 15,
    }


@given(st.permutations(["runs run:a x", "facts fact:b y", "items item:c z"]))
def test_the_digest_is_that_of_the_sorted_lines(told: list[str]) -> None:
    lines = b"facts fact:b y\nitems item:c z\nruns run:a x"
    assert digest_of(told) == hashlib.sha256(lines).hexdigest()
