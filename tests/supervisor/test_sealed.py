"""What a user says, and what is done for them, is in no byte of a file; without their key nobody reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.supervisor.scene import alice, bob

from pilotman.agents import Specialist, Tool, ToolFailure, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Decision
from pilotman.guardrails.errors import NotFound
from pilotman.guardrails.seal import Subject
from pilotman.memory import Memory
from pilotman.supervisor import Plan, Run, Supervisor, Task

pytestmark = pytest.mark.anyio
MARKS = {
    name: f"xyzzy{name}"
    for name in (
        *("request", "goal", "argument", "result", "host", "comment", "edited", "answer", "error", "reason"),
        *("key", "attribute"),
    )
}
WHO = type(alice)(tenant="acme", user="alice", attributes={"mail": MARKS["attribute"]})
ONE = Plan((Task(task_id="t", agent="operator", goal=f"see to it {MARKS['goal']}"),))


def tools() -> list[Tool[..., Any]]:
    @tool(effect="read")
    async def look(what: str) -> dict[str, str]:
        """Look."""
        return {"found": MARKS["result"] * 40}

    @tool(effect="read")
    async def broken(what: str) -> str:
        """Fail."""
        raise ToolFailure(MARKS["error"])

    @tool(effect="write", idempotency_key="{host}")
    async def restart(host: str, why: str) -> str:
        """Restart."""
        return f"restarted {host} {why} {MARKS['result']}"

    return [look, broken, restart]


TURNS = (
    call("look", what=MARKS["argument"]),
    call("broken", what=MARKS["argument"]),
    call("restart", host=MARKS["host"], why=MARKS["argument"]),
    f"Done {MARKS['answer']}.",
)


def desk(memory: Memory) -> Supervisor:
    operator = Specialist("operator", "Sees to it.", tools=tools())

    def ask(call: Any) -> Decision:
        return Decision.allow() if call.effect == "read" else Decision.escalate(f"why {MARKS['reason']}")

    return Supervisor("desk", [operator], models=ScriptedChatModel(TURNS), policy=ask, memory=memory)


def marks_in(folder: Path) -> set[tuple[str, str]]:
    """Which marks stand in which files."""
    found: set[tuple[str, str]] = set()
    for path in folder.rglob("*"):
        body = path.read_bytes() if path.is_file() else b""
        found |= {(mark, path.name) for mark in MARKS.values() if mark.encode() in body}
    return found


async def work(memory: Memory, folder: Path) -> Run:
    async with desk(memory) as team:
        asked = await team.run(
            f"Please {MARKS['request']}", principal=WHO, plan=ONE, idempotency_key=MARKS["key"]
        )
        assert asked.state == "ESCALATED", asked.answer
        assert not marks_in(folder), "while it waits, write-ahead logs included"
        (question,) = asked.approvals
        assert MARKS["reason"] in str(question.reasons)
        other = {"host": MARKS["host"], "why": MARKS["edited"]}
        answered = await team.approve(
            question.approval_id, principal=bob, comment=MARKS["comment"], args=other
        )
        run = await team.resume(answered.run_id, principal=WHO)
        assert run.state == "COMPLETED", run.answer
        assert MARKS["answer"] in str(run.answer)
        told = str([e.data for e in [e async for e in team.events(run.run_id, principal=WHO)]])
        bodies = str(await memory.journal.payloads(run.run_id))
        said = {name for name, mark in MARKS.items() if mark in told + bodies}
        assert said >= MARKS.keys() - {"edited", "key", "attribute"}
        return run


async def test_no_byte_of_any_file_says_what_a_user_did_and_nothing_opens_without_the_key(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    async with Memory(url) as memory:
        run = await work(memory, tmp_path)
    assert not marks_in(tmp_path)
    async with Memory(url) as memory:
        team = desk(memory)
        assert MARKS["answer"] in str((await team.get(run.run_id, principal=WHO)).answer)
        keys = memory.seal.keys
        assert keys is not None
        assert keys.destroy(Subject("acme", "alice"))
        with pytest.raises(NotFound):
            await team.get(run.run_id, principal=WHO)
        assert await memory.journal.runs(tenant="acme") == []
        assert await memory.journal.approvals(tenant="acme") == []
        assert await memory.journal.payloads(run.run_id) == {}
        effects = await memory.journal.effects(run.run_id, tenant="acme")
        events = await memory.journal.events(run.run_id, tenant="acme")
        moves = await memory.journal.transitions(run.run_id, tenant="acme")
        assert not any(mark in str([effects, events, moves]) for mark in MARKS.values())
        assert {str(event.data) for event in events} == {"{'forgotten': True}"}
        assert (await memory.verify()).sound
