"""The same value has the same digest however it was written down; another value has another one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.digest import canonical, digest, short_id

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return [shuffled(item) for item in value] if isinstance(value, list) else value  # pyright: ignore[reportUnknownVariableType]


@given(values)
def test_the_order_of_keys_does_not_matter(value: Any) -> None:
    assert digest(shuffled(value)) == digest(value)


@given(values)
def test_a_value_that_went_through_json_has_the_same_digest(value: Any) -> None:
    assert digest(orjson.loads(orjson.dumps(value))) == digest(value)
    assert digest(orjson.loads(canonical(value))) == digest(value)


@given(values, values)
def test_other_values_have_other_digests(one: Any, two: Any) -> None:
    assert (digest(one) == digest(two)) == (canonical(one) == canonical(two))


@pytest.mark.parametrize(
    ("one", "two"),
    [({"a": 1}, {"a": "1"}), ([1, 2], [2, 1]), ({"a": None}, {}), ("a", ["a"]), (1, True), ("é", "e\u0301")],
)
def test_what_looks_alike_is_not_the_same(one: Any, two: Any) -> None:
    assert digest(one) != digest(two)


@pytest.mark.parametrize("value", [object(), {"x": {1, 2}}, "\ud800", 2**70])
def test_what_json_cannot_hold_has_no_digest(value: Any) -> None:
    with pytest.raises(TypeError):
        digest(value)


def test_identifiers_are_short_stable_and_keep_their_parts_apart() -> None:
    assert short_id("apr", "a", "b") == short_id("apr", "a", "b")
    assert short_id("apr", "ab") != short_id("apr", "a", "b")
    assert short_id("apr", "a").startswith("apr_")
    assert len(short_id("apr", "a")) == 24
