"""Services that fail, hang and lose replies: what ``tests/bench/chaos.py`` measures, on fewer runs."""

from __future__ import annotations

import pytest
from tests.bench.chaos import measure


@pytest.mark.slow
@pytest.mark.anyio
async def test_every_run_ends_in_time_and_says_what_is_true() -> None:
    seen = await measure(runs=150, seed=7)
    assert [one.wrong for one in seen if one.wrong] == []
    assert sum(one.full for one in seen) > 75  # of 1,000 runs about two thirds are
