from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotman.retrieval.vectors.plan import planned

MILLION = {"held": 1_000_000, "nlist": 4096, "nprobe": 64}


def anywhere(allowed: int) -> int:
    return planned(allowed=allowed, among=1_000_000, clusters=4096, **MILLION)


def test_few_rows_are_looked_at_one_by_one() -> None:
    assert anywhere(1_000) == 0
    assert anywhere(0) == 0


def test_without_a_filter_the_setting_holds() -> None:
    assert anywhere(1_000_000) == 64


@given(few=st.integers(1, 1_000_000), more=st.integers(1, 1_000_000))
def test_the_fewer_are_allowed_the_more_clusters_are_probed_until_a_scan_is_cheaper(
    few: int, more: int
) -> None:
    few, more = sorted((few, more))
    if anywhere(few):
        assert anywhere(few) >= anywhere(more) >= 64


@given(clusters=st.integers(1, 4096), share=st.floats(0.01, 1))
def test_no_more_clusters_are_probed_than_hold_an_allowed_row(clusters: int, share: float) -> None:
    among = clusters * 244
    plan = planned(allowed=max(1, int(among * share)), among=among, clusters=clusters, **MILLION)
    assert plan <= clusters
