from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import InvalidRequest
from pilotman.retrieval.vectors.allowed import Allowed, cut

ROWS = st.sets(st.integers(0, 300))


@given(rows=ROWS)
def test_rows_and_bits_say_the_same(rows: set[int]) -> None:
    allowed = Allowed.of(sorted(rows))
    assert allowed.rows.tolist() == sorted(rows)
    assert allowed.count == len(rows)
    assert all(allowed.bits[row // 8] >> row % 8 & 1 for row in rows)


@given(rows=ROWS, count=st.integers(0, 400))
def test_a_bitmap_is_cut_and_filled_up_to_the_rows_there_are(rows: set[int], count: int) -> None:
    bits = cut(Allowed.of(sorted(rows)).bits, count)
    assert len(bits) == -(-count // 8)
    assert Allowed(bits).rows.tolist() == sorted(row for row in rows if row < count)


@pytest.mark.parametrize(
    "wrong", [np.zeros(3, dtype=bool), np.zeros((2, 2), dtype=np.uint8), [1, 2], np.zeros(3)]
)
def test_what_is_no_bitmap_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidRequest, match="bitmap"):
        Allowed(wrong)


def test_there_are_no_negative_rows() -> None:
    with pytest.raises(InvalidRequest, match="below 0"):
        Allowed.of([3, -1])
