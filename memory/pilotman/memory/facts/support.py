"""What facts stand on: each on any of its sets of supports, on a set while all that is in it stands. Pure.

The least fixpoint of a justification-based truth maintenance system (Doyle 1979, "A Truth Maintenance
System"): facts that hold up only each other do not stand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Set
from typing import TypeAlias

Supports: TypeAlias = Mapping[str, Collection[frozenset[str]]]
"""The sets of supports of each fact, by its id ``fact:ID``. One without any stands by itself."""


def standing(known: Collection[str], supports: Supports, leaves: Set[str]) -> set[str]:
    """Which of the ``known`` facts stand, given what stands that is no fact. Linear in the supports."""
    stands = set[str]()
    missing: dict[tuple[str, int], int] = {}
    waits: defaultdict[str, list[tuple[str, int]]] = defaultdict(list)
    ready: list[str] = []
    for fact in known:
        sets = supports.get(fact, ())
        if not sets:
            ready.append(fact)
        for number, group in enumerate(sets):
            lacking = group - leaves
            missing[fact, number] = len(lacking)
            if not lacking:
                ready.append(fact)
            for one in lacking:
                waits[one].append((fact, number))
    while ready:
        fact = ready.pop()
        if fact in stands:
            continue
        stands.add(fact)
        for waiting in waits.get(fact, ()):
            missing[waiting] -= 1
            if not missing[waiting]:
                ready.append(waiting[0])
    return stands
