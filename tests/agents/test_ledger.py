"""The ledger: no permit, no write; written down before it happens; never twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.agents.office import (
    OWNER,
    QUICK,
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
from pilotman.agents.context import ToolContext
from pilotman.agents.desk import Desk
from pilotman.agents.failure import ToolFailure
from pilotman.agents.ledger import PERMIT_SECONDS
from pilotman.agents.result import ToolResult
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.errors import Conflict, PermitRefused
from pilotman.guardrails.permit import Permit, permit_id
from pilotman.guardrails.policy import Call, Decision
from pilotman.guardrails.retry import Retry
from pilotman.memory.owner import owner_name
from pilotman.memory.records import EffectRow

pytestmark = pytest.mark.anyio
STEP = "task:t1/turn:0/call:0"


class Service:
    """Accounts that can be credited. ``loses``: how many replies get lost after the work was done."""

    def __init__(
        self,
        *,
        loses: int = 0,
        drops: int = 0,
        lookup: bool = True,
        knows_keys: bool = False,
        scope: Any = "run",
        timeout: float = 10.0,
        retry: Retry = QUICK,
    ) -> None:
        self.credits: list[str] = []
        self.keys: list[str] = []
        self.calls = 0
        self.loses, self.drops = loses, drops
        self.gate: asyncio.Event | None = None
        self.blind = False
        make = tool(
            effect="write", idempotency_key="{account}", key_scope=scope, timeout=timeout, retry=retry
        )

        async def credit(account: str, note: str, ctx: ToolContext) -> str:
            """Credit an account."""
            return await self._credit(account, ctx.idempotency_key)

        async def keyless(account: str, note: str) -> str:
            """Credit an account."""
            return await self._credit(account, f"key {self.calls}")

        body: Any = credit if knows_keys else keyless
        body.__name__ = "credit"
        self.tool: Tool[..., Any] = make(body)
        if lookup:
            self.tool.lookup(self._find)

    async def _credit(self, account: str, key: str) -> str:
        self.calls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.drops:
            self.drops -= 1
            raise RuntimeError("the request was dropped")
        if key not in self.keys:
            self.keys.append(key)
            self.credits.append(account)
        if self.loses:
            self.loses -= 1
            raise RuntimeError("the reply was lost")
        return f"credited {account}"

    async def _find(self, account: str) -> str | None:
        if self.blind:
            raise RuntimeError("the look-up is down")
        return f"credited {account}" if account in self.credits else None


async def seat(place: Office, service: Service, run_id: str = "run_1", **fields: Any) -> Desk:
    run = await place.run(run_id, **fields.pop("run", {}))
    return place.desk(run, service.tool, **fields)


def credit(account: str = "a1", path: str = STEP, note: str = "") -> ProposedCall:
    return allowed("credit", path, account=account, note=note)


async def effects(place: Office, run_id: str = "run_1") -> list[EffectRow]:
    return await place.journal.effects(run_id, tenant="acme")


# permits


async def test_without_a_permit_nothing_is_written() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        with pytest.raises(PermitRefused, match="without a permit"):
            await desk.ledger.write(credit())
        assert (service.calls, await effects(place)) == (0, [])


@pytest.mark.parametrize(
    "forged",
    [
        lambda call: replace(call, args={**call.args, "account": "mallory"}),
        lambda call: replace(call, args={**call.args, "note": "other prose"}),
        lambda call: replace(call, path="task:t1/turn:9/call:0"),
    ],
)
async def test_a_permit_is_for_exactly_one_call(forged: Callable[[ProposedCall], ProposedCall]) -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        assert isinstance(await desk.ledger.permit(credit(), None), Permit)
        with pytest.raises(PermitRefused):
            await desk.ledger.write(forged(credit()))
        assert service.calls == 0


async def test_a_permit_does_not_outlive_its_run_its_policy_or_its_time() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        await desk.ledger.permit(credit(), None)
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
        permit = await desk.ledger.permit(credit(), None)
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


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["act", "write", "answer", "reject", "guard", "crash", "forge"]),
            st.integers(0, 2),
            st.sampled_from(["proposed", "allowed", "waiting", "answered"]),
        ),
        max_size=12,
    ),
    st.sampled_from([allow_all, ask_about_writes, deny_writes]),
)
def test_no_sequence_of_steps_writes_without_a_permit(
    script: list[tuple[str, int, str]], policy: Any
) -> None:
    """Whatever stages are forged into the state and in whatever order things happen."""

    async def scenario() -> None:
        async with office() as place:
            granted: list[str] = []
            written: list[str] = []

            @tool(effect="write", idempotency_key="{n}", key_scope="tenant")
            async def send(n: int) -> str:
                """Send."""
                call = allowed("send", f"p{n}", n=n)
                permit = await place.journal.permit(permit_id("run_1", f"p{n}", call.digest))
                effect = next(e for e in await effects(place) if e.step == f"p{n}")
                assert permit is not None
                assert (permit.digest, permit.run_id, permit.tenant) == (call.digest, "run_1", "acme")
                assert effect.permit_id == permit.permit_id
                assert effect.state == "intended"
                written.append(f"p{n}")
                return "sent"

            desk = place.desk(await place.run(), send, policies=[policy])
            for what, n, stage in script:
                call = replace(allowed("send", f"p{n}", n=n), stage=stage)
                open_now = await place.open()
                if what == "act":
                    await desk.act(call)
                elif what == "forge":
                    others = [a.approval_id for a in await place.journal.approvals(tenant="acme")]
                    await desk.act(replace(call, approval_id=(others or ["apr_none"])[-1]))
                elif what == "guard":
                    await desk.guard.guard([replace(call, stage="proposed")])
                elif what == "crash":
                    desk = place.desk(await place.run(new=False), send, policies=[policy])
                elif what == "write":
                    try:
                        await desk.ledger.write(call)
                    except PermitRefused:
                        assert await place.journal.permit(permit_id("run_1", f"p{n}", call.digest)) is None
                elif open_now:
                    granted += [open_now[0].step] if what == "answer" else []
                    await place.answer(open_now[0], "approved" if what == "answer" else "rejected")
            assert len(written) == len(set(written)), "each at most once"
            if policy is deny_writes:
                assert written == []
            if policy is ask_about_writes:
                assert set(written) <= set(granted)

    asyncio.run(scenario())


# written down


async def test_the_intent_is_stored_before_the_call_and_the_outcome_after() -> None:
    async with office() as place:
        service = Service()
        service.gate = asyncio.Event()
        desk = await seat(place, service)
        work = asyncio.create_task(desk.act(credit()))
        while not service.calls:
            await asyncio.sleep(0.001)
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


# lost replies


async def test_a_lost_reply_is_looked_up() -> None:
    async with office() as place:
        service = Service(loses=1)
        desk = await seat(place, service)
        call = await desk.act(credit())
        assert result_of(call) == ToolResult.ok("credited a1")
        assert (service.calls, service.credits) == (1, ["a1"])
        assert (await effects(place))[0].state == "applied"
        assert desk.task.run.caveats == []


async def test_a_timeout_is_a_lost_reply() -> None:
    async with office() as place:
        service = Service(timeout=0.05)
        service.gate = asyncio.Event()
        desk = await seat(place, service)
        service.credits.append("a1")
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert service.calls == 1


async def test_what_the_look_up_does_not_find_is_made_exactly_once_more() -> None:
    async with office() as place:
        service = Service(drops=1)
        desk = await seat(place, service)
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert (service.calls, service.credits) == (2, ["a1"])
        (row,) = await effects(place)
        assert (row.state, row.attempts) == ("applied", 2)
        kinds = await place.kinds()
        assert kinds.count("effect_intended") == 2, "each attempt is written down before it happens"
        assert kinds.count("effect_not_applied") == 1


async def test_twice_dropped_is_not_tried_a_third_time() -> None:
    async with office() as place:
        service = Service(drops=9)
        desk = await seat(place, service)
        error = result_of(await desk.act(credit())).error
        assert error is not None
        assert "a look-up says that it was not applied" in error.message
        assert service.calls == 2
        assert (await effects(place))[0].state == "not_applied"
        assert any("credit failed" in caveat for caveat in desk.task.run.caveats)


@pytest.mark.parametrize("lookup", [False, True])
async def test_where_nobody_can_tell_it_is_for_a_person_and_never_made_again(lookup: bool) -> None:
    async with office() as place:
        service = Service(loses=1, lookup=lookup)
        service.blind = True
        desk = await seat(place, service)
        call = await desk.act(credit())
        error = result_of(call).error
        assert error is not None
        assert error.kind == "unknown_outcome"
        assert service.calls == 1
        assert (await effects(place))[0].state == "unknown"
        (asked,) = await place.open()
        assert (asked.kind, asked.digest) == ("outcome", call.digest)
        assert "Has it happened?" in asked.question
        assert any("it is not known whether credit was applied" in c for c in desk.task.run.caveats)
        again = await seat(place, service, run={"new": False})
        assert await again.act(credit()) == call
        assert service.calls == 1


async def test_a_target_that_knows_our_key_may_be_asked_again() -> None:
    async with office() as place:
        service = Service(loses=1, lookup=False, knows_keys=True)
        desk = await seat(place, service)
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert (service.calls, service.credits) == (2, ["a1"])
        assert (await effects(place))[0].state == "applied"


async def test_a_second_failure_of_a_target_that_knows_our_key_is_for_a_person() -> None:
    async with office() as place:
        service = Service(loses=2, lookup=False, knows_keys=True)
        desk = await seat(place, service)
        assert result_of(await desk.act(credit())).error is not None
        assert (await effects(place))[0].state == "unknown"
        (asked,) = await place.open()
        assert asked.kind == "outcome"


@settings(max_examples=60)
@given(
    lookup=st.booleans(),
    knows_keys=st.booleans(),
    faults=st.lists(st.sampled_from(["loses", "drops", "ok"]), max_size=4),
    blind=st.booleans(),
    lives=st.integers(1, 3),
)
def test_however_replies_get_lost_an_account_is_credited_once_at_most(
    lookup: bool, knows_keys: bool, faults: list[str], blind: bool, lives: int
) -> None:
    async def scenario() -> None:
        async with office() as place:
            service = Service(
                loses=faults.count("loses"), drops=faults.count("drops"), lookup=lookup, knows_keys=knows_keys
            )
            service.blind = blind
            states: list[str] = []
            for life in range(lives):
                desk = await seat(place, service, run={"new": life == 0})
                call = await desk.act(credit())
                assert call.stage == "done"
                states.append((await effects(place))[0].state)
            assert len(service.credits) <= 1
            assert set(states) <= {"applied", "not_applied", "unknown"}
            if states[-1] == "applied":
                assert service.credits == ["a1"]
            if states[-1] == "not_applied":
                assert service.credits == []

    asyncio.run(scenario())


# two at once


@pytest.mark.parametrize("other_owner", [OWNER, owner_name()], ids=["same process", "another engine"])
async def test_two_runs_with_one_key_write_once(other_owner: str) -> None:
    async with office() as place:
        service = Service(scope="tenant")
        service.gate = asyncio.Event()
        desks = [
            await seat(
                place, service, "run_1", run={"owner": owner_name() if other_owner != OWNER else OWNER}
            ),
            await seat(place, service, "run_2", run={"owner": other_owner}),
        ]
        work = [asyncio.create_task(desk.act(credit())) for desk in desks]
        await asyncio.sleep(0.25)
        assert service.calls == 1, "the other waits"
        service.gate.set()
        results = [result_of(await one) for one in work]
        assert [r.value for r in results] == ["credited a1"] * 2
        assert sorted(len(r.caveats) for r in results) == [0, 1]
        assert service.credits == ["a1"]
        joined = [e for run in ("run_1", "run_2") for e in await place.events(run, "effect_joined")]
        assert len(joined) == 1


async def test_two_tasks_of_one_run_with_one_key_write_once() -> None:
    async with office() as place:
        service = Service()
        service.gate = asyncio.Event()
        run = await place.run()
        desks = [place.desk(run, service.tool, path=f"task:t{n}") for n in (1, 2)]
        work = [
            asyncio.create_task(desk.act(credit(path=f"{desk.task.path}/turn:0/call:0"))) for desk in desks
        ]
        await asyncio.sleep(0.05)
        service.gate.set()
        assert [result_of(await one).value for one in work] == ["credited a1"] * 2
        assert service.credits == ["a1"]


async def test_whoever_waits_too_long_says_so_and_writes_nothing() -> None:
    async with office() as place:
        service = Service(scope="tenant")
        service.gate = asyncio.Event()
        first = await seat(place, service, "run_1")
        second = await seat(place, service, "run_2", run={"timeout": 0.3})
        work = asyncio.create_task(first.act(credit()))
        await asyncio.sleep(0.01)
        began = time.monotonic()
        error = result_of(await second.act(credit())).error
        assert time.monotonic() - began < 1.0
        assert error is not None
        assert "another run is doing this" in error.message
        service.gate.set()
        await work
        assert service.credits == ["a1"]


def dead() -> str:
    host, _, _, unique = owner_name().rsplit(":", 3)
    return f"{host}:999999999:1.00:{unique}"


async def begun(place: Office, service: Service, run_id: str = "run_1", owner: str = "") -> None:
    """A write that was intended by a process that is not there any more."""
    desk = await seat(place, service, run_id, run={"owner": owner or dead()})
    permit = await desk.ledger.permit(credit(), None)
    assert isinstance(permit, Permit)
    effect = desk.ledger._effect(credit(), service.tool, permit)  # pyright: ignore[reportPrivateUsage]
    row, mine = await desk.ledger._intend(credit(), effect)  # pyright: ignore[reportPrivateUsage]
    assert (row.state, mine) == ("intended", True)


@pytest.mark.parametrize("applied", [True, False])
@pytest.mark.parametrize("own", [True, False], ids=["the run itself", "another run"])
async def test_what_a_dead_owner_left_is_looked_up(applied: bool, own: bool) -> None:
    async with office() as place:
        service = Service(scope="tenant")
        await begun(place, service)
        if applied:
            service.credits.append("a1")
        run_id = "run_1" if own else "run_2"
        desk = await seat(place, service, run_id, run={"new": not own})
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert service.credits == ["a1"]
        assert service.calls == (0 if applied else 1)
        row = await place.journal.effect_by_key("acme", "tenant:acme:credit:a1")
        assert row is not None
        assert row.state == "applied"
        third = await seat(place, service, "run_3")
        assert result_of(await third.act(credit())).value == "credited a1", "whoever settled it"


async def test_many_who_find_a_dead_owner_s_write_make_it_once() -> None:
    async with office() as place:
        service = Service(scope="tenant")
        await begun(place, service)
        desks = [await seat(place, service, f"run_{n}", run={"owner": owner_name()}) for n in range(2, 6)]
        results = await asyncio.gather(*(desk.act(credit()) for desk in desks))
        assert {result_of(r).value for r in results} == {"credited a1"}
        assert (service.calls, service.credits) == (1, ["a1"])


async def test_without_a_look_up_a_dead_owner_s_write_is_for_a_person() -> None:
    async with office() as place:
        service = Service(lookup=False)
        await begun(place, service)
        desk = await seat(place, service, run={"new": False})
        error = result_of(await desk.act(credit())).error
        assert error is not None
        assert error.kind == "unknown_outcome"
        assert service.calls == 0
        (asked,) = await place.open()
        assert asked.kind == "outcome"


@pytest.mark.parametrize("applied", [True, False])
async def test_a_begun_write_that_may_not_go_on_is_still_settled(applied: bool) -> None:
    async with office() as place:
        service = Service()
        await begun(place, service)
        if applied:
            service.credits.append("a1")
        desk = await seat(place, service, policies=[deny_writes], run={"new": False})
        result = result_of(await desk.act(credit()))
        assert service.calls == 0
        assert (result.error is None) == applied, "what happened is said, whatever the policy says today"
        assert (await effects(place))[0].state == ("applied" if applied else "not_applied")


async def test_a_begun_write_that_may_not_go_on_and_cannot_be_looked_up_is_for_a_person() -> None:
    async with office() as place:
        service = Service(lookup=False)
        await begun(place, service)
        desk = await seat(place, service, policies=[deny_writes], run={"new": False})
        await desk.act(credit())
        assert (await effects(place))[0].state == "unknown"
        assert [a.kind for a in await place.open()] == ["outcome"]


async def test_a_write_of_a_run_that_nobody_drives_is_waited_for_only_as_long_as_it_may_take() -> None:
    async with office() as place:
        service = Service(scope="tenant", timeout=0.2)
        await begun(place, service, owner=owner_name())  # this process lives, but has left the run
        await place.journal.release(
            "run_1", owner=(await place.journal.run("run_1", tenant="acme")).owner or ""
        )
        desk = await seat(place, service, "run_2", run={"owner": owner_name()})
        began = time.monotonic()
        assert result_of(await desk.act(credit())).value == "credited a1"
        assert 0.1 < time.monotonic() - began < 2.0
        assert service.calls == 1


async def test_a_cancelled_write_is_settled_by_the_next_life() -> None:
    async with office() as place:
        service = Service()
        service.gate = asyncio.Event()
        desk = await seat(place, service)
        work = asyncio.create_task(desk.act(credit()))
        while not service.calls:
            await asyncio.sleep(0.001)
        work.cancel()
        await asyncio.wait([work])
        service.gate.set()
        assert not desk.task.wallet.purse.reserved
        again = await seat(place, service, run={"new": False})
        assert result_of(await again.act(credit())).value == "credited a1"
        assert service.credits == ["a1"]


# what was recorded


async def test_a_person_s_word_is_the_result() -> None:
    async with office() as place:
        service = Service(loses=1, lookup=False)
        desk = await seat(place, service)
        await desk.act(credit())
        (row,) = await effects(place)
        await place.journal.settle(row.effect_id, state="applied", message="said bob")
        other = await desk.act(credit(path="task:t1/turn:1/call:0"))
        assert result_of(other) == ToolResult.ok(None, "applied: said bob")
        assert service.calls == 1


async def test_a_person_s_no_lets_the_next_call_write() -> None:
    async with office() as place:
        service = Service(drops=1, lookup=False)
        desk = await seat(place, service)
        await desk.act(credit())
        (row,) = await effects(place)
        await place.journal.settle(row.effect_id, state="not_applied", message="said bob")
        other = await desk.act(credit(path="task:t1/turn:1/call:0"))
        assert result_of(other).value == "credited a1"
        assert service.credits == ["a1"]


async def test_a_redacted_result_is_no_reason_to_write_again() -> None:
    async with office() as place:
        service = Service(scope="tenant")
        desk = await seat(place, service)
        await desk.act(credit())
        (row,) = await effects(place)
        await place.journal.redact_payload("run_1", row.result or "", tenant="acme", reason="asked for")
        other = await seat(place, service, "run_2")
        result = result_of(await other.act(credit()))
        assert result.status == "ok"
        assert "its result is not kept any more" in result.caveats[0]
        assert service.calls == 1


async def test_what_was_found_out_by_others_first_stands() -> None:
    async with office() as place:
        service = Service(drops=1, lookup=False)
        service.gate = asyncio.Event()
        desk = await seat(place, service)
        work = asyncio.create_task(desk.act(credit()))
        while not service.calls:
            await asyncio.sleep(0.001)
        (row,) = await effects(place)
        await place.journal.settle(row.effect_id, state="applied", message="said bob")
        service.gate.set()
        assert result_of(await work) == ToolResult.ok(None, "applied: said bob")
        assert (await effects(place))[0].state == "applied"


async def test_another_tenant_s_key_is_another_effect() -> None:
    async with office() as place:
        service = Service(scope="tenant")
        key = service.tool.key({"account": "a1", "note": ""}, run_id="r", thread_id="t", tenant="acme")
        other = service.tool.key({"account": "a1", "note": ""}, run_id="r", thread_id="t", tenant="rival")
        assert key != other


async def test_a_run_that_was_taken_over_writes_nothing_any_more() -> None:
    async with office() as place:
        service = Service()
        desk = await seat(place, service)
        await place.journal.release("run_1", owner=OWNER)
        await place.journal.claim("run_1", owner="thief", lease=timedelta(hours=1), is_dead=lambda _: True)
        with pytest.raises(Conflict, match="is driven by thief"):
            await desk.act(credit())
        assert service.calls == 0
