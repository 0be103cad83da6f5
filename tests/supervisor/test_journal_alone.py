"""From a journal's file and its keys alone every call can be told: what went in, what came out, how often."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from tests.patience import PATIENCE
from tests.supervisor.scene import alice, bob, calls, planned, yes

from pilotman.agents import Specialist, Tool, tool
from pilotman.agents.messages import to_langchain
from pilotman.agents.testing import FaultyChatModel, ScriptedChatModel, call
from pilotman.guardrails import Decision
from pilotman.guardrails.seal import Seal, Subject
from pilotman.guardrails.shape import is_mapping
from pilotman.memory import Memory
from pilotman.memory.keyring.folder import FolderKeys
from pilotman.memory.storage.stored import without_head
from pilotman.supervisor import Plan, Supervisor, Task

pytestmark = pytest.mark.anyio
ONE = Plan((Task(task_id="t", agent="worker", goal="see and write"),))


class Kept:
    """A run's events as rows of the file, opened with the keys beside it, payloads back in their places."""

    def __init__(self, path: Path, run_id: str) -> None:
        with closing(sqlite3.connect(path)) as database:
            database.row_factory = sqlite3.Row
            found = database.execute("SELECT digest, body FROM payloads WHERE run_id = ?", (run_id,))
            stored = {row["digest"]: row["body"] for row in found}
            rows = database.execute("SELECT * FROM events WHERE run_id = ? ORDER BY seq", (run_id,))
            self.rows = [dict(row) for row in rows]
            owner = database.execute("SELECT tenant, user FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        seal, subject = Seal(FolderKeys(path.with_name(f"{path.stem}.keys"))), Subject(*owner)

        def opened(place: str, value: bytes) -> Any:
            return json.loads(seal.open(subject, without_head(value), place.encode()))

        bodies = {name: opened(f"payloads.body/{run_id}/{name}", body) for name, body in stored.items()}
        for row in self.rows:
            data = opened(f"events.data/{run_id}/{row['seq']}", row.pop("data"))
            row["data"] = {name: _body(value, bodies) for name, value in data.items()}

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["kind"] in kinds]

    def ended(self, what: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Each call that was begun, with its end; both of the same attempt."""
        ends = {_attempt(row): row for row in self.of(f"{what}_completed", f"{what}_failed")}
        return [(row, ends.pop(_attempt(row))) for row in self.of(f"{what}_started")]


def _body(value: Any, bodies: Mapping[str, Any]) -> Any:
    return bodies[value["payload"]] if is_mapping(value) and set(value) == {"payload"} else value


def _attempt(row: Mapping[str, Any]) -> tuple[Any, ...]:
    data = row["data"]
    return row["step_id"], row["model"] or row["tool"], data["digest"], data["attempt"]


class World:
    """Tools that note what they were called with and what they gave; ``look`` fails every other time."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, Any], Any]] = []

    def _note(self, name: str, args: dict[str, Any], gave: Any) -> Any:
        self.seen.append((name, args, gave))
        return gave

    def tools(self) -> list[Tool[..., Any]]:
        @tool(effect="read")
        async def look(host: str, depth: int = 3) -> dict[str, Any]:
            """Look."""
            if len(self.seen) % 2 == 0:
                self._note("look", {"depth": depth, "host": host}, None)
                raise ConnectionError("it is down")
            return dict(self._note("look", {"depth": depth, "host": host}, {"free": "3%"}))

        @tool(effect="write")
        async def change(title: str) -> str:
            """Change."""
            return str(self._note("change", {"title": title}, f"changed {title}"))

        return [look, change]


def _models_agree(kept: Kept, *models: ScriptedChatModel) -> None:
    """Every request and reply of the models stands in the journal, and no other reply does."""
    calls_made = [(s["data"]["request"], e) for s, e in kept.ended("model_call")]
    for request in (request for model in models for request in model.requests):
        sent = [message.model_dump() for message in request.messages]
        said = [
            (body, end)
            for body, end in calls_made
            if [to_langchain(message).model_dump() for message in body["messages"]] == sent
        ]
        assert said, sent[-1]
        offered = {t["function"]["name"]: t["function"] for t in request.tools}
        recorded = {t["function"]["name"]: t["function"] for t in said[0][0]["tools"]}
        assert offered == recorded or said[0][0]["schema"]["title"] in offered
    replies = [_said(to_langchain(e["data"]["response"])) for _, e in calls_made if "response" in e["data"]]
    for model in models:
        for turn in model.turns[: len(model.requests)]:
            assert _said(turn) in replies
    for _, end in calls_made:
        assert end["latency_ms"] >= 0
        assert None not in (end["input_tokens"], end["output_tokens"], end["model"], end["result"])


def _said(turn: Any) -> tuple[str, list[Any]]:
    if isinstance(turn, str):
        return turn, []
    return turn.content, [(asked["name"], asked["args"]) for asked in turn.tool_calls]


def _tools_agree(kept: Kept, world: World) -> None:
    made: list[Any] = [
        (s["tool"], s["data"]["args"], (e["data"]["result"] or {}).get("value"))
        for s, e in kept.ended("tool_call")
    ]
    assert sorted(map(json.dumps, made)) == sorted(map(json.dumps, world.seen))
    assert all(end["latency_ms"] > 0 and end["result"] for _, end in kept.ended("tool_call"))


async def test_retries_fallbacks_branches_and_nested_teams(tmp_path: Path) -> None:
    world = World()
    outer = planned(
        {"task_id": "a", "agent": "worker", "goal": "x"}, {"task_id": "b", "agent": "inner", "goal": "y"}
    )
    inner = planned({"task_id": "i", "agent": "deep", "goal": "z"})
    scripts = [
        ScriptedChatModel([outer], agent="desk"),
        ScriptedChatModel([inner], agent="inner"),
        ScriptedChatModel(
            [calls(call("look", host="web-1"), call("look", host="web-2")), "Seen."], agent="worker"
        ),
        ScriptedChatModel([call("change", title="a"), "Changed a."], agent="deep"),
        ScriptedChatModel(["It is done."] * 3),
    ]
    first = FaultyChatModel(ScriptedChatModel(["never"] * 9), faults=["timeout", "garbage", "rate_limit"])
    nested = Supervisor("inner", [Specialist("deep", "Changes.", tools=world.tools())], policy=yes)
    team = Supervisor(
        "desk",
        [Specialist("worker", "Looks.", tools=world.tools()), nested],
        models={"planner": scripts[:2], "worker": scripts[2:4], "writer": [first, scripts[4]]},
        policy=yes,
        memory=Memory(f"sqlite:///{tmp_path}/j.db"),
    )
    async with team:
        run = await team.run("look and change", principal=alice)
    kept = Kept(tmp_path / "j.db", run.run_id)
    _models_agree(kept, *scripts)
    _tools_agree(kept, world)
    assert {"fallback_activated", "retry_scheduled"} <= {row["kind"] for row in kept.rows}
    assert {row["step_id"].count("task:") for row in kept.of("tool_call_completed")} == {1, 2}


async def test_an_approval_with_other_arguments_in_another_life(tmp_path: Path) -> None:
    world = World()
    world.seen.append(("look", {"host": "before", "depth": 3}, None))
    model = ScriptedChatModel([calls(call("look", host="web-1"), call("change", title="a")), "Changed b."])

    def team() -> Supervisor:
        workers = [Specialist("worker", "Works.", tools=world.tools())]
        return Supervisor("desk", workers, models=model, memory=Memory(f"sqlite:///{tmp_path}/j.db"))

    async with team() as first:
        run = await first.run("go", principal=alice, plan=ONE)
        (asked,) = await first.approvals(principal=alice)
    async with team() as second:
        await second.approve(asked.approval_id, principal=bob, args={"title": "b"})
        run = await second.resume(run.run_id, principal=alice)
    assert run.state == "COMPLETED"
    kept = Kept(tmp_path / "j.db", run.run_id)
    del world.seen[0]
    _models_agree(kept, model)
    _tools_agree(kept, world)


async def test_facts_look_ups_and_decisions_that_change(tmp_path: Path) -> None:
    """What a policy saw, what a look-up said, and each verdict about the same call are there too."""
    tries: list[str] = []

    @tool(effect="write", timeout=0.2)
    async def pay(account: str) -> str:
        """Pay."""
        tries.append(account)
        if len(tries) == 1:
            await asyncio.sleep(5)
        return "paid"

    @pay.lookup
    async def find(account: str) -> str | None:
        return None

    @pay.precondition
    async def before(account: str) -> dict[str, Any]:
        return {"open": True, "asked": account}

    verdicts = iter(["allow", "escalate"])

    def fickle(wanted: Any) -> Decision:
        if wanted.tool != "pay" or wanted.approved_by or next(verdicts) == "allow":
            return Decision.allow()
        return Decision.escalate("second thoughts")

    worker = Specialist("worker", "Pays.", tools=[pay])
    model = ScriptedChatModel([call("pay", account="a"), "Paid."])
    memory = Memory(f"sqlite:///{tmp_path}/j.db")
    async with Supervisor("desk", [worker], models=model, policy=fickle, memory=memory) as team:
        run = await team.run("pay", principal=alice, plan=ONE)
        (asked,) = await team.approvals(principal=alice)
        await team.approve(asked.approval_id, principal=bob)
        run = await team.resume(run.run_id, principal=alice)
    assert (run.state, tries) == ("COMPLETED", ["a", "a"])
    kept = Kept(tmp_path / "j.db", run.run_id)
    decided = [(row["data"]["stage"], row["result"], row["data"]["facts"]) for row in kept.of("decision")]
    facts = {"open": True, "asked": "a"}
    assert decided == [("guard", "allow", facts), ("write", "escalate", facts), ("write", "allow", facts)]
    (looked,) = kept.of("effect_looked_up")
    assert (looked["result"], looked["tool"], looked["data"]["attempt"]) == ("not_applied", "pay", 1)
    assert looked["latency_ms"] > 0


async def test_calls_that_were_stopped_have_an_end_and_were_paid_for(tmp_path: Path) -> None:
    begun = asyncio.Event()

    @tool(effect="read", timeout=60)
    async def slow(host: str) -> str:
        """Slow."""
        begun.set()
        await asyncio.sleep(60)
        return ""

    plan = Plan((*ONE.tasks, Task(task_id="u", agent="thinker", goal="think")))
    models = [
        ScriptedChatModel([call("slow", host="web-1")], agent="worker"),
        FaultyChatModel(ScriptedChatModel([AIMessage("x")], agent="thinker"), faults=["hang"]),
    ]
    workers = [Specialist("worker", "Works.", tools=[slow]), Specialist("thinker", "Thinks.")]
    memory = Memory(f"sqlite:///{tmp_path}/j.db")
    async with Supervisor("desk", workers, models=models, policy=yes, memory=memory) as team:
        run = await team.submit("go", principal=alice, plan=plan)
        await asyncio.wait_for(begun.wait(), PATIENCE)
        run = await team.cancel(run.run_id, principal=alice)
    assert (run.state, run.usage.steps, run.usage.tool_calls) == ("CANCELLED", 2, 1)
    kept = Kept(tmp_path / "j.db", run.run_id)
    assert [end["kind"] for _, end in kept.ended("tool_call")] == ["tool_call_failed"]
    assert sorted(end["kind"] for _, end in kept.ended("model_call")) == [
        "model_call_completed",
        "model_call_failed",
    ]
    (lost,) = kept.of("model_call_failed")
    assert lost["input_tokens"] > 0
    assert "stopped" in lost["data"]["message"]
