"""The account by which all are judged."""

from __future__ import annotations

import numpy as np
import pytest

from pilotman.guardrails.principal import Principal
from pilotman.retrieval.governance.space import Hit, Space, nearest
from pilotman.retrieval.governance.truth import Change, Truth

ALICE = Principal(tenant="acme", user="alice")
BOB = Principal(tenant="acme", user="bob")
EVE = Principal(tenant="other", user="eve")


@pytest.fixture
def truth() -> Truth:
    space = Space(passages=6, topics=2, dimensions=8, seed=3)
    return Truth(space, [frozenset({"user:acme/alice"})] * 6, np.zeros(6, dtype=np.bool_))


def hit(passage: int, revision: int = 1) -> Hit:
    return Hit(passage=passage, revision=revision)


def test_what_is_right_has_no_fault(truth: Truth) -> None:
    assert truth.faults(hit(0), ALICE, 9) == {}


def test_what_never_was_right_has_no_age(truth: Truth) -> None:
    assert truth.faults(hit(0), BOB, 9) == {"forbidden": None}
    assert truth.faults(hit(0), EVE, 9) == {"cross-tenant": None}


def test_ages_are_counted_from_the_change_that_made_it_wrong(truth: Truth) -> None:
    truth.apply(Change(kind="update", passages=(0, 1), told=True), 2)
    truth.apply(Change(kind="update", passages=(0,), told=True), 5)
    truth.apply(Change(kind="delete", passages=(1,), told=True), 6)
    truth.apply(Change(kind="permit", passages=(2,), told=True, readers=frozenset({"tenant:other"})), 7)
    assert truth.faults(hit(0, 1), ALICE, 9) == {"outdated": 7}
    assert truth.faults(hit(0, 2), ALICE, 9) == {"outdated": 4}
    assert truth.faults(hit(0, 3), ALICE, 9) == {}
    assert truth.faults(hit(1, 2), ALICE, 9) == {"phantom": 3}
    assert truth.faults(hit(2), ALICE, 9) == {"cross-tenant": 2}
    assert truth.faults(hit(2), EVE, 9) == {}


def test_the_nearest_that_may_be_read_are_expected(truth: Truth) -> None:
    query = truth.space.query(1, hit(4))
    everything = truth.expected(query, ALICE, 6)
    assert sorted(everything) == list(range(6))
    scores = [float(truth.vectors[one] @ truth.space.embedded(query)) for one in everything]
    assert scores == sorted(scores, reverse=True)
    truth.apply(Change(kind="delete", passages=(everything[0],), told=True), 1)
    truth.leaving = frozenset({everything[1]})
    assert truth.expected(query, ALICE, 2) == everything[2:4]
    assert truth.expected(query, BOB, 2) == []


def test_a_text_lies_where_its_passage_lies(truth: Truth) -> None:
    space = truth.space
    for revision in (1, 2):
        assert np.array_equal(space.embedded(space.text(3, revision)), space.vector(3, revision))
        assert Hit.of(space.text(3, revision)) == hit(3, revision)
    assert not np.allclose(space.vector(3, 1), space.vector(3, 2))
    assert np.linalg.norm(space.embedded("anything else")) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("share", [0.1, 0.9])
def test_nearest_looks_only_at_what_is_marked(share: float) -> None:
    chance = np.random.default_rng(0)
    vectors = chance.standard_normal((200, 4)).astype(np.float32)
    marked = chance.random(200) < share
    found = nearest(vectors, vectors[0], 7, marked)
    order = np.argsort(-(vectors @ vectors[0]))
    assert found == [int(row) for row in order if marked[row]][:7]
