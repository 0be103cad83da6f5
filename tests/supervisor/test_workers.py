"""The queue: what leaves it first, what joins what, and that it survives its process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.patience import PATIENCE, until
from tests.supervisor.scene import ONE, Desk, alice, bob, check_moves, history, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Capacity, Principal, Retry
from pilotman.guardrails.errors import InvalidRequest, Overloaded
from pilotman.memory import Memory
from pilotman.supervisor import Intake, Plan, Run, Supervisor
from pilotman.supervisor.intake import Request, words


def urgent(request: Request) -> Intake:
    """``severity words``; those that say so are answered at once."""
    severity, text = str(request).split(" ", 1)
    text = words(text)
    known = "Nothing is to be done." if "resolved" in text else None
    return Intake(text=text, query=text, severity=int(severity), answer=known, idempotency_key=text)


async def ended(team: Supervisor, *runs: Run) -> list[Run]:
    async def all_ended() -> bool:
        return all([(await team.get(r.run_id, principal=r.principal)).ended for r in runs])

    await until(all_ended)
    return [await team.get(r.run_id, principal=r.principal) for r in runs]


@pytest.mark.anyio
async def test_the_urgent_leave_first_then_the_old() -> None:
    order: list[str] = []
    gate = asyncio.Event()

    @tool(effect="read")
    async def take(name: str) -> str:
        """Take it."""
        order.append(name)
        await gate.wait()
        return "taken"

    names = ["first", "low", "old", "young", "high"]
    severities = [0, 1, 5, 5, 9]
    turns: list[Any] = []
    for name in ["first", "high", "old", "young", "low"]:
        turns += [call("take", name=name), "taken"]
    agents = [Specialist("operator", "Takes.", tools=[take])]
    one = Capacity(max_runs=1)
    async with Supervisor(
        "desk", agents, models=ScriptedChatModel(turns), intake=urgent, capacity=one
    ) as team:
        runs = [await team.submit(f"{severities[0]} first", principal=alice, plan=ONE)]
        await until(lambda: bool(order))
        for name, severity in zip(names[1:], severities[1:], strict=True):
            runs.append(await team.submit(f"{severity} {name}", principal=alice, plan=ONE))
        assert {run.state for run in runs[1:]} == {"RECEIVED"}
        gate.set()
        assert {run.state for run in await ended(team, *runs)} == {"COMPLETED"}
    assert order == ["first", "high", "old", "young", "low"]


@pytest.mark.anyio
async def test_what_is_known_at_intake_is_answered_at_once() -> None:
    desk = Desk([], intake=urgent)
    async with desk.team as team:
        run = await team.run("3 resolved", principal=alice)
        check_moves(run, await history(team, run))
        again = await team.submit("3 resolved", principal=alice)
        with pytest.raises(InvalidRequest):
            await team.submit("1  ", principal=alice)
    assert (run.state, run.answer, run.usage.steps) == ("COMPLETED", "Nothing is to be done.", 0)
    assert again.run_id == run.run_id


@pytest.mark.anyio
async def test_the_same_request_at_the_same_time_is_one_run() -> None:
    desk = Desk([call("open_ticket", title="disk"), "Done: ticket about disk."], policy=yes)
    eve = Principal(tenant="evil", user="alice")
    async with desk.team as team:
        sent: list[Any] = [team.run("disk", principal=alice, plan=ONE, idempotency_key="k") for _ in range(4)]
        sent += [team.submit("disk", principal=alice, plan=ONE, idempotency_key="k") for _ in range(4)]
        runs = await asyncio.gather(*sent)
        [done] = await ended(team, runs[0])
        assert await team.runs(principal=eve) == []
    assert len({run.run_id for run in runs}) == 1
    assert (done.state, desk.opened) == ("COMPLETED", ["disk"])


@pytest.mark.anyio
async def test_the_queue_survives_its_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/j.db"
    blocked = Desk([call("open_ticket", title="a")], memory=Memory(url))
    async with blocked.team as team:
        first = await team.run("a", principal=alice, plan=ONE, thread_id="c")
        queued = await team.submit("b", principal=alice, plan=ONE, thread_id="c")
        await asyncio.sleep(0.1)
        assert (await team.get(queued.run_id, principal=alice)).state == "RECEIVED"
        await team.cancel(first.run_id, principal=alice)
    after = Desk(["Done b."], memory=Memory(url))
    async with after.team as team:
        [done] = await ended(team, queued)
    assert (done.state, done.answer) == ("COMPLETED", "Done b.")


@pytest.mark.anyio
async def test_a_queued_run_goes_on_by_itself_once_a_person_has_answered() -> None:
    for turn in range(5):  # the answer comes while the run is just being parked
        desk = Desk([call("open_ticket", title="disk"), "Done: ticket about disk."])
        async with desk.team as team:
            run = await team.submit("disk", principal=alice, plan=ONE)
            async for event in team.events(run.run_id, principal=alice):
                if event.kind == ("approval_requested" if turn % 2 else "state_changed"):
                    asked = await team.approvals(principal=alice)
                    if asked:
                        await team.approve(asked[0].approval_id, principal=bob)
                        break
            [done] = await ended(team, run)
        assert (done.state, desk.opened) == ("COMPLETED", ["disk"])


@pytest.mark.anyio
async def test_a_journal_that_fails_does_not_make_the_workers_spin() -> None:
    asked = 0

    def secrets(_: Principal) -> dict[str, str]:
        nonlocal asked
        asked += 1
        raise ConnectionError("the vault is gone")

    desk = Desk(["Done."], credentials=secrets)
    async with desk.team as team:
        run = await team.submit("disk", principal=alice, plan=ONE)
        [done] = await ended(team, run)
    assert (done.state, asked) == ("COMPLETED", 1)
    assert any("no credentials" in caveat for caveat in done.caveats)


@pytest.mark.anyio
async def test_a_queued_run_can_be_cancelled() -> None:
    desk = Desk([call("open_ticket", title="a")])
    async with desk.team as team:
        await team.run("a", principal=alice, plan=ONE, thread_id="c")
        queued = await team.submit("b", principal=alice, plan=Plan(ONE.tasks), thread_id="c")
        async with asyncio.timeout(PATIENCE):
            assert (await team.cancel(queued.run_id, principal=alice)).state == "CANCELLED"


@pytest.mark.anyio
async def test_a_full_queue_says_when_to_come_again_and_knows_what_it_has_accepted() -> None:
    desk = Desk(["Done."] * 3, capacity=Capacity(max_queued=1, max_runs=0))
    async with desk.team as team:
        first = await team.submit("a", principal=alice, plan=ONE, idempotency_key="k")
        for begin in (team.submit, team.run):
            with pytest.raises(Overloaded, match="try again in") as refused:
                await begin("b", principal=alice, plan=ONE)
            assert refused.value.retry_after > 0
            assert refused.value.code == "overloaded"
        again = await team.submit("a", principal=alice, plan=ONE, idempotency_key="k")
        assert [run.run_id for run in await team.runs(principal=alice)] == [first.run_id] == [again.run_id]
        assert (await team.resume(first.run_id, principal=alice)).state == "COMPLETED"
        assert (await team.run("b", principal=alice, plan=ONE)).state == "COMPLETED"


@pytest.mark.anyio
async def test_a_run_that_waits_for_a_person_holds_no_place() -> None:
    desk = Desk(
        [call("open_ticket", title="a"), "Done b.", "Done: ticket about a."], capacity=Capacity(max_runs=1)
    )
    async with desk.team as team:
        asking = await team.submit("a", principal=alice, plan=ONE)

        async def asked() -> bool:
            return bool(await team.approvals(principal=alice))

        await until(asked)
        [other] = await ended(team, await team.submit("b", principal=alice, plan=ONE))
        assert (other.state, other.answer) == ("COMPLETED", "Done b.")
        await team.approve((await team.approvals(principal=alice))[0].approval_id, principal=bob)
        [done] = await ended(team, asking)
    assert (done.state, desk.opened) == ("COMPLETED", ["a"])


@pytest.mark.anyio
async def test_a_run_that_pauses_before_another_attempt_lets_the_next_one_in() -> None:
    order: list[str] = []
    pausing = Retry(backoff_ms=(20_000,))

    @tool(effect="read", retry=pausing)
    async def take(name: str) -> str:
        """Take it."""
        order.append(name)
        if name == "broken":
            raise ConnectionError("it is away")
        return "taken"

    turns: list[Any] = [call("take", name="broken"), call("take", name="whole"), "taken"]
    agents = [Specialist("operator", "Takes.", tools=[take])]
    model, one = ScriptedChatModel(turns), Capacity(max_runs=1)
    async with Supervisor("desk", agents, models=model, capacity=one) as team:
        first = await team.submit("take the broken one", principal=alice, plan=ONE)
        await until(lambda: bool(order))
        second = await team.submit("take the whole one", principal=alice, plan=ONE)
        await ended(team, second)
        assert order == ["broken", "whole"]
        assert not (await team.get(first.run_id, principal=alice)).ended
        await team.cancel(first.run_id, principal=alice)
