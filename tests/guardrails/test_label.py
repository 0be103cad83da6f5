"""The join of labels is one: in any order and grouping the same, never more trusted, never less secret."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Label
from pilotman.guardrails.label import Author, Sensitivity

labels = st.builds(
    Label,
    author=st.sampled_from(get_args(Author)),
    trusted=st.booleans(),
    tenant=st.just("acme"),
    sensitivity=st.sampled_from(get_args(Sensitivity)),
    sources=st.frozensets(st.sampled_from("abc")),
)
SECRECY = ("public", "internal", "secret")


@given(labels, labels, labels)
def test_the_join_is_a_join(a: Label, b: Label, c: Label) -> None:
    assert Label.join([a]) == a
    assert Label.join([a, a]) == a
    assert Label.join([a, b]) == Label.join([b, a])
    assert Label.join([Label.join([a, b]), c]) == Label.join([a, Label.join([b, c])]) == Label.join([a, b, c])


@given(st.lists(labels, min_size=1))
def test_nothing_is_washed_off(parts: list[Label]) -> None:
    whole = Label.join(parts)
    assert whole.trusted == all(part.trusted for part in parts)
    assert all(SECRECY.index(whole.sensitivity) >= SECRECY.index(part.sensitivity) for part in parts)
    assert all(whole.sources >= part.sources for part in parts)
    if any(part.author == "third_party" for part in parts):
        assert whole.author == "third_party"


def test_values_of_two_tenants_never_meet() -> None:
    one, two = (Label(author="user", trusted=True, tenant=tenant) for tenant in ("acme", "other"))
    with pytest.raises(ValueError, match="different tenants"):
        Label.join([one, two])
    with pytest.raises(ValueError, match="nothing to join"):
        Label.join([])
