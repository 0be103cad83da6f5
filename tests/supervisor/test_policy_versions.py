"""Policy versions only grow: an older policy permits nothing, until somebody goes back on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.scene import alice

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Call, Decision, Principal
from pilotman.guardrails.errors import InvalidRequest, PermissionDenied
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio

OLGA = Principal(tenant="acme", user="olga", roles=frozenset({"operator"}))
ONE = Plan((Task(task_id="t", agent="clerk", goal="open a ticket"),))


class Rules:
    """A policy with a version of its own."""

    def __init__(self, version: str) -> None:
        self.version = version

    def __call__(self, shown: Call, /) -> Decision | None:
        return Decision.allow(self.version)


class Desk:
    """One process with one version of the policy; the journal is shared. ``opened`` are tickets."""

    def __init__(self, folder: Path, version: str, opened: list[str]) -> None:
        @tool(effect="write")
        async def open_ticket(title: str) -> str:
            """Open a ticket."""
            opened.append(f"{version}: {title}")
            return "opened"

        clerk = Specialist("clerk", "Opens tickets.", tools=[open_ticket])
        turns: Any = [call("open_ticket", title="disk"), "Nothing more."] * 5
        memory = Memory(f"sqlite:///{folder / 'runs.db'}")
        model = ScriptedChatModel(turns)
        self.team = Supervisor("desk", [clerk], policy=Rules(version), models=model, memory=memory)

    async def run(self) -> Run:
        return await self.team.run("open a ticket", principal=alice, plan=ONE)


async def test_a_replaced_policy_permits_nothing_any_more(tmp_path: Path) -> None:
    opened: list[str] = []
    old, new = Desk(tmp_path, "1", opened), Desk(tmp_path, "2", opened)
    async with old.team:
        await old.run()
        async with new.team:
            await new.run()
            run = await old.run()
    assert opened == ["1: disk", "2: disk"]
    assert run.state == "COMPLETED"
    assert any("was replaced" in caveat for caveat in run.caveats)


async def test_going_back_is_an_operators_act_and_kept(tmp_path: Path) -> None:
    opened: list[str] = []
    for version in ("1", "2"):
        async with Desk(tmp_path, version, opened).team as team:
            await team.run("open a ticket", principal=alice, plan=ONE)
    back = Desk(tmp_path, "1", opened)
    async with back.team:
        await back.run()
        assert opened == ["1: disk", "2: disk"], "another start of the old version changes nothing"
        with pytest.raises(PermissionDenied):
            await back.team.restore_policy(principal=alice, reason="it was better")
        with pytest.raises(InvalidRequest):
            await back.team.restore_policy(principal=OLGA, reason=" ")
        await back.team.restore_policy(principal=OLGA, reason="version 2 denies too much")
        await back.run()
    assert opened == ["1: disk", "2: disk", "1: disk"]
    async with Memory(f"sqlite:///{tmp_path / 'runs.db'}") as memory:
        first, second, third = await memory.journal.policy_versions("desk")
    assert first == third != second
