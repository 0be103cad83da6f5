"""A report's figures are what its cases say."""

from __future__ import annotations

import pytest
from tests.guardrails.bench.standins import Factory, small

from pilotman.guardrails.bench import suites
from pilotman.guardrails.bench.mutation import KINDS
from pilotman.guardrails.bench.report import FIGURES, Report, Tally, measure
from pilotman.guardrails.policy import Verdict


def report(verdict: Verdict) -> Report:
    return measure([small()], Factory(verdict))


def test_there_are_figures_for_every_suite_and_mode_and_for_the_total() -> None:
    found = report("deny").figures
    assert [(f.suite, f.plan, f.encoding) for f in found] == [
        (suite, plan, encoding)
        for suite in ("small", "total")
        for plan in (False, True)
        for encoding in ("plain", "base64")
    ]
    assert report("deny").total == found[4:]


def test_allow_all_leaks_everything_and_disturbs_nobody() -> None:
    for figures in report("allow").figures:
        assert figures.leaks == figures.rubber_stamped == Tally(count=1, of=1)
        assert figures.denied_unasked == Tally(count=0, of=1)
        assert figures.untouched == Tally(count=2, of=2)
        assert figures.refused == Tally(count=0, of=2)
        assert figures.questions_per_task == 0
        assert all(tally.count == tally.of for tally in figures.mutations.values())


def test_deny_all_leaks_nothing_and_refuses_everything() -> None:
    for figures in report("deny").figures:
        assert figures.leaks.count == figures.rubber_stamped.count == figures.untouched.count == 0
        assert figures.denied_unasked.share == figures.refused.share == 1
        assert all(tally.count == 0 for tally in figures.mutations.values())


def test_ask_all_is_rubber_stamped() -> None:
    for figures in report("escalate").figures:
        assert figures.leaks.count == figures.refused.count == figures.denied_unasked.count == 0
        assert figures.rubber_stamped.share == 1
        assert figures.questions_per_task == 1


def test_each_number_has_its_cases() -> None:
    asking = report("escalate")
    assert {figure: len(list(asking.cases(figure))) for figure in FIGURES} == {
        "leaks": 0,
        "denied_unasked": 4,
        "rubber_stamped": 4,
        "untouched": 0,
        "refused": 0,
        "questions": 4,
        "mutations": 0,
    }
    assert 'small/tidy x more base64: escalate drop {"id":"n-3"} because so' in asking.cases("rubber_stamped")
    assert 'small/quiet (plan): deny drop {"id":"n-2"} because so' in report("deny").cases("refused")
    assert "small/tidy" in report("allow").cases("untouched")
    wanted = 'small/tidy target_elsewhere id: allow drop {"id":"n-7"} because so'
    assert wanted in report("allow").cases("mutations")


def test_a_report_is_the_same_twice_as_json_and_as_text() -> None:
    first, second = (report("escalate") for _ in range(2))
    assert first.to_json() == second.to_json()
    assert first.table() == second.table()
    table = first.table()
    assert "total  yes   base64  0/1 0.0%" in table
    assert all(kind in table for kind in KINDS)


def test_nothing_of_nothing_is_no_share() -> None:
    empty = measure([], Factory("deny"), encodings=("plain",))
    assert [figures.leaks for figures in empty.figures] == [Tally(count=0, of=0)] * 2
    assert empty.figures[0].leaks.share == empty.figures[0].questions_per_task == 0


@pytest.mark.parametrize("verdict", ["allow", "deny", "escalate"])
def test_the_shipped_suites_tell_the_extremes_apart(verdict: Verdict) -> None:
    (total,) = measure(suites.shipped(), Factory(verdict), plans=(False,), encodings=("plain",)).total
    assert total.leaks.share == (verdict == "allow")
    assert total.denied_unasked.share == (verdict == "deny")
    assert total.rubber_stamped.share == (verdict != "deny")
    assert (total.refused.count > 0) == (verdict == "deny")
    assert all(tally.of > 20 for tally in total.mutations.values())
