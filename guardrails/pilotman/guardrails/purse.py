"""Reserve, then settle: settled + reserved never passes a limit. Pure; ``Wallet`` is its thin driver."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from pilotman.guardrails.budget import Budget
from pilotman.guardrails.errors import BudgetExceeded

NANO = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Spend:
    """An amount of everything that a budget counts. Cost is integer nano-dollars, so that sums are exact."""

    steps: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nusd: int = 0

    # field by field: ``fields()`` and ``getattr`` make a call's book-keeping several times slower

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            steps=self.steps + other.steps,
            tool_calls=self.tool_calls + other.tool_calls,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cost_nusd=self.cost_nusd + other.cost_nusd,
        )

    def __sub__(self, other: Spend) -> Spend:
        return Spend(
            steps=self.steps - other.steps,
            tool_calls=self.tool_calls - other.tool_calls,
            input_tokens=self.input_tokens - other.input_tokens,
            output_tokens=self.output_tokens - other.output_tokens,
            cost_nusd=self.cost_nusd - other.cost_nusd,
        )

    def fits(self, limit: Spend) -> bool:
        """Whether it is at most ``limit`` of everything."""
        return (
            self.steps <= limit.steps
            and self.tool_calls <= limit.tool_calls
            and self.input_tokens <= limit.input_tokens
            and self.output_tokens <= limit.output_tokens
            and self.cost_nusd <= limit.cost_nusd
        )

    def capped(self, limit: Spend) -> Spend:
        """At most ``limit`` of everything."""
        return Spend(
            steps=min(self.steps, limit.steps),
            tool_calls=min(self.tool_calls, limit.tool_calls),
            input_tokens=min(self.input_tokens, limit.input_tokens),
            output_tokens=min(self.output_tokens, limit.output_tokens),
            cost_nusd=min(self.cost_nusd, limit.cost_nusd),
        )


def limits(budget: Budget) -> Spend:
    """A budget's countable limits as an amount; no cost limit is a very large one."""
    cost = 2**62 if budget.max_cost_usd is None else round(budget.max_cost_usd * NANO)
    return Spend(
        steps=budget.max_steps,
        tool_calls=budget.max_tool_calls,
        input_tokens=budget.max_input_tokens,
        output_tokens=budget.max_output_tokens,
        cost_nusd=cost,
    )


@dataclass(frozen=True, kw_only=True)
class Purse:
    """What was settled and what is reserved under each key."""

    limit: Spend
    settled: Spend = Spend()
    overrun: Spend = Spend()
    reserved: Mapping[str, Spend] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def committed(self) -> Spend:
        """Settled and reserved together: at most ``limit``, always."""
        return sum(self.reserved.values(), self.settled)

    @property
    def left(self) -> Spend:
        return self.limit - self.committed

    def lacks(self, spend: Spend) -> str | None:
        """The first limit that ``spend`` would break, by the name of its field, or None."""
        left = self.left
        if spend.fits(left):
            return None
        names = (item.name for item in fields(spend))
        return next(name for name in names if getattr(spend, name) > getattr(left, name))

    def reserve(self, key: str, spend: Spend) -> Purse:
        """The purse with ``spend`` set aside.

        Raises:
            BudgetExceeded: it does not fit; nothing is set aside.
        """
        lacking = self.lacks(spend)
        if lacking is not None:
            raise BudgetExceeded(
                f"{lacking.replace('_', ' ')}: {getattr(spend, lacking)} more do not fit into the budget",
                limit=f"max_{lacking}".replace("nusd", "usd"),
            )
        reserved = {**self.reserved, key: spend}
        return Purse(limit=self.limit, settled=self.settled, overrun=self.overrun, reserved=reserved)

    def settle(self, key: str, actual: Spend) -> Purse:
        """The purse with the reservation replaced by what was used.

        What was used beyond the reservation is booked as far as the limit goes; the rest is the
        ``overrun``, kept beside it (a provider counted more tokens than could be foreseen).
        """
        others = {k: spend for k, spend in self.reserved.items() if k != key}
        left = self.limit - sum(others.values(), self.settled)
        if actual.fits(left):
            booked, overrun = actual, self.overrun
        else:
            booked = actual.capped(left)
            overrun = self.overrun + (actual - booked)
        return Purse(limit=self.limit, settled=self.settled + booked, overrun=overrun, reserved=others)


class Wallet:
    """The purse of a run or of a nested agent. A reservation is taken from all up to the root, or none.

    Not thread-safe: one event loop owns it.
    """

    def __init__(self, budget: Budget, *, parent: Wallet | None = None, settled: Spend = Spend()) -> None:
        self.budget: Budget = budget if parent is None else parent.budget.narrow(budget)
        limit = limits(self.budget)
        booked = settled.capped(limit)  # a run that goes on may have overrun it before
        self.purse = Purse(limit=limit, settled=booked, overrun=settled - booked)
        self._parent = parent
        self._serial = 0

    @property
    def chain(self) -> tuple[Wallet, ...]:
        return (self,) if self._parent is None else (self, *self._parent.chain)

    def left(self) -> Spend:
        """What the tightest wallet of the chain still has, of everything."""
        left = self.purse.left
        for wallet in self.chain[1:]:
            left = left.capped(wallet.purse.left)
        return left

    def reserve(self, spend: Spend) -> Reservation:
        """Set ``spend`` aside.

        Raises:
            BudgetExceeded: it does not fit somewhere in the chain; nothing is set aside anywhere.
        """
        root = self.chain[-1]
        root._serial += 1
        key = str(root._serial)
        purses = [wallet.purse.reserve(key, spend) for wallet in self.chain]
        for wallet, purse in zip(self.chain, purses, strict=True):
            wallet.purse = purse
        return Reservation(self, key, spend)


class Reservation:
    """A share that was set aside. Settle it once; settling again does nothing."""

    def __init__(self, wallet: Wallet, key: str, spend: Spend) -> None:
        self._wallet = wallet
        self._key: str | None = key
        self.spend = spend

    def settle(self, actual: Spend) -> None:
        """Give the reservation back and book ``actual`` instead."""
        if self._key is None:
            return
        for wallet in self._wallet.chain:
            wallet.purse = wallet.purse.settle(self._key, actual)
        self._key = None

    def release(self) -> None:
        """The call did not happen: nothing is booked."""
        self.settle(Spend())
