"""What a call takes of a cumulative limit: never less than it is, and never something that gives back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotman.guardrails import Principal
from pilotman.guardrails.cap import UNITS, Cap, Unmeasurable, reservations
from pilotman.guardrails.errors import ConfigurationError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ANN, BEN = Principal(tenant="acme", user="ann"), Principal(tenant="acme", user="ben")


def cap(**changes: Any) -> Cap:
    fields: dict[str, Any] = {"name": "pay", "tools": {"pay"}, "most": 100, "argument": "amount"} | changes
    return Cap(**fields)


@pytest.mark.parametrize(
    ("value", "units"),
    [(3, 30_000), (0.1, 1_000), ("12.50", 125_000), (0.00001, 1), (0, 0)],
)
def test_amounts_are_counted_exactly_or_rounded_up(value: Any, units: int) -> None:
    assert cap().units({"amount": value}) == units


@given(st.integers(0, 10**12) | st.decimals(0, 10**9, allow_nan=False, places=6).map(str))
def test_no_amount_counts_less_than_it_is(value: Any) -> None:
    assert cap().units({"amount": value}) >= Decimal(str(value)) * UNITS


@given(
    st.none()
    | st.booleans()
    | st.floats(max_value=-0.001)
    | st.integers(max_value=-1)
    | st.lists(st.integers())
    | st.sampled_from(["", "many", "NaN", "Infinity", "-1", "1e400", float("nan"), float("inf"), 10**40])
)
def test_what_is_no_amount_or_would_give_back_is_refused(value: Any) -> None:
    with pytest.raises(Unmeasurable):
        cap().units({"amount": value})


def test_a_missing_amount_is_refused_and_a_deeper_one_is_found() -> None:
    with pytest.raises(Unmeasurable):
        cap().units({})
    assert cap(argument="order.total").units({"order": {"total": 2}}) == 20_000


def test_without_an_argument_calls_are_counted() -> None:
    assert cap(argument=None).units({}) == UNITS


@pytest.mark.parametrize(("per", "same"), [("run", False), ("user", False), ("tenant", True)])
def test_whose_calls_are_summed(per: Any, same: bool) -> None:
    one = cap(per=per).holder(run_id="r1", principal=ANN)
    other = cap(per=per).holder(run_id="r2", principal=BEN)
    assert (one == other) is same


def test_no_two_users_share_a_holder() -> None:
    one = cap(per="user").holder(run_id="r", principal=Principal(tenant="a/b", user="c"))
    other = cap(per="user").holder(run_id="r", principal=Principal(tenant="a", user="b/c"))
    assert one != other


def test_only_caps_on_the_tool_are_reserved_and_a_window_looks_back() -> None:
    caps = [cap(window=timedelta(days=1)), cap(name="other", tools={"mail"})]
    (only,) = reservations(caps, "pay", {"amount": 5}, run_id="r", principal=ANN, now=NOW)
    assert (only.cap.name, only.units, only.most) == ("pay", 50_000, 1_000_000)
    assert only.since == NOW - timedelta(days=1)


def test_only_what_a_person_was_told_lets_a_call_go_over() -> None:
    soft = cap(verdict="escalate")
    given_args: dict[str, Any] = {"run_id": "r", "principal": ANN, "now": NOW}
    for endorsed, force in (((soft.reason,), True), (("something else",), False), ((), False)):
        (one,) = reservations([soft], "pay", {"amount": 5}, endorsed=endorsed, **given_args)
        assert one.force is force
    (hard,) = reservations([cap()], "pay", {"amount": 5}, endorsed=(cap().reason,), **given_args)
    assert not hard.force


WRONG: list[dict[str, Any]] = [
    {"tools": "pay"},
    {"tools": frozenset()},
    {"most": -1},
    {"name": ""},
    {"window": timedelta(0)},
    {"per": "x"},
]


@pytest.mark.parametrize("wrong", WRONG)
def test_a_cap_that_cannot_be_kept_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        cap(**wrong)
