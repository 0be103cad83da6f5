"""What facts stand on, through the database, against adding what stands until nothing more does."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from hypothesis import given, settings
from hypothesis import strategies as st

from pilotman.guardrails import Principal
from pilotman.memory import Memory

ALICE = Principal(tenant="acme", user="alice")
DOCUMENTS = [f"wiki/{n}.md@1" for n in range(3)]
GROUND = st.lists(st.sampled_from(["d0", "d1", "d2", "f0", "f1", "f2", "f3"]), min_size=1, max_size=2)
PLANS = st.lists(st.lists(GROUND, max_size=3), min_size=1, max_size=5)
"""For each fact its sets of supports; ``f3`` is the fact of that number, where it is an earlier one."""


class Wiki:
    def __init__(self) -> None:
        self.there = set(DOCUMENTS)

    async def live(self, documents: Collection[str], *, principal: Principal) -> set[str]:
        return self.there.intersection(documents) if principal == ALICE else set()


def by_force(sets: dict[str, list[set[str]]], gone: set[str], there: set[str]) -> set[str]:
    stands = set[str]()
    while True:
        more = {
            name
            for name, groups in sets.items()
            if name not in gone and (not groups or any(group <= stands | there for group in groups))
        }
        if more == stands:
            return stands
        stands = more


@settings(max_examples=40)
@given(PLANS, st.sets(st.sampled_from(["d0", "d1", "d2"])), st.sets(st.integers(0, 4)))
def test_recall_tells_exactly_the_facts_that_stand(
    plan: list[list[list[str]]], deleted: set[str], retracted: set[int]
) -> None:
    async def law() -> None:
        async with Memory() as memory:
            wiki = Wiki()
            memory.facts.connect(wiki)
            ids: list[str] = []
            sets: dict[str, list[set[str]]] = {}

            def named(one: str) -> str | None:
                number = int(one[1])
                if one[0] == "d":
                    return f"document:{DOCUMENTS[number]}"
                return f"fact:{ids[number]}" if number < len(ids) else None

            for number, groups in enumerate(plan):
                known = [{n for one in group if (n := named(one)) is not None} for group in groups]
                grounds = [group for group in known if group]
                first, *others = grounds or [set[str]()]
                fact = await memory.remember(
                    f"fact {number}", principal=ALICE, source="user", reason="law", derived_from=sorted(first)
                )
                for group in others:
                    await memory.support(fact.fact_id, sorted(group), principal=ALICE)
                ids.append(fact.fact_id)
                sets[f"fact:{fact.fact_id}"] = grounds
            gone = {f"fact:{ids[n]}" for n in retracted if n < len(ids)}
            for one in gone:
                await memory.retract(one.removeprefix("fact:"), principal=ALICE, reason="wrong")
            wiki.there -= {DOCUMENTS[int(one[1])] for one in deleted}
            there = {f"document:{one}" for one in wiki.there}
            found = {f"fact:{f.fact_id}" for f in await memory.recall(principal=ALICE, limit=99)}
            assert found == by_force(sets, gone, there)

    asyncio.run(law())
