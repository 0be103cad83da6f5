"""Settled + reserved never passes a limit, in any wallet of any tree, in whatever order things happen."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from pilotman.guardrails import Budget
from pilotman.guardrails.errors import BudgetExceeded
from pilotman.guardrails.purse import NANO, Purse, Reservation, Spend, Wallet, limits

amounts = st.builds(
    Spend,
    steps=st.integers(0, 3),
    tool_calls=st.integers(0, 3),
    input_tokens=st.integers(0, 400),
    output_tokens=st.integers(0, 400),
    cost_nusd=st.integers(0, NANO),
)
budgets = st.builds(
    Budget,
    max_steps=st.integers(1, 8),
    max_tool_calls=st.integers(1, 8),
    max_input_tokens=st.integers(1, 1_000),
    max_output_tokens=st.integers(1, 1_000),
    max_cost_usd=st.none() | st.floats(0.01, 3.0),
)


def fits(small: Spend, large: Spend) -> bool:
    return all(getattr(small, f.name) <= getattr(large, f.name) for f in fields(Spend))


class Tree(RuleBasedStateMachine):
    """A run's wallets: agents are nested, calls reserve, end, fail and are forgotten in any order."""

    wallets = Bundle[Wallet]("wallets")
    reservations = Bundle[Reservation]("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Wallet] = []
        self.used: dict[Wallet, list[Spend]] = {}

    @rule(target=wallets, budget=budgets)
    def root(self, budget: Budget) -> Wallet:
        return self.known(Wallet(budget))

    @rule(target=wallets, parent=wallets, budget=budgets)
    def nest(self, parent: Wallet, budget: Budget) -> Wallet:
        return self.known(Wallet(budget, parent=parent))

    def known(self, wallet: Wallet) -> Wallet:
        self.all.append(wallet)
        self.used[wallet] = []
        return wallet

    @rule(target=reservations, wallet=wallets, spend=amounts)
    def reserve(self, wallet: Wallet, spend: Spend) -> Reservation:
        before, left = [w.purse for w in self.all], wallet.left()
        if fits(spend, left):
            return wallet.reserve(spend)
        with pytest.raises(BudgetExceeded) as refused:
            wallet.reserve(spend)
        assert [w.purse for w in self.all] == before, "a refused call sets nothing aside anywhere"
        assert refused.value.limit in {f.name for f in fields(Budget)}
        return Reservation(wallet, "never made", Spend())

    @rule(reservation=reservations, actual=amounts)
    def settle(self, reservation: Reservation, actual: Spend) -> None:
        reservation.settle(actual)

    @rule(reservation=reservations)
    def release(self, reservation: Reservation) -> None:
        before = {w: w.purse.settled for w in self.all}
        reservation.release()
        assert {w: w.purse.settled for w in self.all} == before

    @invariant()
    def no_wallet_ever_passes_a_limit(self) -> None:
        for wallet in self.all:
            assert fits(wallet.purse.committed, limits(wallet.budget))
            assert fits(Spend(), wallet.purse.left)
            assert fits(Spend(), wallet.purse.settled)

    @invariant()
    def what_a_child_holds_its_parents_hold_too(self) -> None:
        for wallet in self.all:
            held = wallet.purse.reserved.items()
            assert all(held <= above.purse.reserved.items() for above in wallet.chain)


TestTree = Tree.TestCase
TestTree.settings = settings(max_examples=40, deadline=None)


@given(amounts, amounts, amounts)
def test_amounts_add_up(a: Spend, b: Spend, c: Spend) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + b - b == a
    assert fits(a.capped(b), a)
    assert fits(a.capped(b), b)


@given(amounts, amounts)
def test_nothing_that_was_used_is_lost(reserved: Spend, actual: Spend) -> None:
    purse = Purse(limit=limits(Budget())).reserve("a", reserved).settle("a", actual)
    assert purse.settled + purse.overrun == actual
    assert purse.reserved == {}


def test_what_a_provider_counts_beyond_the_limit_is_an_overrun() -> None:
    wallet = Wallet(Budget(max_output_tokens=100))
    wallet.reserve(Spend(output_tokens=100)).settle(Spend(output_tokens=130))
    assert wallet.purse.settled.output_tokens == 100
    assert wallet.purse.overrun.output_tokens == 30
    with pytest.raises(BudgetExceeded):
        wallet.reserve(Spend(output_tokens=1))


def test_a_nested_purse_only_narrows_and_is_paid_from_the_outer_one() -> None:
    outer = Wallet(Budget(max_steps=5))
    inner = Wallet(Budget(max_steps=50, max_tool_calls=2), parent=outer)
    assert (inner.budget.max_steps, inner.budget.max_tool_calls) == (5, 2)
    inner.reserve(Spend(steps=3)).settle(Spend(steps=3))
    assert (outer.left().steps, inner.left().steps) == (2, 2)
    outer.reserve(Spend(steps=2))
    with pytest.raises(BudgetExceeded):
        inner.reserve(Spend(steps=1))


def test_settling_twice_books_once() -> None:
    wallet = Wallet(Budget())
    reservation = wallet.reserve(Spend(steps=1))
    reservation.settle(Spend(steps=1))
    reservation.settle(Spend(steps=1))
    reservation.release()
    assert wallet.purse.settled == Spend(steps=1)


@pytest.mark.parametrize(
    ("spend", "limit"),
    [
        (Spend(steps=41), "max_steps"),
        (Spend(tool_calls=31), "max_tool_calls"),
        (Spend(input_tokens=200_001), "max_input_tokens"),
        (Spend(output_tokens=20_001), "max_output_tokens"),
        (Spend(cost_nusd=NANO + 1), "max_cost_usd"),
    ],
)
def test_the_refusal_names_the_limit_by_its_field(spend: Spend, limit: str) -> None:
    with pytest.raises(BudgetExceeded) as refused:
        Wallet(Budget(max_cost_usd=1.0)).reserve(spend)
    assert refused.value.limit == limit
    assert hasattr(Budget(), limit)


def test_many_small_costs_are_exact() -> None:
    wallet = Wallet(Budget(max_steps=10_000, max_cost_usd=1.0))
    tenth = Spend(cost_nusd=NANO // 10)
    for _ in range(10):
        wallet.reserve(tenth).settle(tenth)
    assert wallet.left().cost_nusd == 0
    with pytest.raises(BudgetExceeded):
        wallet.reserve(tenth)


def test_no_cost_limit_is_none() -> None:
    assert Wallet(Budget()).reserve(Spend(cost_nusd=10**6 * NANO)).spend.cost_nusd == 10**15


def test_what_a_run_spent_before_a_crash_counts() -> None:
    wallet = Wallet(Budget(max_steps=3), settled=Spend(steps=2))
    wallet.reserve(Spend(steps=1))
    with pytest.raises(BudgetExceeded):
        wallet.reserve(Spend(steps=1))
    assert replace(wallet.purse, reserved={}).committed == Spend(steps=2)
