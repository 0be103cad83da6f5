from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.config import SMALLEST_TRAINING, IndexConfig


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"metric": "euclid"}, "metric='euclid'"),
        ({"refine": "flat"}, "refine='flat'"),
        ({"exact_below": 0}, "exact_below=0"),
        ({"nlist": -4}, "nlist=-4"),
        ({"nprobe": 1.5}, "nprobe=1.5"),
        ({"nprobe": True}, "nprobe=True"),
        ({"threads": 0}, "threads=0"),
        ({"k_factor": 0.5}, "k_factor=0.5"),
        ({"k_factor": float("nan")}, "k_factor=nan"),
        ({"pq": "PQ12"}, "pq='PQ12'"),
    ],
)
def test_a_value_that_cannot_work_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        IndexConfig(**wrong)
    assert named in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize(("dimensions", "parts"), [(384, 192), (768, 384), (64, 32), (63, 63), (1, 1)])
def test_two_dimensions_share_a_part_where_they_can(dimensions: int, parts: int) -> None:
    assert IndexConfig().parts(dimensions) == parts


def test_parts_that_do_not_divide_the_dimensions_are_refused() -> None:
    assert IndexConfig(pq="PQ96x4fs").parts(384) == 96
    with pytest.raises(ConfigurationError, match="PQ100x4fs"):
        IndexConfig(pq="PQ100x4fs").parts(384)


@given(rows=st.integers(0, 20_000_000), nlist=st.none() | st.integers(1, 70_000))
def test_clusters_can_always_be_trained(rows: int, nlist: int | None) -> None:
    clusters = IndexConfig(nlist=nlist).clusters(rows)
    assert clusters >= 1
    assert clusters == 1 or clusters * SMALLEST_TRAINING <= rows


def test_a_million_rows_have_the_clusters_that_were_measured() -> None:
    assert IndexConfig().clusters(1_000_000) == 4096
    assert IndexConfig(nlist=1000).clusters(1_000_000) == 1000
