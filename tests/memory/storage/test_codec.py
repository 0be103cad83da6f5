from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.memory.storage.codec import dump, encode, load, micros, moment, text

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=10,
)


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_come_back_exactly(when: datetime) -> None:
    assert moment(micros(when)) == when


def test_any_zone_is_stored_as_utc_and_none_is_refused() -> None:
    east = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    assert moment(micros(east)) == east
    assert moment(micros(east)).utcoffset() == timedelta(0)
    with pytest.raises(TypeError):
        micros(datetime(2026, 1, 1))


@given(JSON)
def test_structures_come_back(value: Any) -> None:
    assert load(dump(value)) == value


@given(st.text())
def test_any_text_can_be_stored(value: str) -> None:
    stored = text(value)
    stored.encode()
    assert "\x00" not in stored
    assert len(stored) == len(value)
    load(dump({value: [value]}))


def test_lone_surrogates_and_nul_are_replaced_the_rest_stays() -> None:
    assert text("a\ud800b\x00ü😀") == "a\ufffdb\ufffdü😀"
    assert load(dump(["\udc00x", "ü😀"])) == ["\ufffdx", "ü😀"]


def test_mappings_and_sets_are_plain_json() -> None:
    assert load(dump(MappingProxyType({"a": frozenset({2, 1})}))) == {"a": [1, 2]}
    assert encode(("x", 1)) == '["x",1]'
    with pytest.raises(TypeError, match="object"):
        dump({"x": object()})
