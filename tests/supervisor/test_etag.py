"""A write is permitted for one version of its target, and reaches no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from tests.supervisor.scene import alice, yes

from pilotman.agents import Specialist, ToolContext, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Call, Decision
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio

ONE = Plan((Task(task_id="t", agent="clerk", goal="rename it"),))
RENAME = call("rename_page", page="home", title="Welcome")


def ask(shown: Call, /) -> Decision | None:
    return Decision.escalate("look at it") if shown.effect != "read" else Decision.allow()


class Wiki:
    """Pages with versions. ``renamed`` holds what the tool was given as the version."""

    def __init__(self, turns: Sequence[str | AIMessage], **settings: Any) -> None:
        self.version: object = "v1"
        self.moves: list[object] = []
        self.renamed: list[str | None] = []

        @tool(effect="write")
        async def rename_page(page: str, title: str, ctx: ToolContext) -> str:
            """Rename a page."""
            self.renamed.append(ctx.etag)
            if self.moves:  # somebody else was quicker
                self.version = self.moves.pop(0)
                raise ToolFailure("it has changed", kind="conflict")
            return "renamed"

        @rename_page.precondition
        async def _(page: str, title: str, ctx: ToolContext) -> dict[str, Any]:
            return {} if self.version is None else {"etag": self.version}

        clerk = Specialist("clerk", "Renames pages.", tools=[rename_page])
        self.team = Supervisor("wiki", [clerk], models=ScriptedChatModel(turns), **settings)

    async def run(self) -> Run:
        return await self.team.run("rename it", principal=alice, plan=ONE)

    async def agree(self, run: Run, **kwargs: Any) -> Run:
        await self.team.approve(run.approvals[0].approval_id, principal=alice, **kwargs)
        return await self.team.resume(run.run_id, principal=alice)


@pytest.mark.parametrize(("version", "told"), [("v1", "v1"), (7, "7"), (None, None)])
async def test_the_tool_is_told_the_version_that_was_permitted(version: object, told: str | None) -> None:
    wiki = Wiki([RENAME, "Renamed."], policy=yes)
    wiki.version = version
    async with wiki.team:
        await wiki.run()
    assert wiki.renamed == [told]


async def test_a_yes_holds_for_the_version_that_was_shown() -> None:
    wiki = Wiki([RENAME, "Renamed."], policy=ask)
    async with wiki.team:
        await wiki.agree(await wiki.run())
    assert wiki.renamed == ["v1"]


@pytest.mark.parametrize("later", ["v2", None])
async def test_a_yes_to_one_version_does_not_reach_another(later: object) -> None:
    wiki = Wiki([RENAME, "It was not renamed: it has changed."], policy=ask)
    async with wiki.team:
        waiting = await wiki.run()
        wiki.version = later
        run = await wiki.agree(waiting)
        events = [e async for e in wiki.team.events(run.run_id, principal=alice)]
    assert wiki.renamed == []
    assert run.state == "COMPLETED"
    (told,) = [e for e in events if e.kind == "decision" and e.data["stage"] == "write"]
    assert "has changed" in told.data["reasons"][0]


async def test_looked_at_again_it_is_asked_about_again() -> None:
    again = call("rename_page", page="home", title="Welcome!")
    wiki = Wiki([RENAME, again, "Renamed."], policy=ask)
    async with wiki.team:
        waiting = await wiki.run()
        wiki.version = "v2"
        second = await wiki.agree(waiting)
        assert second.state == "ESCALATED"
        open_now = [a for a in second.approvals if a.state == "pending"]
        await wiki.team.approve(open_now[0].approval_id, principal=alice)
        await wiki.team.resume(second.run_id, principal=alice)
    assert wiki.renamed == ["v2"]


async def test_a_conflict_is_read_again_before_it_is_tried_again() -> None:
    wiki = Wiki([RENAME, "Renamed."], policy=yes)
    wiki.moves = ["v2", "v3"]
    async with wiki.team:
        run = await wiki.run()
    assert wiki.renamed == ["v1", "v2", "v3"]
    assert [action.status for action in run.actions] == ["applied"]
    assert not any("rename_page" in caveat for caveat in run.caveats)


async def test_a_conflict_about_the_same_version_is_not_tried_again() -> None:
    wiki = Wiki([RENAME, "It was not renamed."], policy=yes)
    wiki.moves = ["v1"]
    async with wiki.team:
        run = await wiki.run()
    assert wiki.renamed == ["v1"]
    assert "rename_page failed: it has changed" in run.caveats


async def test_conflicts_end() -> None:
    wiki = Wiki([RENAME, "It was not renamed."], policy=yes)
    wiki.moves = [f"v{n}" for n in range(2, 20)]
    async with wiki.team:
        run = await wiki.run()
    assert wiki.renamed == ["v1", "v2", "v3", "v4"]
    assert [action.status for action in run.actions] == ["not_applied"]


async def test_a_conflict_does_not_carry_a_yes_to_another_version() -> None:
    wiki = Wiki([RENAME, "It was not renamed: it has changed."], policy=ask)
    wiki.moves = ["v2"]
    async with wiki.team:
        run = await wiki.agree(await wiki.run())
    assert wiki.renamed == ["v1"]
    assert run.state == "COMPLETED"
