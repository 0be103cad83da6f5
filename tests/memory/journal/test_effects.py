from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from pilotman.guardrails.errors import Conflict, NotFound, PermitRefused
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import Fenced

pytestmark = pytest.mark.anyio


@pytest.fixture
async def permitted(owned: Journal, make: Any) -> Journal:
    """A journal with a permit for ``run_1``."""
    await owned.issue_permit(make.permit(), owner="me")
    return owned


async def test_a_permit_comes_back_as_it_was_issued(owned: Journal, make: Any) -> None:
    permit = make.permit(approval_id="apr_1")
    await owned.issue_permit(permit, owner="me", events=[make.event("p", kind="permit_issued")])
    await owned.issue_permit(permit, owner="me", events=[make.event("p", kind="permit_issued")])
    assert await owned.permit("pmt_1") == permit
    assert await owned.permit("pmt_2") is None
    assert len(await owned.events("run_1", tenant="acme")) == 2


async def test_a_permit_decided_anew_gets_the_new_expiry(permitted: Journal, make: Any) -> None:
    old = make.permit()
    new = make.permit(policy_version="2", expires_at=old.expires_at + timedelta(days=3))
    await permitted.issue_permit(new, owner="me")
    assert await permitted.permit("pmt_1") == new
    with pytest.raises(Conflict, match="another call"):
        await permitted.issue_permit(make.permit(digest="f" * 64), owner="me")


async def test_only_the_owner_issues_and_intends(permitted: Journal, make: Any) -> None:
    with pytest.raises(Fenced):
        await permitted.issue_permit(make.permit("pmt_2"), owner="you")
    with pytest.raises(Fenced):
        await permitted.intend(make.effect(), owner="you")
    assert await permitted.effects("run_1", tenant="acme") == []


async def test_an_intent_is_written_once_per_key(permitted: Journal, make: Any) -> None:
    first, new = await permitted.intend(make.effect(), owner="me", events=[make.event("i")])
    assert new
    assert first == make.effect()
    again, new = await permitted.intend(make.effect("eff_2"), owner="me", events=[make.event("i2")])
    assert not new
    assert again == first
    assert len(await permitted.events("run_1", tenant="acme")) == 2
    assert await permitted.effects("run_1", tenant="acme") == [first]
    assert await permitted.effect("eff_1", tenant="acme") == first
    assert await permitted.effect_by_key("acme", first.key) == first
    assert await permitted.effect_by_key("acme", "other") is None


async def test_of_many_intents_at_once_one_is_new(permitted: Journal, make: Any) -> None:
    intents = [permitted.intend(make.effect(f"eff_{i}"), owner="me") for i in range(20)]
    outcomes = await asyncio.gather(*intents)
    assert sum(new for _, new in outcomes) == 1
    assert len({effect.effect_id for effect, _ in outcomes}) == 1


@pytest.mark.parametrize(
    "fields",
    [{"permit_id": "pmt_9"}, {"tool": "restart_service"}, {"tenant": "other"}],
    ids=["no permit", "another tool", "another tenant"],
)
async def test_no_permit_no_intent(permitted: Journal, make: Any, fields: dict[str, str]) -> None:
    with pytest.raises(PermitRefused):
        await permitted.intend(make.effect(**fields), owner="me")
    assert await permitted.effects("run_1", tenant="acme") == []


async def test_a_permit_of_another_run_is_no_permit(permitted: Journal, make: Any) -> None:
    await permitted.create_run(make.run("run_2", owner="me"), events=[])
    with pytest.raises(PermitRefused):
        await permitted.intend(make.effect(run_id="run_2"), owner="me")


async def test_one_permit_is_one_effect(permitted: Journal, make: Any) -> None:
    await permitted.intend(make.effect(), owner="me")
    with pytest.raises(PermitRefused, match="another write"):
        await permitted.intend(make.effect("eff_2", key="another"), owner="me")


