"""How answers are counted."""

from __future__ import annotations

import numpy as np
import pytest

from pilotman.guardrails import Principal
from pilotman.retrieval.governance.copied import Copied
from pilotman.retrieval.governance.experiment import Tally
from pilotman.retrieval.governance.script import Query
from pilotman.retrieval.governance.space import Hit, Space
from pilotman.retrieval.governance.truth import Change, Truth

ALICE = Principal(tenant="acme", user="alice")


@pytest.fixture
def truth() -> Truth:
    """Passages of everybody; of the last two nobody tells a change."""
    space = Space(passages=6, topics=2, dimensions=8, seed=3)
    return Truth(space, [frozenset({"*"})] * 6, np.arange(6) >= 4)


@pytest.fixture
def tally(truth: Truth) -> Tally:
    return Tally(Copied("ungoverned", truth, every=None, filter="none"))


def hits(*passages: int) -> list[Hit]:
    return [Hit(passage=passage, revision=1) for passage in passages]


def judged(tally: Tally, truth: Truth, *answers: list[Hit], expected: list[int]) -> None:
    tally.judge(answers, Query(text="", principal=ALICE), expected=expected, truth=truth, now=9)


def test_told_and_untold_are_told_apart(tally: Tally, truth: Truth) -> None:
    truth.apply(Change(kind="delete", passages=(0, 4), told=True), 4)
    judged(tally, truth, hits(0, 1), hits(4), expected=[1, 2])
    row = tally.row()
    assert (row.told.phantoms, row.untold.phantoms) == (1, 1)
    assert (row.told.ages, row.untold.ages) == ((5,), (5,))
    assert (row.queries, row.served, row.expected, row.withheld, row.short) == (1, 3, 2, 1, 0)


def test_an_old_revision_withholds_the_new_one(tally: Tally, truth: Truth) -> None:
    truth.apply(Change(kind="update", passages=(1,), told=True), 4)
    judged(tally, truth, hits(1), expected=[1])
    assert (tally.row().told.outdated, tally.row().withheld) == (1, 1)


def test_what_is_being_deleted_counts_once_its_deletion_has_returned(tally: Tally, truth: Truth) -> None:
    truth.leaving = frozenset({0, 1})
    judged(tally, truth, hits(0, 1, 2), expected=[2, 3, 5])
    tally.raced([hits(0, 1, 2)], gone=frozenset({1}))
    row = tally.row()
    assert (row.told.phantoms, row.expected, row.withheld, row.short) == (1, 1, 0, 0)


def test_fewer_results_than_there_are_is_short(tally: Tally, truth: Truth) -> None:
    judged(tally, truth, hits(2), expected=[2, 3])
    assert (tally.row().short, tally.row().over_blocking) == (1, 0.5)
