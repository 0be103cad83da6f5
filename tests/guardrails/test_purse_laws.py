"""In any tree of nested purses, whatever is reserved and settled in whatever order, no limit breaks."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from pilotman.guardrails import Budget
from pilotman.guardrails.errors import BudgetExceeded
from pilotman.guardrails.purse import Reservation, Spend, Wallet

SMALL = st.integers(min_value=0, max_value=8)
SPENDS = st.builds(
    Spend, steps=SMALL, tool_calls=SMALL, input_tokens=SMALL, output_tokens=SMALL, cost_nusd=SMALL
)
LIMITS = st.integers(min_value=1, max_value=30)
BUDGETS = st.builds(
    Budget,
    max_steps=LIMITS,
    max_tool_calls=LIMITS,
    max_input_tokens=LIMITS,
    max_output_tokens=LIMITS,
    max_cost_usd=LIMITS.map(lambda n: n / 1e9),
)


class Tree(RuleBasedStateMachine):
    """Agents come, nest, call, retry and fail in any order; two of one purse may be at it at once."""

    wallets = Bundle[Wallet]("wallets")
    reservations = Bundle[tuple[Wallet, Reservation]]("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Wallet] = []
        self.used: dict[int, Spend] = {}

    @initialize(target=wallets, budget=BUDGETS)
    def root(self, budget: Budget) -> Wallet:
        return self._known(Wallet(budget))

    @rule(target=wallets, parent=wallets, budget=BUDGETS)
    def nest(self, parent: Wallet, budget: Budget) -> Wallet:
        return self._known(Wallet(budget, parent=parent))

    def _known(self, wallet: Wallet) -> Wallet:
        self.all.append(wallet)
        return wallet

    @rule(target=reservations, wallet=wallets, spend=SPENDS)
    def reserve(self, wallet: Wallet, spend: Spend) -> Any:
        before = [w.purse for w in wallet.chain]
        try:
            return wallet, wallet.reserve(spend)
        except BudgetExceeded:
            assert [w.purse for w in wallet.chain] == before, "nothing is set aside anywhere"
            assert not spend.fits(wallet.left())
            return multiple()  # pyright: ignore[reportUnknownVariableType]

    @rule(held=consumes(reservations), actual=SPENDS, again=st.booleans())
    def settle(self, held: tuple[Wallet, Reservation], actual: Spend, again: bool) -> None:
        wallet, reservation = held
        for _ in range(2 if again else 1):  # settling twice counts once
            reservation.settle(actual)
        for one in wallet.chain:
            self.used[id(one)] = self.used.get(id(one), Spend()) + actual

    @rule(held=consumes(reservations))
    def release(self, held: tuple[Wallet, Reservation]) -> None:
        held[1].release()

    @invariant()
    def no_limit_is_broken(self) -> None:
        for wallet in self.all:
            assert wallet.purse.committed.fits(wallet.purse.limit)

    @invariant()
    def nothing_that_was_used_is_lost(self) -> None:
        for wallet in self.all:
            assert wallet.purse.settled + wallet.purse.overrun == self.used.get(id(wallet), Spend())


TestTree = Tree.TestCase
