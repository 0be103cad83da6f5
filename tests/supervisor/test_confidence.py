"""A write that is not sure enough is put to a person; a model's own number can only lower it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from tests.supervisor.scene import alice, yes

from pilotman.agents import Specialist, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio

LOOK = call("find_server", name="web-7")
GOOD = call("restart_server", host="web-7", ip="10.0.0.7")
MADE_UP = call("restart_server", host="web-7", ip="10.9.9.9")


class Room:
    """Servers that can be looked up and restarted. ``restarted`` are the addresses."""

    def __init__(self, turns: Sequence[str | AIMessage], **settings: Any) -> None:
        self.restarted: list[str] = []

        @tool(effect="read", third_party=False)
        async def find_server(name: str) -> dict[str, str]:
            """Find a server by its name."""
            if name == "gone":
                raise ToolFailure("no such server", kind="permanent")
            return {"name": name, "ip": "10.0.0.7"}

        @tool(effect="write")
        async def restart_server(host: str, ip: str, confidence: float | None = None) -> str:
            """Restart a server."""
            self.restarted.append(ip)
            return "restarted"

        clerk = Specialist("clerk", "Restarts servers.", tools=[find_server, restart_server])
        model = ScriptedChatModel([*turns, "Done."])
        self.team = Supervisor("room", [clerk], models=model, policy=yes, **settings)

    async def run(self, request: str = "restart web-7", **task: Any) -> Run:
        plan = Plan((Task(task_id="t", agent="clerk", goal="restart web-7", **task),))
        async with self.team:
            return await self.team.run(request, principal=alice, plan=plan)


@pytest.mark.parametrize(("least", "asks"), [(None, False), (0.5, False), (0.7, True)])
async def test_a_value_that_nobody_has_seen_is_put_to_a_person(least: float | None, asks: bool) -> None:
    room = Room([LOOK, MADE_UP], min_confidence=least)
    run = await room.run()
    assert (run.state == "ESCALATED") is asks
    assert (room.restarted == []) is asks
    if asks:
        assert "ground of the arguments" in run.approvals[0].reasons[0]


async def test_what_was_read_is_sure() -> None:
    room = Room([LOOK, GOOD], min_confidence=1.0)
    run = await room.run()
    assert (run.state, room.restarted) == ("COMPLETED", ["10.0.0.7"])


@pytest.mark.parametrize(("own", "asks"), [(0.3, True), (1.0, False), (7.0, False)])
async def test_a_models_own_number_only_lowers(own: float, asks: bool) -> None:
    sure = call("restart_server", host="web-7", ip="10.0.0.7", confidence=own)
    run = await Room([LOOK, sure], min_confidence=0.9).run()
    assert (run.state == "ESCALATED") is asks
    made_up = call("restart_server", host="web-7", ip="10.9.9.9", confidence=own)
    assert (await Room([LOOK, made_up], min_confidence=0.9).run()).state == "ESCALATED"


async def test_a_task_in_which_much_failed_is_less_sure() -> None:
    run = await Room([LOOK, call("find_server", name="gone"), GOOD], min_confidence=0.9).run()
    assert "course of the task" in run.approvals[0].reasons[0]


@pytest.mark.parametrize(("targets", "asks"), [(("web-7",), False), (("web-7", "db-3"), True)])
async def test_success_criteria_that_nobody_looked_at_lower_it(targets: tuple[str, ...], asks: bool) -> None:
    run = await Room([LOOK, GOOD], min_confidence=0.9).run("restart it", targets=targets)
    assert (run.state == "ESCALATED") is asks
    if asks:
        assert "success criteria" in run.approvals[0].reasons[0]


async def test_a_tier_that_would_restart_another_server_lowers_it() -> None:
    other = call("restart_server", host="web-8", ip="10.0.0.7")
    run = await Room([LOOK, other], min_confidence=0.9).run("restart web-7, not web-8; ip 10.0.0.7")
    assert run.state == "ESCALATED"


async def test_a_nested_team_is_held_to_the_higher_threshold() -> None:
    plan = '{"tasks": [{"task_id": "n", "agent": "clerk", "goal": "restart web-7"}]}'
    room = Room([plan, LOOK, MADE_UP], min_confidence=0.1)
    team = Supervisor("outer", [room.team], policy=yes, min_confidence=0.9)
    async with team:
        one = Plan((Task(task_id="t", agent="room", goal="restart web-7"),))
        run = await team.run("restart web-7", principal=alice, plan=one)
    assert (run.state, room.restarted) == ("ESCALATED", [])
