from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails.errors import ConfigurationError
from pilotman.retrieval.objective import FEWEST, Aspect, Check, Ledger, Objective, Setting, percentile

WANTED = Objective(recall=0.9, p95_ms=10, window=100)
FIRST: Setting = (1, 4, 4.0)
SECOND: Setting = (2, 4, 4.0)
RECALL: Aspect = ("recall", "")
LATENCY: Aspect = ("latency", "")


def after(
    shares: Iterable[float], ledger: Ledger | None = None, *, setting: Setting = FIRST, of: str = "tenant:a"
) -> Ledger:
    ledger = ledger or Ledger()
    for share in shares:
        ledger = ledger.after(Check(of=of, recall=share, milliseconds=1), setting, WANTED)
    return ledger


@pytest.mark.parametrize(
    "wrong",
    [
        {"recall": 0},
        {"recall": 1.01},
        {"recall": float("nan")},
        {"share": 0},
        {"share": 2},
        {"k": 0},
        {"k": True},
        {"window": 19},
        {"p95_ms": 0},
        {"p95_ms": float("inf")},
    ],
)
def test_an_objective_that_cannot_be_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Objective(**wrong)


def test_few_checks_and_bad_luck_are_no_miss() -> None:
    assert not after([0.0] * (FEWEST - 1)).fallen
    assert not after([1.0] * 15 + [0.5] * 5).fallen  # mean .875, spread .22
    assert after([0.5] * FEWEST).fallen == {RECALL, ("recall", "tenant:a")}


@given(st.lists(st.floats(0.9, 1), max_size=150))
def test_recall_that_reaches_the_objective_never_misses_it(shares: list[float]) -> None:
    ledger = Ledger()
    for share in shares:
        ledger = after([share], ledger)
        assert not ledger.fallen
        assert not ledger.asks(WANTED)


def test_an_index_that_is_just_good_enough_raises_no_alarm_in_a_long_time() -> None:
    luck = random.Random(7)
    ledger = Ledger()
    for _ in range(5_000):
        check = Check(of="", recall=luck.choice([0.8, 1.0]), milliseconds=11 if luck.random() < 0.05 else 1)
        ledger = ledger.after(check, FIRST, WANTED)
        assert not ledger.fallen


def test_a_class_that_the_mean_hides_is_named() -> None:
    ledger = Ledger()
    for number in range(300):
        small = number % 10 == 0
        share, of = (0.3, "tenant:small") if small else (1.0, "tenant:large")
        ledger = ledger.after(Check(of=of, recall=share, milliseconds=1), FIRST, WANTED)
    assert ledger.fallen == {("recall", "tenant:small")}
    assert ledger.measured(("recall", "tenant:small")) == pytest.approx(0.3)
    assert ledger.measured(RECALL) > 0.9


def test_classes_are_bounded() -> None:
    ledger = Ledger()
    for number in range(1_003):
        ledger = after([1.0], ledger, of=f"tenant:{number}")
    assert len(ledger.classes) == 1_000
    assert "tenant:2" not in ledger.classes


def test_latency_is_missed_when_more_than_a_twentieth_is_too_slow_for_chance() -> None:
    ledger = Ledger()
    for number in range(100):
        took = 20 if number % 4 == 0 else 1
        ledger = ledger.after(Check(of="", recall=1, milliseconds=took), FIRST, WANTED)
    assert ledger.fallen == {LATENCY}
    assert ledger.measured(LATENCY) == 20
    for _ in range(100):
        ledger = ledger.after(Check(of="", recall=1, milliseconds=1), FIRST, WANTED)
    assert not ledger.fallen
    careless = Objective(p95_ms=None)
    slow = Ledger()
    for _ in range(50):
        slow = slow.after(Check(of="", recall=1, milliseconds=1e6), FIRST, careless)
    assert not slow.fallen


def test_checks_of_another_setting_do_not_count_and_a_miss_stays_until_it_is_seen_to_be_over() -> None:
    ledger = after([0.5] * 30)
    later = after([1.0] * (FEWEST - 1), ledger, setting=SECOND)
    assert later.fallen == ledger.fallen
    assert not later.below
    assert len(later.checks) == FEWEST - 1
    assert not after([1.0], later, setting=SECOND).fallen


def test_clusters_of_other_rows_are_learnt_anew_and_else_more_is_looked_at() -> None:
    ledger = after([0.5] * 30)
    assert ledger.asks(WANTED)
    assert ledger.remedy(trained=True, grown=True) == "retrain"
    assert ledger.remedy(trained=True, grown=False) == "tune"
    assert ledger.remedy(trained=False, grown=True) == "none"
    slow = Ledger()
    for _ in range(30):
        slow = slow.after(Check(of="", recall=1, milliseconds=20), FIRST, WANTED)
    assert slow.remedy(trained=True, grown=True) == "retrain"
    assert slow.remedy(trained=True, grown=False) == "none"


def test_each_remedy_is_tried_once_and_only_when_the_last_can_be_judged() -> None:
    ledger = after([0.5] * 30).having("retrain")
    assert not after([0.5] * 30, ledger).asks(WANTED)  # not done yet
    ledger = after([0.5] * 30, ledger, setting=SECOND)
    assert ledger.asks(WANTED)
    assert ledger.remedy(trained=True, grown=True) == "tune"
    ledger = ledger.having("tune")
    assert not ledger.asks(WANTED)
    ledger = after([0.5] * WANTED.window, ledger, setting=SECOND)  # the tuner changed nothing
    assert ledger.remedy(trained=True, grown=True) == "none"
    ledger = after([0.5] * 500, ledger.having("none"), setting=SECOND)
    assert not ledger.asks(WANTED)
    ledger = after([1.0] * 100, ledger, setting=SECOND)
    assert not ledger.fallen
    assert after([0.5] * 90, ledger, setting=SECOND).remedy(trained=True, grown=True) == "retrain"


def test_what_is_known_to_miss_need_not_miss_so_surely_for_the_next_remedy() -> None:
    doubtful = [1.0, 0.6] * 10
    assert not after(doubtful, setting=SECOND).below
    assert after(doubtful, after([0.5] * 30).having("retrain"), setting=SECOND).asks(WANTED)


def test_what_could_not_begin_yet_is_asked_for_again() -> None:
    ledger = after([0.5] * 30).having("wait")
    assert ledger.asks(WANTED)
    assert ledger.remedy(trained=True, grown=True) == "retrain"


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_no_more_than_a_twentieth_is_above_the_percentile(values: list[float]) -> None:
    found = percentile(values)
    assert found in values
    assert sum(value > found for value in values) <= len(values) / 20
