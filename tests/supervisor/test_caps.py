"""Cumulative limits hold however calls are split, and whoever makes them at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from tests.supervisor.scene import alice, calls, yes

from pilotman.agents import Specialist, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails.cap import Cap
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio

ONE = Plan((Task(task_id="t", agent="payer", goal="pay"),))
HUNDRED = Cap(name="payments", tools=frozenset({"pay"}), most=100, argument="amount")


def pay(amount: float, to: str = "a") -> AIMessage:
    return call("pay", to=to, amount=amount)


class Bank:
    """A team that pays. ``paid`` are the amounts; ``broken`` payments are refused by the bank."""

    def __init__(
        self,
        turns: Sequence[str | AIMessage],
        *caps: Cap,
        broken: frozenset[str] = frozenset(),
        **settings: Any,
    ) -> None:
        self.paid: list[float] = []

        @tool(effect="write", idempotency_key="{to}:{amount}")
        async def pay(to: str, amount: float) -> str:
            """Pay."""
            if to in broken:
                raise ToolFailure("refused", kind="permanent")
            self.paid.append(amount)
            return "paid"

        settings.setdefault("policy", yes)
        payer = Specialist("payer", "Pays.", tools=[pay])
        self.team = Supervisor("bank", [payer], models=ScriptedChatModel(turns), caps=caps, **settings)

    async def run(self, **kwargs: Any) -> Run:
        return await self.team.run("pay", principal=alice, plan=ONE, **kwargs)


async def test_split_payments_come_to_no_more_than_the_cap() -> None:
    bank = Bank([calls(pay(60, "a"), pay(30, "b"), pay(30, "c"), pay(10, "d")), "Paid."], HUNDRED)
    async with bank.team:
        await bank.run()
    assert bank.paid == [60, 30, 10]


async def test_what_did_not_happen_counts_no_longer() -> None:
    bank = Bank([pay(90, "bad"), pay(90, "good"), "Paid."], HUNDRED, broken=frozenset({"bad"}))
    async with bank.team:
        await bank.run()
    assert bank.paid == [90]


async def test_a_negative_amount_gives_nothing_back() -> None:
    bank = Bank([pay(100, "a"), pay(-100, "b"), pay(100, "c"), "Paid."], HUNDRED)
    async with bank.team:
        await bank.run()
    assert bank.paid == [100]


async def test_a_person_may_let_a_call_go_over_if_they_were_told() -> None:
    soft = Cap(name="payments", tools=frozenset({"pay"}), most=100, argument="amount", verdict="escalate")
    bank = Bank([pay(100, "a"), pay(1, "b"), "Paid."], soft)
    async with bank.team:
        run = await bank.run()
        assert run.state == "ESCALATED"
        (asked,) = run.approvals
        assert soft.reason in asked.reasons
        await bank.team.approve(asked.approval_id, principal=alice)
        await bank.team.resume(run.run_id, principal=alice)
    assert bank.paid == [100, 1]


async def test_runs_at_once_share_the_users_cap(tmp_path: Any) -> None:
    """Of ten runs of 30 at the same time, in two supervisors on one journal, three fit under 100."""
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    mine = Cap(name="payments", tools=frozenset({"pay"}), most=100, argument="amount", per="user")
    banks = [Bank([pay(30, f"{n}"), "Done."], mine, memory=Memory(url)) for n in range(10)]
    await banks[0].team.runs(principal=alice)
    await asyncio.gather(*(bank.run() for bank in banks))
    for bank in banks:
        await bank.team.aclose()
    assert sum(sum(bank.paid) for bank in banks) == 90


async def test_caps_of_all_supervisors_above_hold() -> None:
    paid: list[int] = []

    @tool(effect="write")
    async def pay(amount: int) -> str:
        """Pay."""
        paid.append(amount)
        return "paid"

    inner = Supervisor("inner", [Specialist("payer", "Pays.", tools=[pay])], caps=[HUNDRED])
    tight = Cap(name="tight", tools=frozenset({"pay"}), most=50, argument="amount")
    plan = '{"tasks": [{"task_id": "n", "agent": "payer", "goal": "pay"}]}'
    model = ScriptedChatModel([plan, calls(call("pay", amount=60), call("pay", amount=40)), "Paid."])
    async with Supervisor("outer", [inner], policy=yes, models=model, caps=[tight]) as outer:
        await outer.run("pay", principal=alice, plan=Plan((Task(task_id="t", agent="inner", goal="pay"),)))
    assert paid == [40]
