"""What all runs retry of one dependency together has a limit, and the record says where it was reached."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.office import office, proposed
from tests.agents.test_runner import Scripted, fails

from pilotman.agents.exchange import ModelRequest
from pilotman.agents.gateway import ModelGateway
from pilotman.agents.retries import Retries
from pilotman.agents.runner import ToolRunner
from pilotman.agents.testing import FaultyChatModel, ScriptedChatModel
from pilotman.guardrails.breaker import Breaker
from pilotman.guardrails.budget import Budget
from pilotman.guardrails.retry import BURST, Retry

pytestmark = pytest.mark.anyio
NEVER_OPEN = Breaker(min_calls=10_000)
TIGHT = Retry(max_attempts=3, backoff_ms=(0,), budget_share=0.2, budget_per_second=0.0)


def test_dependencies_do_not_share_their_retries() -> None:
    retries = Retries(lambda: 0.0)
    taken = [retries.take("tool:a", TIGHT) for _ in range(20)]
    assert taken.count(True) == BURST
    assert retries.take("tool:b", TIGHT)


@settings(max_examples=5, deadline=None)
@given(st.integers(1, 40))
def test_all_runs_together_retry_no_more_than_the_budget(runs: int) -> None:
    """A service that is down is asked once by every run, and again only as far as the budget goes."""

    async def scenario() -> None:
        async with office() as place:
            probe = Scripted(fails("transient"), retry=TIGHT, breaker=NEVER_OPEN)
            for n in range(runs):
                scope = await place.run(f"run_{n}")
                await ToolRunner(place.task(scope)).run(proposed("probe"), probe.tool)
            assert runs <= probe.calls <= runs + BURST + 0.2 * runs
            refused = [e for n in range(runs) for e in await place.events(f"run_{n}", "retry_refused")]
            assert (len(refused) > 0) == (probe.calls < 3 * runs)

    asyncio.run(scenario())


async def test_a_model_that_was_retried_too_often_is_left_for_the_next_tier() -> None:
    async with office() as place:
        down = FaultyChatModel(ScriptedChatModel(["x"]), faults=("timeout",) * 9)
        budget = Budget(retry=TIGHT, breaker=NEVER_OPEN)
        task = place.task(await place.run(), models=[down, ScriptedChatModel(["fine"])], budget=budget)
        for _ in range(int(BURST)):
            place.retries.take(f"model:{task.models.chain('worker')[0].name}", TIGHT)
        ask = ModelRequest(path="task:t1/turn:0", role="worker", messages=[{"role": "user", "content": "?"}])
        assert (await ModelGateway(task).ask(ask)).text == "fine"
        assert len(await place.events("run_1", "model_call_failed")) == 1
        assert len(await place.events("run_1", "retry_refused")) == 1


async def test_a_budget_narrows_what_tools_say_about_retries() -> None:
    async with office() as place:
        probe = Scripted(fails("transient"), retry=Retry(max_attempts=9, backoff_ms=(0,)))
        task = place.task(await place.run(), budget=Budget(tool_retry=Retry(max_attempts=2, backoff_ms=(1,))))
        await ToolRunner(task).run(proposed("probe"), probe.tool)
        assert probe.calls == 2
