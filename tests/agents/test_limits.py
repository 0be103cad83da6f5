"""Bulkheads and rate limits: never more at once, never more in a time, in turn, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import LangSmithParams
from tests.agents.office import Office, office, proposed
from tests.patience import in_time

from pilotman.agents.exchange import ModelRequest
from pilotman.agents.gateway import ModelGateway
from pilotman.agents.limits import Bulkhead, Limits, Place
from pilotman.agents.runner import ToolRunner
from pilotman.agents.testing import ScriptedChatModel
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.limit import Limit
from pilotman.guardrails.retry import Retry

pytestmark = pytest.mark.anyio
FOR_EVER = 3_600.0


class Counted:
    """A tool that knows how many calls were in it at once, and waits to be let go on."""

    def __init__(self, **settings: Any) -> None:
        self.inside = self.most = self.calls = 0
        self.go_on = asyncio.Event()

        @tool(effect="read", **settings)
        async def probe(host: str = "web-1") -> str:
            """Look at a host."""
            self.calls += 1
            self.inside += 1
            self.most = max(self.most, self.inside)
            try:
                await self.go_on.wait()
            finally:
                self.inside -= 1
            return "fine"

        self.tool: Tool[..., Any] = probe


class Another(ScriptedChatModel):
    """A scripted model with a name of its own."""

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return super()._get_ls_params(stop=stop, model="another", **kwargs)


async def runner(place: Office, run_id: str = "run_1", **limits: Limit) -> ToolRunner:
    named = {name.replace("_", ":"): limit for name, limit in limits.items()}
    return ToolRunner(place.task(await place.run(run_id, limits=Limits(named))))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.lists(st.sampled_from(["wait", "cancel"]), min_size=1, max_size=12))
def test_never_more_at_once_and_no_place_is_lost(most: int, ends: list[str]) -> None:
    async def scenario() -> None:
        bulkhead = Bulkhead("x", Limit(max_concurrent=most))
        inside = 0

        async def call() -> None:
            nonlocal inside
            place = Place()
            assert await place.take([bulkhead], FOR_EVER) is None
            inside += 1
            assert inside <= most
            try:
                await asyncio.sleep(0)
            finally:
                inside -= 1
                place.leave()
                place.leave()

        tasks = [asyncio.create_task(call()) for _ in ends]
        await asyncio.sleep(0)
        for task, how in zip(tasks, ends, strict=True):
            if how == "cancel":
                task.cancel()
        await asyncio.wait(tasks)
        assert not [t for t in tasks if not t.cancelled() and t.exception()]
        places = [Place() for _ in range(most)]
        assert [await place.take([bulkhead], 1.0) for place in places] == [None] * most

    asyncio.run(scenario())


async def test_a_call_waits_for_its_place_and_gets_it() -> None:
    async with office() as place:
        probe = Counted(max_concurrent=2)
        run = await runner(place)
        calls = [
            asyncio.create_task(run.run(proposed("probe", f"p{n}", host=f"h{n}"), probe.tool))
            for n in range(6)
        ]
        while probe.inside < 2:
            await asyncio.sleep(0)
        probe.go_on.set()
        assert [result.value for result in await asyncio.gather(*calls)] == ["fine"] * 6
        assert probe.most == 2


async def test_the_wait_is_within_the_calls_own_time_and_its_failure_is_written_down() -> None:
    async with office() as place:
        probe = Counted(max_concurrent=1, timeout=0.05)
        run = await runner(place)
        full = run.task.run.limits.of_tool("probe", probe.tool.limit, "acme")
        held = Place()
        await held.take(full, 1.0)
        with in_time():
            result = await run.run(proposed("probe"), probe.tool)
        assert result.error is not None
        assert result.error.message == "could not check probe: there was no place at tool:probe within 0.05 s"
        assert (result.error.kind, result.error.retryable, probe.calls) == ("rate_limit", False, 0)
        [failed] = await place.events("run_1", "tool_call_failed")
        assert failed.data["final"]
        assert failed.data.get("attempt") is None
        assert run.task.wallet.purse.settled.tool_calls == 0
        held.leave()
        probe.go_on.set()
        assert (await run.run(proposed("probe", "p1"), probe.tool)).value == "fine"


async def test_a_call_has_as_much_less_time_as_it_waited() -> None:
    async with office() as place:
        probe = Counted(max_concurrent=1, timeout=0.4, retry=Retry(max_attempts=1))
        run = await runner(place)
        held = Place()
        await held.take(run.task.run.limits.of_tool("probe", probe.tool.limit, "acme"), 1.0)
        call = asyncio.create_task(run.run(proposed("probe"), probe.tool))
        await asyncio.sleep(0.05)
        held.leave()
        result = await call
        assert result.error is not None
        told = float(result.error.message.rpartition("within ")[2].removesuffix(" s"))
        assert told <= 0.36


@pytest.mark.parametrize("name", ["tool_probe", "tenant", "tenant_acme"])
async def test_a_supervisor_limits_all_its_runs_together(name: str) -> None:
    async with office() as place:
        limits = Limits({name.replace("_", ":"): Limit(max_concurrent=1)})
        probe = Counted(timeout=0.05)
        runs = [ToolRunner(place.task(await place.run(f"run_{n}", limits=limits))) for n in range(2)]
        held = Place()
        await held.take(limits.of_tool("probe", probe.tool.limit, "acme"), 1.0)
        results = [await run.run(proposed("probe"), probe.tool) for run in runs]
        assert all(r.error and r.error.kind == "rate_limit" for r in results)
        held.leave()
        probe.go_on.set()
        assert (await runs[0].run(proposed("probe", "p1"), probe.tool)).value == "fine"


def test_tenants_do_not_take_each_others_places() -> None:
    limits = Limits({"tenant": Limit(max_concurrent=1), "tenant:big": Limit(max_concurrent=9)})
    acme, globex, big = (limits.of_model("openai:x", tenant) for tenant in ("acme", "globex", "big"))
    assert len({id(one[0]) for one in (acme, globex, big)}) == 3
    assert limits.of_tool("t", Limit(), "acme")[0] is acme[0], "a tenant's tools and models count together"


def test_a_provider_and_a_model_are_limited_apart() -> None:
    limits = Limits({"model:openai": Limit(max_concurrent=3), "model:openai:big": Limit(max_concurrent=1)})
    assert [b.name for b in limits.of_model("openai:big", "acme")] == ["model:openai", "model:openai:big"]
    assert [b.name for b in limits.of_model("openai:small", "acme")] == ["model:openai"]
    assert limits.of_model("anthropic:x", "acme") == ()
    assert not limits.of_tool("openai", Limit(), "acme")


async def test_a_model_without_a_place_is_left_for_the_next_tier() -> None:
    async with office() as place:
        busy, free = ScriptedChatModel(["busy"]), Another(turns=["free"])
        budget = Budget(model_timeout=0.2)
        task = place.task(await place.run(), models=[busy, free], budget=budget)
        first = task.models.chain("worker")[0]
        task.run.limits = Limits({f"model:{first.name}": Limit(max_concurrent=1)})
        await Place().take(task.run.limits.of_model(first.name, "acme"), 1.0)
        ask = ModelRequest(path="task:t1/turn:0", role="worker", messages=[{"role": "user", "content": "?"}])
        assert (await ModelGateway(task).ask(ask)).text == "free"
        [fell] = await place.events("run_1", "fallback_activated")
        assert "there was no place at model:" in fell.data["reason"]


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 5), st.integers(1, 8))
def test_no_more_calls_begin_in_a_time_than_the_rate_says(amount: int, calls: int) -> None:
    async def scenario() -> None:
        bulkhead = Bulkhead("x", Limit(rate=f"{amount}/hour"))
        took = [await Place().take([bulkhead], 0.01) for _ in range(calls)]
        assert took.count(None) == min(amount, calls)

    asyncio.run(scenario())


async def test_who_waits_for_the_rate_begins_when_its_time_has_come_and_in_turn() -> None:
    loop = asyncio.get_running_loop()
    bulkhead = Bulkhead("x", Limit(rate="2/second"))
    began: list[tuple[int, float]] = []

    async def call(number: int) -> None:
        assert await Place().take([bulkhead], FOR_EVER) is None
        began.append((number, loop.time()))

    with in_time():
        await asyncio.gather(*(call(n) for n in range(5)))
    assert [number for number, _ in began] == list(range(5))
    for (_, early), (_, late) in zip(began, began[2:], strict=False):
        assert late - early > 0.9, "three within one second"


async def test_where_nothing_is_limited_nobody_waits_and_nothing_is_kept() -> None:
    limits = Limits()
    assert limits.of_tool("t", Limit(), "acme") == ()
    assert limits.of_model("openai:x", "acme") == ()
