from __future__ import annotations

import asyncio
from itertools import chain
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from pilotman.memory import Memory
from pilotman.memory.facts import rows
from pilotman.memory.facts.support import Supports, standing

FACTS = [f"fact:{n}" for n in range(5)]
LEAVES = ["run:1", "document:a/b@1", "document:a/c@1"]
GRAPHS = st.dictionaries(
    st.sampled_from(FACTS),
    st.lists(st.frozensets(st.sampled_from([*FACTS, *LEAVES]), min_size=1), max_size=3),
)


def by_force(known: set[str], supports: Supports, leaves: set[str]) -> set[str]:
    """Add what stands until nothing more does."""
    stands = set[str]()
    while True:
        more = {
            fact
            for fact in known
            if not supports.get(fact) or any(group <= stands | leaves for group in supports[fact])
        }
        if more == stands:
            return stands
        stands = more


@given(st.sets(st.sampled_from(FACTS)), GRAPHS, st.sets(st.sampled_from(LEAVES)))
@example(set(FACTS), {"fact:0": [frozenset({"fact:1"})], "fact:1": [frozenset({"fact:0"})]}, set())
def test_what_stands_is_the_least_fixpoint(
    known: set[str], supports: dict[str, list[frozenset[str]]], leaves: set[str]
) -> None:
    assert standing(known, supports, leaves) == by_force(known, supports, leaves)


def test_facts_that_hold_up_only_each_other_do_not_stand() -> None:
    circle = {"fact:0": [frozenset({"fact:1"})], "fact:1": [frozenset({"fact:0"}), frozenset({"run:1"})]}
    assert standing(FACTS[:2], circle, set()) == set()
    assert standing(FACTS[:2], circle, {"run:1"}) == {"fact:0", "fact:1"}


ROW: dict[str, Any] = {
    "tenant": "acme",
    "body": b"said",
    "status": "live",
    **dict.fromkeys(("digest", "source", "purpose", "label", "recorded_by"), ""),
    **dict.fromkeys(("valid_from", "recorded_at"), 0),
}


def standing_on(roots: list[str], supports: dict[str, list[frozenset[str]]]) -> set[str]:
    """What the database says."""

    def work(connection: Connection) -> set[str]:
        for fact in FACTS:
            rows.add(connection, {**ROW, "fact_id": fact.removeprefix("fact:")}, ())
        for fact, sets in supports.items():
            for number, group in enumerate(sets):
                rows.support(connection, fact.removeprefix("fact:"), "acme", group, number=number)
        return {f"fact:{one}" for one in rows.upon(connection, "acme", roots)}

    async def asked() -> set[str]:
        async with Memory() as memory:
            return await memory.journal.transact(work)

    return asyncio.run(asked())


@settings(max_examples=60)
@given(st.sampled_from(LEAVES), GRAPHS)
def test_all_that_stands_on_something_is_found(root: str, supports: dict[str, list[frozenset[str]]]) -> None:
    expected, size = set[str](), -1
    while len(expected) > size:
        size = len(expected)
        expected |= {
            fact for fact, sets in supports.items() if {root, *expected} & set(chain.from_iterable(sets))
        }
    assert standing_on([root], supports) == expected
