from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotman.retrieval.sources.plan import plan

STATES = st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from("12"))


@given(desired=STATES, actual=STATES)
def test_the_changes_lead_from_what_is_held_to_what_is_listed(
    desired: dict[str, str], actual: dict[str, str]
) -> None:
    changes = plan(desired, actual)
    after = {one: version for one, version in actual.items() if one not in changes.deleted}
    after |= {one: desired[one] for one in (*changes.added, *changes.updated)}
    assert after == desired
    assert not set(changes.added) & actual.keys()
    touched = {*changes.added, *changes.updated, *changes.deleted}
    assert touched.isdisjoint(changes.unchanged)
    assert all(desired[one] == actual[one] for one in changes.unchanged)
    assert plan(desired, after) == plan(desired, desired)


def numbered(count: int) -> dict[str, str]:
    return {str(number): "1" for number in range(count)}


def test_a_loss_is_told_only_when_it_is_large() -> None:
    assert plan(numbered(50), numbered(100)).lost == "50 of 100 documents went at once"
    assert plan({}, numbered(21)).lost
    assert not plan(numbered(51), numbered(100)).lost
    assert not plan({}, numbered(20)).lost
    assert not plan({}, {}).lost
