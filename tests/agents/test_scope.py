"""What a run shares with its tasks: time, caveats, and all policies of the chain."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.office import office

from pilotman.guardrails.errors import BudgetExceeded
from pilotman.guardrails.policy import Call, Decision

pytestmark = pytest.mark.anyio
VERDICTS = {
    "allow": Decision.allow("a"),
    "deny": Decision.deny("d"),
    "escalate": Decision.escalate("e"),
    "silent": None,
}


async def test_the_grace_is_kept_back_from_every_call() -> None:
    async with office() as place:
        place.clock.stop()
        run = await place.run(timeout=10.0, grace=9.0)
        assert run.time_for(5.0, path="p") == 1.0
        assert run.time_for(0.1, path="p") == 0.1
        place.clock.forward(seconds=1)
        with pytest.raises(BudgetExceeded, match="time is used up"):
            run.time_for(5.0, path="p")
        (event,) = await place.events()
        assert event.data == {"path": "p", "limit": "timeout", "message": "the run's time is used up"}


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.sampled_from(sorted(VERDICTS)), max_size=3), min_size=1, max_size=3),
    st.sampled_from(["read", "write"]),
)
def test_deny_beats_escalate_beats_allow_across_the_chain(groups: list[list[str]], effect: str) -> None:
    import asyncio

    async def scenario() -> None:
        async with office() as place:
            task = place.task(await place.run())
            task.policies = tuple(tuple((lambda call, v=v: VERDICTS[v]) for v in group) for group in groups)
            decided = task.decide(Call(tool="x", args={}, effect=effect)).verdict  # type: ignore[arg-type]
            said = [verdict for group in groups for verdict in group]
            silent = effect == "write" and any(set(group) <= {"silent"} for group in groups)
            if "deny" in said or silent:
                assert decided == "deny"
            elif "escalate" in said:
                assert decided == "escalate"
            else:
                assert decided == "allow"

    asyncio.run(scenario())


async def test_the_strictest_group_gives_the_reasons() -> None:
    async with office() as place:
        task = place.task(await place.run())
        task.policies = ((lambda call: Decision.allow("one"),), (lambda call: Decision.allow("two"),))
        assert task.decide(Call(tool="x", args={})).reasons == ("one", "two")
        task.policies = ((lambda call: Decision.escalate("one"),), (lambda call: Decision.deny("two"),))
        assert task.decide(Call(tool="x", args={})).reasons == ("two",)
