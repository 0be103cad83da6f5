"""Sagas: what a run has written is taken back in reverse, under the same guardrails, and only once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.scene import alice, bob, check_moves, history

from pilotman.agents import Agent, Specialist, Tool, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Call, Decision, PilotmanError
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

PLAN = Plan(
    (
        Task(task_id="room", agent="clerk", goal="book a room"),
        Task(task_id="car", agent="clerk", goal="book a car", depends_on=("room",)),
        Task(task_id="pay", agent="bank", goal="pay", depends_on=("car",)),
    )
)
TURNS: list[Any] = [
    call("book", what="room"),
    "Booked a room.",
    call("book", what="car"),
    "Booked a car.",
    '{"tasks": [{"task_id": "p", "agent": "cashier", "goal": "pay"}]}',  # the bank's own plan
    call("pay", cents=900),
    "It could not be paid.",
    *["It was booked."] * 3,
]


class Town:
    """What was booked, and what was taken back, in order."""

    def __init__(self, *, pays: bool = False) -> None:
        self.pays = pays
        self.log: list[str] = []

    def tools(self) -> tuple[Tool[..., Any], Tool[..., Any]]:
        @tool(effect="write", idempotency_key="{what}", key_scope="tenant")
        async def book(what: str) -> dict[str, str]:
            """Book something."""
            self.log.append(f"book {what}")
            return {"booking": f"B-{what}"}

        @book.compensate
        async def give_back(done: dict[str, str], what: str) -> None:
            self.log.append(f"give back {done['booking']}")

        @tool(effect="write")
        async def pay(cents: int) -> str:
            """Pay."""
            if not self.pays:
                raise ToolFailure("the card was refused", kind="permanent")
            return "paid"

        return book, pay


def team(town: Town, memory: Memory | None = None, *, saga: bool = True, policy: Any = None) -> Supervisor:
    book, pay = town.tools()
    agents: list[Agent] = [
        Specialist("clerk", "Books things.", tools=[book]),
        Supervisor("bank", [Specialist("cashier", "Pays.", tools=[pay])], description="Pays."),
    ]
    return Supervisor(
        "travel",
        agents,
        models=ScriptedChatModel(TURNS),
        policy=policy or (lambda _: Decision.allow()),
        memory=memory,
        saga=saga,
    )


async def travel(supervisor: Supervisor) -> Run:
    return await supervisor.run("book a room and a car, and pay 900 cents", principal=alice, plan=PLAN)


def statuses(run: Run) -> list[tuple[str, str]]:
    return [(action.tool, action.status) for action in run.actions]


@pytest.mark.anyio
async def test_a_run_that_cannot_do_everything_takes_back_what_it_did_the_last_first() -> None:
    town = Town()
    async with team(town) as supervisor:
        run = await travel(supervisor)
        check_moves(run, await history(supervisor, run))
    assert town.log == ["book room", "book car", "give back B-car", "give back B-room"]
    assert statuses(run)[:2] == [("book", "compensated"), ("book", "compensated")]
    assert ("pay", "not_applied") in statuses(run)
    assert any("taken back" in caveat for caveat in run.caveats)


@pytest.mark.anyio
async def test_a_run_that_did_everything_takes_nothing_back() -> None:
    town = Town(pays=True)
    async with team(town) as supervisor:
        run = await travel(supervisor)
    assert town.log == ["book room", "book car"]
    assert {status for _, status in statuses(run)} == {"applied"}


@pytest.mark.anyio
async def test_without_saga_it_stays_until_somebody_compensates_the_run() -> None:
    town = Town()
    async with team(town, saga=False) as supervisor:
        run = await travel(supervisor)
        assert town.log == ["book room", "book car"]
        back = await supervisor.compensate(run.run_id, principal=alice, reason="the card was refused")
        again = await supervisor.get(run.run_id, principal=alice)
        with pytest.raises(PilotmanError, match="nothing that can be taken back"):
            await supervisor.compensate(run.run_id, principal=alice, reason="once more")
    assert town.log[2:] == ["give back B-car", "give back B-room"]
    assert back.state == "COMPLETED"
    assert statuses(back) == [("book", "compensated"), ("book", "compensated")]
    assert statuses(again)[:2] == [("book", "compensated"), ("book", "compensated")]


@pytest.mark.anyio
async def test_another_tenants_run_is_not_found() -> None:
    town = Town(pays=True)
    async with team(town) as supervisor:
        run = await travel(supervisor)
        other = type(alice)(tenant="other", user="eve")
        with pytest.raises(PilotmanError, match="no run"):
            await supervisor.compensate(run.run_id, principal=other, reason="spite")
    assert town.log == ["book room", "book car"]


@pytest.mark.anyio
async def test_a_compensation_needs_a_permit_and_may_wait_for_a_person(tmp_path: Path) -> None:
    town = Town(pays=True)
    asked_for: list[str] = []

    def careful(proposal: Call) -> Decision:
        asked_for.append(proposal.tool)
        return Decision.escalate("ask") if town.log[1:] else Decision.allow()

    url = f"sqlite:///{tmp_path / 'j.db'}"
    async with team(town, Memory(url), policy=careful) as supervisor:
        run = await travel(supervisor)
        while run.pending:
            await supervisor.approve(run.pending[0].approval_id, principal=bob)
            run = await supervisor.resume(run.run_id, principal=alice)
        back = await supervisor.compensate(run.run_id, principal=alice, reason="changed my mind")
        assert back.state == "ESCALATED"
        assert town.log == ["book room", "book car"]
    async with team(town, Memory(url), policy=careful) as supervisor:  # another process goes on
        while back.pending:
            await supervisor.approve(back.pending[0].approval_id, principal=bob)
            back = await supervisor.resume(back.run_id, principal=alice)
    assert town.log[2:] == ["give back B-car", "give back B-room"]
    assert back.state == "COMPLETED"


@pytest.mark.anyio
async def test_what_a_person_refuses_to_take_back_stays() -> None:
    town = Town(pays=True)

    def careful(_: Call) -> Decision:
        return Decision.escalate("ask") if town.log[1:] else Decision.allow()

    async with team(town, policy=careful) as supervisor:
        run = await travel(supervisor)
        while run.pending:
            await supervisor.approve(run.pending[0].approval_id, principal=bob)
            run = await supervisor.resume(run.run_id, principal=alice)
        back = await supervisor.compensate(run.run_id, principal=alice, reason="changed my mind")
        while back.pending:
            await supervisor.reject(back.pending[0].approval_id, principal=bob, comment="keep it")
            back = await supervisor.resume(back.run_id, principal=alice)
        again = await supervisor.get(run.run_id, principal=alice)
    assert town.log == ["book room", "book car"]
    assert statuses(again)[:2] == [("book", "applied"), ("book", "applied")]


@pytest.mark.anyio
async def test_the_same_may_be_written_again_after_it_was_taken_back(tmp_path: Path) -> None:
    town, url = Town(), f"sqlite:///{tmp_path / 'j.db'}"
    async with team(town, Memory(url)) as supervisor:
        await travel(supervisor)
    town.pays = True
    async with team(town, Memory(url)) as supervisor:
        again = await travel(supervisor)
        assert town.log[4:] == ["book room", "book car"]
        assert {status for _, status in statuses(again)} == {"applied"}
        await supervisor.compensate(again.run_id, principal=alice, reason="it rains")
    assert town.log[6:] == ["give back B-car", "give back B-room"], "and taken back again"
