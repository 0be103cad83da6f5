"""How many calls are in flight at once, over all runs of a supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult
from tests.patience import PATIENCE
from tests.supervisor.scene import ONE, alice

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Capacity
from pilotman.supervisor import Supervisor

pytestmark = pytest.mark.anyio


class Gauge:
    """How many are inside, and how many there were at most. The first ones wait until ``expected`` are in."""

    def __init__(self, expected: int) -> None:
        self.inside = self.most = self.all = 0
        self._expected = expected
        self._met = asyncio.Event()

    async def __aenter__(self) -> None:
        self.inside += 1
        self.all += 1
        self.most = max(self.most, self.inside)
        if self.most >= self._expected:
            self._met.set()
        async with asyncio.timeout(PATIENCE):
            await self._met.wait()
        await asyncio.sleep(0.01)

    async def __aexit__(self, *_: object) -> None:
        self.inside -= 1


class Model(ScriptedChatModel):
    """Says how many calls it serves at once."""

    gauge: Any = None

    def __init__(self, turns: Sequence[Any], gauge: Gauge) -> None:
        super().__init__(turns)
        self.gauge = gauge

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: Any = None,
        **kwargs: Any,
    ) -> ChatResult:
        async with self.gauge:
            return await super()._agenerate(messages, stop, run_manager, **kwargs)


def desk(capacity: Capacity | None, models: Gauge, tools: Gauge) -> Supervisor:
    """A team whose model and tool count their callers."""

    @tool(effect="read")
    async def look(host: str) -> str:
        """Look at a host."""
        async with tools:
            return f"{host} is fine"

    turns: list[Any] = [*[call("look", host="web-1")] * 6, *["web-1 is fine"] * 12]
    model = Model(turns, models)
    agents = [Specialist("operator", "Looks.", tools=[look])]
    return Supervisor("desk", agents, models=model, capacity=capacity)


@pytest.mark.parametrize(
    ("capacity", "models_at_once", "tools_at_once"),
    [
        (Capacity(max_model_calls=2), 2, 1),
        (Capacity(max_tool_calls=1), 6, 1),
        (None, 6, 6),
    ],
)
async def test_as_many_calls_are_in_flight_as_the_capacity_says(
    capacity: Capacity | None, models_at_once: int, tools_at_once: int
) -> None:
    models, tools = Gauge(models_at_once), Gauge(tools_at_once)
    async with desk(capacity, models, tools) as team:
        runs = [team.run("web-1", principal=alice, plan=ONE) for _ in range(6)]
        done = await asyncio.gather(*runs)
    assert {run.state for run in done} == {"COMPLETED"}
    assert (tools.all, models.all) == (6, 12)
    assert models.most == models_at_once
    if capacity is None or capacity.max_tool_calls:
        assert tools.most == tools_at_once


async def test_who_finds_no_place_in_time_is_answered_without() -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    @tool(effect="read", timeout=60)
    async def look(host: str) -> str:
        """Look at a host."""
        begun.set()
        await gate.wait()
        return f"{host} is fine"

    turns: list[Any] = [
        call("look", host="web-1"),
        call("look", host="web-1"),
        "It could not be looked at.",
        "web-1 is fine",
    ]
    agents = [Specialist("operator", "Looks.", tools=[look])]
    team = Supervisor("desk", agents, models=ScriptedChatModel(turns), capacity=Capacity(max_tool_calls=1))
    async with team:
        first = asyncio.create_task(team.run("web-1", principal=alice, plan=ONE))
        await begun.wait()
        short = Budget(timeout=1.0)
        second = await team.run("web-1", principal=alice, plan=ONE, budget=short)
        gate.set()
        assert (await first).state == "COMPLETED"
    assert second.state == "COMPLETED"
    assert second.usage.tool_calls == 0, "what has no place is not begun"
