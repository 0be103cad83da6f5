"""A budget is written down with a run and read back the same, also by a later release."""

from __future__ import annotations

from hypothesis import given
from tests.guardrails.test_budget import budgets

from pilotman.guardrails import Budget
from pilotman.memory.storage.codec import dump, load
from pilotman.supervisor.versions import budget_from, budget_to


@given(budgets)
def test_a_budget_comes_back_as_it_was_written(budget: Budget) -> None:
    assert budget_from(load(dump(budget_to(budget)))) == budget


def test_a_budget_of_an_older_release_is_read() -> None:
    old = budget_to(Budget())
    for name in ("tool_retry", "breaker"):
        del old[name]
    for name in ("budget_share", "budget_per_second"):
        del old["retry"][name]
    assert budget_from(old) == Budget()
