from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pilotman.retrieval.sources.schedule import wait

AGES = st.timedeltas(min_value=timedelta(seconds=2), max_value=timedelta(days=30))
JITTER = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(age=AGES, jitter=JITTER)
def test_a_source_is_listed_before_its_objective_is_over_but_not_all_the_time(
    age: timedelta, jitter: float
) -> None:
    assert age * 0.7 <= wait(age, jitter=jitter) < age or wait(age, jitter=jitter) == timedelta(seconds=1)


@given(age=AGES, jitter=JITTER, failures=st.integers(1, 1_000), retry_after=st.floats(0, 1e6))
def test_after_failures_it_waits_longer_each_time_and_heeds_the_origin(
    age: timedelta, jitter: float, failures: int, retry_after: float
) -> None:
    waits = [wait(age, failures=n, jitter=jitter) for n in range(1, 12)]
    assert waits == sorted(waits)
    assert timedelta(seconds=0.5) <= waits[0]
    assert waits[-1] <= min(age, timedelta(minutes=5))
    asked = wait(age, failures=failures, retry_after=retry_after, jitter=jitter)
    assert asked >= timedelta(seconds=retry_after)


def test_an_objective_of_nothing_is_no_busy_loop() -> None:
    assert wait(timedelta(0)) == timedelta(seconds=1)
    assert wait(timedelta(0), failures=9) == timedelta(seconds=1)