async def test_a_spent_permit_stays_spent_when_its_effect_is_taken_over(
    permitted: Journal, make: Any
) -> None:
    await permitted.intend(make.effect(), owner="me")
    await permitted.settle("eff_1", state="not_applied")
    await permitted.issue_permit(make.permit("pmt_2"), owner="me")
    await permitted.intend(make.effect(permit_id="pmt_2"), owner="me")
    with pytest.raises(PermitRefused):
        await permitted.intend(make.effect("eff_2", key="another"), owner="me")


async def test_attempts_of_one_effect_share_the_permit(permitted: Journal, make: Any) -> None:
    for attempt in (1, 2, 3):
        effect, new = await permitted.intend(make.effect(), owner="me")
        assert new
        assert (effect.attempts, effect.state) == (attempt, "intended")
        await permitted.settle("eff_1", state="not_applied", attempt=attempt, message="connection refused")


async def test_a_write_that_did_not_happen_is_taken_over_by_another_run(
    permitted: Journal, make: Any
) -> None:
    await permitted.intend(make.effect(), owner="me")
    await permitted.settle("eff_1", state="not_applied")
    await permitted.create_run(make.run("run_2", owner="me"), events=[])
    await permitted.issue_permit(make.permit("pmt_2", "run_2"), owner="me")
    taken, new = await permitted.intend(make.effect("eff_2", "run_2", permit_id="pmt_2"), owner="me")
    assert new
    assert (taken.effect_id, taken.run_id, taken.permit_id, taken.attempts) == ("eff_1", "run_2", "pmt_2", 2)
    assert taken.settled_at is None


@pytest.mark.parametrize("state", ["intended", "unknown", "applied"])
async def test_a_write_that_may_have_happened_is_not_taken_over(
    permitted: Journal, make: Any, state: Any
) -> None:
    await permitted.intend(make.effect(), owner="me")
    if state != "intended":
        await permitted.settle("eff_1", state=state)
    effect, new = await permitted.intend(make.effect(), owner="me")
    assert not new
    assert (effect.state, effect.attempts) == (state, 1)


async def test_an_outcome_is_written_with_its_events(permitted: Journal, make: Any, clock: Any) -> None:
    await permitted.intend(make.effect(), owner="me")
    clock.forward(seconds=2)
    settled = await permitted.settle(
        "eff_1",
        state="applied",
        result="r" * 64,
        message="done\x00",
        events=[make.event("a", kind="effect_applied")],
    )
    assert (settled.state, settled.result, settled.settled_at) == ("applied", "r" * 64, clock.now)
    assert [e.kind for e in await permitted.events("run_1", tenant="acme")] == [
        "run_started",
        "effect_applied",
    ]
    assert await permitted.settle("eff_1", state="applied") == settled


async def test_what_was_applied_stays_applied(permitted: Journal, make: Any) -> None:
    await permitted.intend(make.effect(), owner="me")
    await permitted.settle("eff_1", state="unknown")
    await permitted.settle("eff_1", state="applied")
    with pytest.raises(Conflict, match="applied"):
        await permitted.settle("eff_1", state="not_applied", events=[make.event("x")])
    assert len(await permitted.events("run_1", tenant="acme")) == 1


async def test_a_late_no_of_an_earlier_attempt_is_refused_a_late_yes_is_believed(
    permitted: Journal, make: Any
) -> None:
    await permitted.intend(make.effect(), owner="me")
    await permitted.settle("eff_1", state="not_applied", attempt=1)
    await permitted.intend(make.effect(), owner="me")
    with pytest.raises(Conflict, match="attempt 2"):
        await permitted.settle("eff_1", state="not_applied", attempt=1)
    assert (await permitted.settle("eff_1", state="applied", attempt=1)).state == "applied"


async def test_settling_what_was_never_intended(owned: Journal) -> None:
    with pytest.raises(NotFound):
        await owned.settle("eff_9", state="applied")
