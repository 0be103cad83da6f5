"""Which model answered is on the record, and what became of those that did not."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import LangSmithParams
from rich.console import Console
from tests.supervisor.scene import alice

from pilotman.agents import Specialist
from pilotman.agents.testing import FaultyChatModel, ScriptedChatModel
from pilotman.guardrails import Budget, Retry
from pilotman.memory import Event
from pilotman.supervisor import Plan, Run, Supervisor, Task
from pilotman.supervisor.tiers import Tier, tiers, together

PLAN = Plan((Task(task_id="look", agent="looker", goal="look at web-1"),))
NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Big(ScriptedChatModel):
    """A scripted model with a name of its own."""

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        return super()._get_ls_params(stop=stop, model="big", **kwargs)


def event(kind: str, **data: Any) -> Event:
    return Event(run_id="r", seq=1, kind=kind, actor="a", data=data, at=NOW)


@pytest.mark.anyio
async def test_the_record_says_which_tier_answered_and_how_the_others_did() -> None:
    first = FaultyChatModel(Big(turns=["never"]), faults=["garbage", "timeout", "timeout"])
    budget = Budget(retry=Retry(max_attempts=3, backoff_ms=(0,)))
    team = Supervisor(
        "t",
        [Specialist("looker", "Looks.")],
        models=[first, ScriptedChatModel(["web-1 is there."])],
        budget=budget,
    )
    async with team:
        run = await team.run("look at web-1", principal=alice, plan=PLAN)
    assert run.answer == "web-1 is there."
    assert run.tiers == (
        Tier(model="pilotman:big", unusable=1, failed=2, left=1),
        Tier(model="pilotman:scripted", answered=1),
    )
    assert Run.from_json(run.to_json()).tiers == run.tiers
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(run)
    assert "pilotman:big" in console.export_text()


def _happened(what: str, model: str) -> Event:
    if what == "fallback":
        return event("fallback_activated", **{"from": model, "to": "c"})
    reply = {"response": {"payload": "x"}} if what == "unusable" else {}
    kind = "model_call_completed" if what == "completed" else "model_call_failed"
    return event(kind, model=model, **reply)


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["completed", "unusable", "failed", "fallback"])),
        max_size=20,
    ),
    st.integers(0, 20),
)
def test_counts_add_up_over_runs(happened: list[tuple[str, str]], cut: int) -> None:
    events = [_happened(what, model) for model, what in happened]
    one, other = tiers(events[:cut]), tiers(events[cut:])
    whole = {tier.model: tier for tier in tiers(events)}
    assert {tier.model: tier for tier in together([one, other])} == whole
    assert sum(t.answered + t.unusable + t.failed + t.left for t in whole.values()) == len(happened)
