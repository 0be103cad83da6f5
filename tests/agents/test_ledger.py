"""The ledger: no permit, no write; written down before it happens; never twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.bank import STEP, Service, credit, effects, seat
from tests.agents.office import (
    OWNER,
    Office,
    allow_all,
    allowed,
    ask_about_writes,
    deny_writes,
    office,
    proposed,
    result_of,
)

from pilotman.agents.calls import ProposedCall
from pilotman.agents.failure import ToolFailure
from pilotman.agents.permits import PERMIT_SECONDS
from pilotman.agents.tool import tool
from pilotman.guardrails.errors import Conflict, PermitRefused
from pilotman.guardrails.permit import Permit, permit_id
from pilotman.guardrails.policy import Call, Decision

pytestmark = pytest.mark.anyio


# permits


async def test_without_a_permit_nothing_is_written() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        with pytest.raises(PermitRefused, match="without a permit"):
            await desk.ledger.write(credit())
        assert (service.calls, await effects(place)) == (0, [])


@pytest.mark.parametrize(
    "other",
    [credit("mallory"), credit(note="other prose"), credit(path="task:t1/turn:9/call:0")],
    ids=["who", "what", "when"],
)
async def test_a_permit_is_for_exactly_one_call(other: ProposedCall) -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        assert isinstance(await desk.permits.issue(credit(), None), Permit)
        with pytest.raises(PermitRefused):
            await desk.ledger.write(other)
        assert service.calls == 0


async def test_a_permit_does_not_outlive_its_run_its_policy_or_its_time() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        await desk.permits.issue(credit(), None)
        other = await seat(place, service, "run_2")
        with pytest.raises(PermitRefused):
            await other.ledger.write(credit())
        desk.task.run.policy_version = "p2"
        with pytest.raises(PermitRefused, match="policy_version"):
            await desk.ledger.write(credit())
        desk.task.run.policy_version = "p1"
        place.clock.forward(seconds=PERMIT_SECONDS + 1)
        with pytest.raises(PermitRefused, match="expired"):
            await desk.ledger.write(credit())
        assert service.calls == 0


async def test_a_forged_permit_in_the_journal_serves_no_other_tool_or_effect() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        permit = await desk.permits.issue(credit(), None)
        assert isinstance(permit, Permit)
        forged = credit("mallory")
        name = permit_id("run_1", STEP, forged.digest)
        await place.journal.issue_permit(replace(permit, permit_id=name, digest=credit().digest), owner=OWNER)
        with pytest.raises(PermitRefused, match="digest"):
            await desk.ledger.write(forged)
        with pytest.raises(Conflict):
            await place.journal.issue_permit(replace(permit, digest=forged.digest), owner=OWNER)
        assert service.calls == 0


async def test_the_decision_is_taken_again_at_execution() -> None:
    async with office() as place:
        service = Service()
        verdicts = [Decision.allow(), Decision.deny("too late")]

        def policy(call: Call, /) -> Decision | None:
            return verdicts.pop(0)

        desk = await seat(place, service, policies=[policy])
        (call,) = await desk.guard.guard([proposed("credit", account="a1", note="")])
        assert call.stage == "allowed"
        assert "denied_by_policy" in str((await desk.act(call)).result)
        assert service.calls == 0
        stages = [e.data["stage"] for e in await place.events("run_1", "decision")]
        assert stages == ["guard", "write"]


async def test_a_decision_that_turns_into_a_question_waits() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service, policies=[ask_about_writes])
        call = await desk.act(credit())
        assert call.stage == "waiting"
        (asked,) = await place.open()
        await place.answer(asked)
        assert (await desk.act(call)).stage == "done"
        assert service.calls == 1


class Forger:
    """Does what nobody should: calls every part of a desk in any order, with any stage in the state."""

    def __init__(self, place: Office, policy: Any) -> None:
        self.place, self.policy = place, policy
        self.granted: list[str] = []
        self.written: list[str] = []

        @tool(effect="write", idempotency_key="{n}", key_scope="tenant")
        async def send(n: int) -> str:
            """Send."""
            await self._check(n)
            self.written.append(f"p{n}")
            return "sent"

        self.send = send

    async def _check(self, n: int) -> None:
        call = allowed("send", f"p{n}", n=n)
        permit = await self.place.journal.permit(permit_id("run_1", f"p{n}", call.digest))
        effect = next(e for e in await effects(self.place) if e.step == f"p{n}")
        assert permit is not None
        assert (permit.digest, permit.run_id, permit.tenant) == (call.digest, "run_1", "acme")
        assert (effect.permit_id, effect.state) == (permit.permit_id, "intended")

    async def start(self, *, new: bool) -> None:
        run = await self.place.run(new=new)
        self.desk = self.place.desk(run, self.send, policies=[self.policy])

    async def do(self, what: str, call: ProposedCall) -> None:
        match what:
            case "act":
                await self.desk.act(call)
            case "forge":
                known = await self.place.journal.approvals(tenant="acme")
                others = [c.approval_id for a in known for c in a.calls]
                await self.desk.act(replace(call, approval_id=(others or ["apr_none"])[-1]))
            case "guard":
                await self.desk.guard.guard([replace(call, stage="proposed")])
            case "crash":
                await self.start(new=False)
            case "write":
                await self._write(call)
            case _:
                await self._answer(what)

    async def _write(self, call: ProposedCall) -> None:
        try:
            await self.desk.ledger.write(call)
        except PermitRefused:
            name = permit_id("run_1", call.path, call.digest)
            assert await self.place.journal.permit(name) is None

    async def _answer(self, state: str) -> None:
        for asked in (await self.place.open())[:1]:
            call = asked.pending[0]
            self.granted += [call.step] if state == "approved" else []
            await self.place.answer(asked, state, only=[call.digest])


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["act", "write", "approved", "rejected", "guard", "crash", "forge"]),
            st.integers(0, 2),
            st.sampled_from(["proposed", "allowed", "waiting", "answered"]),
        ),
        max_size=12,
    ),
    st.sampled_from([allow_all, ask_about_writes, deny_writes]),
)
def test_no_sequence_of_steps_writes_without_a_permit(
    script: list[tuple[str, int, Any]], policy: Any
) -> None:
    async def scenario() -> None:
        async with office() as place:
            forger = Forger(place, policy)
            await forger.start(new=True)
            for what, n, stage in script:
                await forger.do(what, replace(allowed("send", f"p{n}", n=n), stage=stage))
            assert len(forger.written) == len(set(forger.written)), "each at most once"
            if policy is deny_writes:
                assert forger.written == []
            if policy is ask_about_writes:
                assert set(forger.written) <= set(forger.granted)

    asyncio.run(scenario())


async def test_without_its_facts_a_write_that_was_allowed_does_not_happen() -> None:
    async with office() as place:
        service = Service()
        facts: list[Any] = [{"open": True}, RuntimeError("the bank is closed")]

        @service.tool.precondition
        async def check() -> dict[str, Any]:
            fact = facts.pop(0)
            if isinstance(fact, Exception):
                raise fact
            return dict(fact)

        desk = await seat(place, service)
        (call,) = await desk.guard.guard([proposed("credit", account="a1", note="")])
        assert call.stage == "allowed"
        assert "the bank is closed" in str((await desk.act(call)).result)
        assert service.calls == 0
        assert [e.data["verdict"] for e in await place.events("run_1", "decision")] == ["allow", "deny"]


async def test_a_tool_that_is_not_leased_is_not_executed_whatever_the_state_says() -> None:
    async with office() as place:
        desk = await seat(place, Service())
        forged = allowed("format_disk", disk="sda")
        assert "not leased" in str((await desk.act(forged)).result)
        (judged,) = await desk.guard.guard([proposed("format_disk", disk="sda")])
        assert "not leased" in str(judged.result)


# written down


async def test_the_intent_is_stored_before_the_call_and_the_outcome_after() -> None:
    async with office() as place:
        service = Service()
        service.gate = asyncio.Event()
        desk = await seat(place, service)
        work = asyncio.create_task(desk.act(credit()))
        await service.began.wait()
        (row,) = await effects(place)
        assert (row.state, row.digest, row.owner) == ("intended", credit().digest, OWNER)
        assert "effect_intended" in await place.kinds()
        service.gate.set()
        assert result_of(await work).value == "credited a1"
        (row,) = await effects(place)
        assert row.state == "applied"
        assert row.result is not None
        kinds = await place.kinds()
        order = [
            "permit_issued",
            "effect_intended",
            "tool_call_started",
            "tool_call_completed",
            "effect_applied",
        ]
        assert [kind for kind in kinds if kind in order] == order


async def test_the_same_write_again_is_answered_from_the_record() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        first = await desk.act(credit())
        again = await desk.act(credit(path="task:t1/turn:1/call:0", note="other words, same account"))
        assert result_of(again).value == result_of(first).value == "credited a1"
        assert service.calls == 1


async def test_a_write_that_certainly_failed_may_be_made_again() -> None:
    async with office() as place:
        ends: list[Any] = [ToolFailure("closed for lunch", kind="permanent"), "done"]

        @tool(effect="write", idempotency_key="{n}")
        async def send(n: int) -> str:
            """Send."""
            end = ends.pop(0)
            if isinstance(end, Exception):
                raise end
            return str(end)

        desk = place.desk(await place.run(), send)
        first = await desk.act(allowed("send", "p0", n=1))
        assert result_of(first).error is not None
        (row,) = await effects(place)
        assert row.state == "not_applied"
        second = await desk.act(allowed("send", "p1", n=1))
        assert result_of(second).value == "done"
        (row,) = await effects(place)
        assert (row.state, row.attempts, row.step) == ("applied", 2, "p1")
        again = place.desk(await place.run(new=False), send)
        assert await again.act(allowed("send", "p0", n=1)) == first, "a replay says what was said"
        assert ends == []
