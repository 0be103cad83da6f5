"""What a selector means, and so what a hold keeps: the laws."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory import Selector
from pilotman.memory.forgetting.hold import Hold, Thing, selects

NOW = datetime(2026, 1, 2, tzinfo=UTC)
names = st.sampled_from(["a", "b", "ab"])
maybe = st.none() | names
sources = st.sampled_from(["wiki", "wiki/a", "wiki/ab", "wiki2", "document:wiki/a@v1", "run:a", "user"])
times = st.sampled_from([NOW + timedelta(days=n) for n in range(3)])
things = st.builds(
    Thing, user=maybe, run_id=maybe, fact_id=maybe, sources=st.frozensets(sources, max_size=3), at=times
)
selectors = st.builds(
    Selector, user=maybe, run_id=maybe, fact_id=maybe, source=st.none() | sources, before=st.none() | times
)
FIELDS = ("user", "run_id", "fact_id", "source", "before")


@given(things)
def test_an_empty_selector_means_nothing(thing: Thing) -> None:
    assert not selects(Selector(), thing)


@given(selectors, things)
def test_a_selector_means_what_each_of_its_parts_means(selector: Selector, thing: Thing) -> None:
    parts = [name for name in FIELDS if getattr(selector, name) is not None]
    each = [selects(Selector(**{name: getattr(selector, name)}), thing) for name in parts]
    assert selects(selector, thing) == (bool(parts) and all(each))


@given(selectors, things, st.sampled_from(FIELDS))
def test_who_names_more_means_less(selector: Selector, thing: Thing, name: str) -> None:
    fewer = replace(selector, **{name: None})
    if selects(selector, thing) and not fewer.is_empty:
        assert selects(fewer, thing)


@given(things, st.frozensets(sources, max_size=2))
def test_a_source_means_what_is_in_it_and_nothing_that_only_begins_so(
    thing: Thing, more: frozenset[str]
) -> None:
    assert selects(Selector(source="wiki"), replace(thing, sources=more | {"document:wiki/a@v1"}))
    assert selects(Selector(source="wiki/a"), replace(thing, sources=frozenset({"document:wiki/a@v1"})))
    assert not selects(Selector(source="wiki"), replace(thing, sources=frozenset({"wiki2", "user"})))
    assert not selects(Selector(source="wiki/a"), replace(thing, sources=frozenset({"wiki/ab"})))


@given(selectors, things)
def test_a_hold_covers_what_it_selects_until_it_is_released(selector: Selector, thing: Thing) -> None:
    hold = Hold(hold_id="h", tenant="t", what=selector, reason="court", placed_by="olga", placed_at=NOW)
    assert hold.covers(thing) == selects(selector, thing)
    assert not replace(hold, released_by="olga", released_at=NOW).covers(thing)
