"""One purse for a whole run: trees of teams, parallel tasks, failing tools and models never overdraw it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.supervisor.scene import alice

from pilotman.agents import ChatRules, Specialist, ToolFailure, tool
from pilotman.agents.testing import FaultyChatModel
from pilotman.guardrails import Budget, Retry
from pilotman.guardrails.purse import Reservation, Spend, Wallet
from pilotman.supervisor import Plan, Supervisor, Task

NOW = Retry(max_attempts=3, backoff_ms=())
FAULTS = st.lists(st.sampled_from(["ok", "rate_limit", "garbage"]), max_size=12)
LIMITS = st.integers(min_value=1, max_value=14)
BUDGETS = st.builds(
    Budget,
    max_steps=LIMITS,
    max_tool_calls=LIMITS,
    max_input_tokens=st.integers(min_value=4_000, max_value=20_000),
    max_output_tokens=st.integers(min_value=100, max_value=6_000),
    retry=st.just(NOW),
)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Wallet]:
    """Every purse that is drawn from, looked at after each reservation and settlement."""
    drawn: list[Wallet] = []
    reserve, settle = Wallet.reserve, Reservation.settle

    def look(wallet: Wallet) -> None:
        drawn.append(wallet)
        for one in wallet.chain:
            assert one.purse.committed.fits(one.purse.limit), one.purse

    def reserving(self: Wallet, spend: Spend) -> Reservation:
        held = reserve(self, spend)
        look(self)
        return held

    def settling(self: Reservation, actual: Spend) -> None:
        settle(self, actual)
        look(self._wallet)  # pyright: ignore[reportPrivateUsage]

    monkeypatch.setattr(Wallet, "reserve", reserving)
    monkeypatch.setattr(Reservation, "settle", settling)
    return drawn


def team(name: str, depth: int, width: int, faults: list[Any], budget: Budget | None) -> Supervisor:
    """``width`` specialists and, down to ``depth``, as many teams within it."""
    calls = 0

    @tool(effect="read", retry=NOW)
    async def look(host: str) -> str:
        """Look at a host."""
        nonlocal calls
        calls += 1
        if faults and faults[calls % len(faults)] != "ok":
            raise ToolFailure("not now", kind="transient")
        return f"{host} is fine"

    agents: list[Any] = [Specialist(f"eyes-{n}", "Looks at hosts.", tools=[look]) for n in range(width)]
    if depth:
        agents.append(team(f"{name}-in", depth - 1, width, faults, budget))
    return Supervisor(
        name, agents, models=[FaultyChatModel(ChatRules(), faults=faults), "pilotman:rules"], budget=budget
    )


@given(
    depth=st.integers(min_value=0, max_value=2),
    width=st.integers(min_value=1, max_value=3),
    faults=FAULTS,
    whole=BUDGETS,
    inner=st.none() | BUDGETS,
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_settled_and_reserved_never_pass_a_limit(
    watched: list[Wallet], depth: int, width: int, faults: list[Any], whole: Budget, inner: Budget | None
) -> None:
    watched.clear()
    names = [f"eyes-{n}" for n in range(width)] + (["top-in"] if depth else [])
    tasks = [Task(task_id=f"t{n}", agent=name, goal="look at web-1") for n, name in enumerate(names)]

    async def drive() -> None:
        async with team("top", depth, width, faults, inner) as supervisor:
            plan = Plan(tuple(tasks))  # all at once
            run = await supervisor.run("look at web-1", principal=alice, budget=whole, plan=plan)
        assert run.state in ("COMPLETED", "ESCALATED"), run.last_error
        assert run.usage.steps <= whole.max_steps
        assert run.usage.tool_calls <= whole.max_tool_calls

    asyncio.run(drive())
    assert watched
