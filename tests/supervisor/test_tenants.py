"""Tenants never see each other: every verb that takes an id is tried with another tenant's."""

from __future__ import annotations

import asyncio
import inspect
from pathlib import Path
from typing import Any

import pytest
from tests.patience import until

from pilotman.agents import Specialist, ToolContext, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Budget, Call, Decision, Principal
from pilotman.guardrails.errors import Conflict, NotFound
from pilotman.memory import Memory
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor import Plan, Supervisor, Task

alice = Principal(tenant="acme", user="alice")
eve = Principal(tenant="evil", user="alice")
PLAN = Plan((Task(task_id="t", agent="operator", goal="open a ticket"),))


@tool(effect="write")
async def open_ticket(title: str) -> str:
    """Open a ticket."""
    return f"ticket about {title}"


def yes(_: Call) -> Decision:
    return Decision.allow()


def desk(**kwargs: Any) -> Supervisor:
    model = ScriptedChatModel([call("open_ticket", title="disk"), "Done: ticket about disk."] * 4)
    agents = [Specialist("operator", "Opens tickets.", tools=[open_ticket])]
    return Supervisor("desk", agents, models=model, **kwargs)


@pytest.mark.anyio
async def test_every_verb_with_an_id_refuses_a_foreign_one() -> None:
    async with desk() as team:
        run = await team.run("open a ticket", principal=alice, plan=PLAN)
        ids = {"run_id": run.run_id, "approval_id": run.pending[0].approval_id}
        verbs = {
            name: [p for p in ids if p in inspect.signature(verb).parameters]
            for name, verb in inspect.getmembers(team, callable)
            if not name.startswith("_") and "principal" in inspect.signature(verb).parameters
        }
        tried = {name: taken[0] for name, taken in verbs.items() if taken}
        assert set(tried) >= {"resume", "cancel", "get", "events", "approve", "reject", "approvals"}
        for name, parameter in tried.items():
            verb = getattr(team, name)
            reason = {"reason": "spite"} if "reason" in inspect.signature(verb).parameters else {}
            called = verb(**{parameter: ids[parameter]}, principal=eve, **reason)
            with pytest.raises(NotFound):
                await (anext(called) if hasattr(called, "__aiter__") else called)
        assert await team.runs(principal=eve) == []
        assert await team.approvals(principal=eve) == []
        assert (await team.get(run.run_id, principal=alice)).state == "ESCALATED"


@pytest.mark.anyio
async def test_idempotency_keys_and_threads_are_a_tenant_s_own() -> None:
    async with desk(policy=yes) as team:
        mine = await team.run("open", principal=alice, plan=PLAN, idempotency_key="k", thread_id="c")
        again = await team.run("open", principal=alice, plan=PLAN, idempotency_key="k", thread_id="c")
        theirs = await team.run("open", principal=eve, plan=PLAN, idempotency_key="k", thread_id="c")
    assert mine.run_id == again.run_id != theirs.run_id


@pytest.mark.anyio
async def test_two_supervisors_with_different_settings_share_a_process_and_a_journal() -> None:
    memory = Memory("sqlite://")
    async with memory:
        strict, free = desk(memory=memory), desk(memory=memory, policy=yes)
        waiting, done = await asyncio.gather(
            strict.run("open", principal=alice, plan=PLAN, budget=Budget(max_steps=5)),
            free.run("open", principal=eve, plan=PLAN),
        )
        assert (waiting.state, done.state) == ("ESCALATED", "COMPLETED")
        assert (waiting.max_steps, done.max_steps) == (5, 40)
        await strict.aclose()
        await free.aclose()
        assert memory.journal.started, "whoever opened the memory closes it"


@pytest.mark.anyio
async def test_a_busy_conversation_refuses_run_and_queues_submit() -> None:
    by_rules = Supervisor("desk", [Specialist("operator", "Opens tickets.", tools=[open_ticket])])
    async with by_rules as team:
        first = await team.run("open", principal=alice, plan=PLAN, thread_id="c")
        with pytest.raises(Conflict, match="c"):
            await team.run("open a ticket about the disk", principal=alice, plan=PLAN, thread_id="c")
        queued = await team.submit("open a ticket about the disk", principal=alice, plan=PLAN, thread_id="c")
        assert queued.state == "RECEIVED"
        await team.reject(first.pending[0].approval_id, principal=alice, comment="no")
        ended = await team.resume(first.run_id, principal=alice)
        assert ended.state == "COMPLETED"

        async def escalated() -> bool:
            return (await team.get(queued.run_id, principal=alice)).state == "ESCALATED"

        await until(escalated)


@pytest.mark.anyio
async def test_concurrent_runs_of_two_tenants_see_nothing_of_each_other(tmp_path: Path) -> None:
    """One journal, one corpus, one conversation name, the same words: the secrets stay apart."""
    sources: list[FolderSource] = []
    for tenant in ("acme", "evil"):
        folder = tmp_path / tenant
        folder.mkdir()
        (folder / "disk.md").write_text(f"# The disk is full\n\nThe secret of {tenant} is {tenant}-4711.\n")
        sources.append(FolderSource(folder, readers=[f"tenant:{tenant}"]))
    opened: list[tuple[str, str]] = []

    @tool(effect="write", key_scope="tenant")
    async def open_ticket(title: str, ctx: ToolContext) -> str:
        """Open a ticket."""
        opened.append((ctx.principal.tenant, ctx.idempotency_key))
        return f"ticket of {ctx.principal.tenant} with {ctx.credentials['token']}"

    memory = Memory(f"sqlite:///{tmp_path}/j.db")
    team = Supervisor(
        "desk",
        [Specialist("operator", "Opens tickets.", tools=[open_ticket])],
        memory=memory,
        corpus=Corpus(sources, embedding=None),
        policy=lambda _: Decision.allow(),
        credentials=lambda principal: {"token": f"token-{principal.tenant}"},
    )
    async with team:
        runs = await asyncio.gather(
            *(
                team.run("open a ticket: the disk is full", principal=who, thread_id="c", idempotency_key="k")
                for who in (alice, eve)
                for _ in range(2)
            )
        )
        assert [run.state for run in runs] == ["COMPLETED"] * 4
        assert len({run.run_id for run in runs}) == 2
        assert sorted(tenant for tenant, _ in opened) == ["acme", "evil"]
        for run, who, other in ((runs[0], alice, "evil"), (runs[2], eve, "acme")):
            events = [event async for event in team.events(run.run_id, principal=who)]
            bodies = await memory.journal.payloads(run.run_id)
            everything = " ".join([run.to_json(), *(e.to_json() for e in events), *map(str, bodies.values())])
            assert f"{who.tenant}-4711" in everything
            assert f"token-{who.tenant}" in everything, "what a tool returns is on record"
            for foreign in (f"{other}-4711", f"token-{other}", f"ticket of {other}"):
                assert foreign not in everything
            for digest in bodies:
                with pytest.raises(NotFound):
                    await memory.journal.payload(run.run_id, digest, tenant=other)
