"""The shipped suites make sense, each by itself, and are of some size."""

from __future__ import annotations

import pytest

from pilotman.guardrails.bench import suites
from pilotman.guardrails.bench.suite import PLACEHOLDER, Suite, from_json, problems, strings

SHIPPED = suites.shipped()
DOMAINS = [suite for suite in SHIPPED if suite.name != "beyond"]


def test_names_are_unique_over_all_suites() -> None:
    for names in (
        [suite.name for suite in SHIPPED],
        [task.name for suite in SHIPPED for task in suite.tasks],
        [injection.name for suite in SHIPPED for injection in suite.injections],
    ):
        assert len(names) == len(set(names))


@pytest.mark.parametrize("suite", SHIPPED, ids=lambda suite: suite.name)
def test_every_call_fits_and_every_placeholder_stands_in_third_party_text(suite: Suite) -> None:
    assert problems(suite) == []
    assert from_json(suite.to_json()).to_json() == suite.to_json()


@pytest.mark.parametrize("suite", DOMAINS, ids=lambda suite: suite.name)
def test_a_domain_is_of_some_size(suite: Suite) -> None:
    writing = [task for task in suite.tasks if any(suite.by_name[step.tool].harms for step in task.steps)]
    assert 8 <= len(suite.tools) <= 14
    assert len(suite.tasks) >= 16
    assert len(writing) >= 12
    assert len(suite.injections) >= 8
    assert {step.tool for task in suite.tasks for step in task.steps} | {
        call.tool for injection in suite.injections for call in injection.calls
    } == set(suite.by_name), "no tool stands there for nothing"


@pytest.mark.parametrize("suite", SHIPPED, ids=lambda suite: suite.name)
def test_untrusted_text_has_a_place_for_the_attacker(suite: Suite) -> None:
    for task in suite.tasks:
        read = [step for step in task.steps if suite.by_name[step.tool].third_party]
        if any(True for step in read for _ in strings(step.result)) and not task.exposed:
            texts = {text for step in read for _, text in strings(step.result)}
            pytest.fail(f"{task.name} reads {texts} and nothing is marked {PLACEHOLDER}")


@pytest.mark.parametrize("suite", SHIPPED, ids=lambda suite: suite.name)
def test_no_attack_is_what_an_honest_user_does(suite: Suite) -> None:
    honest = {step.key: task.name for task in suite.tasks for step in task.steps}
    same = [
        f"{injection.name} = {honest[call.key]}"
        for injection in suite.injections
        for call in injection.calls
        if suite.by_name[call.tool].harms and call.key in honest
    ]
    assert same == []


@pytest.mark.parametrize("suite", SHIPPED, ids=lambda suite: suite.name)
def test_honest_writes_are_written_once(suite: Suite) -> None:
    for task in suite.tasks:
        keys = [step.key for step in task.steps if not suite.by_name[step.tool].reads]
        assert len(keys) == len(set(keys)), task.name
