"""Why a run answered and wrote what it did, and what came of a document: end to end."""

from __future__ import annotations

import asyncio
import random
import re
from pathlib import Path

import pytest
from tests.supervisor.scene import alice, bob, calls, planned

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Principal
from pilotman.guardrails.errors import NotFound, Unavailable
from pilotman.memory import Lineage, Memory
from pilotman.memory.provenance.graph import ENDS, Edge, Node, Subgraph
from pilotman.memory.provenance.prov import fold
from pilotman.memory.provenance.sheet import Origin
from pilotman.retrieval import Corpus, FolderSource
from pilotman.supervisor import Run, Supervisor

pytestmark = pytest.mark.anyio
PLAN = planned(
    {"task_id": "look", "agent": "looker", "goal": "look"},
    {"task_id": "act", "agent": "inner", "goal": "act", "depends_on": ["look"]},
)
INNER = planned({"task_id": "write", "agent": "operator", "goal": "open a ticket"})
CITING = 'A full disk is cleaned. "Delete old logs when the disk is full." [1]'


class World:
    """A team whose inner team writes after a person's yes; what it knows is in one folder."""

    def __init__(self, folder: Path, memory: Memory) -> None:
        self.opened: list[str] = []
        documents = folder / "runbooks"
        documents.mkdir(exist_ok=True)
        (documents / "disk.md").write_text("# Disk full\n\nDelete old logs when the disk is full.\n")

        @tool(effect="read")
        async def look(host: str) -> str:
            """Look."""
            return f"{host} is full"

        @tool(effect="write")
        async def open_ticket(title: str) -> str:
            """Open a ticket."""
            self.opened.append(title)
            return f"ticket about {title}"

        self.memory = memory
        scripts = [
            ScriptedChatModel([PLAN], agent="desk"),
            ScriptedChatModel([INNER], agent="inner"),
            ScriptedChatModel([calls(call("look", host="web-1")), "It is full."], agent="looker"),
            ScriptedChatModel([call("open_ticket", title="disk full"), "Opened."], agent="operator"),
            ScriptedChatModel([CITING] * 3),
        ]
        inner = Supervisor("inner", [Specialist("operator", "Opens tickets.", tools=[open_ticket])])
        self.team = Supervisor(
            "desk",
            [Specialist("looker", "Looks.", tools=[look]), inner],
            models={"planner": scripts[:2], "worker": scripts[2:4], "writer": scripts[4]},
            memory=memory,
            corpus=Corpus([FolderSource(documents)], path=folder / "index"),
        )

    async def run(self) -> Run:
        """A question, a person's yes, an answer."""
        run = await self.team.run("the disk is full, what now?", principal=alice)
        (asked,) = run.pending
        await self.team.approve(asked.approval_id, principal=bob)
        run = await self.team.resume(run.run_id, principal=alice)
        assert (run.state, self.opened) == ("COMPLETED", ["disk full"])
        return run


@pytest.fixture(params=["memory", "file"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Memory:
    return Memory("sqlite://" if request.param == "memory" else f"sqlite:///{tmp_path}/desk.db")


def ids(lineage: Lineage, *types: str) -> set[str]:
    return {str(node["id"]) for node in lineage.of(*types)}


async def test_why_of_a_run_reaches_request_documents_approvals_and_effects(
    tmp_path: Path, memory: Memory
) -> None:
    world = World(tmp_path, memory)
    async with world.team:
        run = await world.run()
        why = await memory.why(run.run_id, principal=alice)
    assert f"run:{run.run_id}" in ids(why, "run")
    assert ids(why, "request") == {f"request:{run.run_id}"}
    assert ids(why, "user") == {"user:alice", "user:bob"}
    assert {node["uri"] for node in why.of("document")} == {r.source for r in run.retrieved} == {"disk.md"}
    assert ids(why, "snapshot") == {f"snapshot:{s.snapshot_id}" for s in run.snapshots}
    (effect,) = why.of("effect")
    assert (effect["tool"], "applied_at" in effect) == ("open_ticket", True)
    (approval,) = why.of("approval")
    assert (approval["answered_by"], "approved_at" in approval) == ("bob", True)
    assert {node["name"] for node in why.of("agent")} == {"desk", "looker", "inner", "operator"}
    assert not why.remarks
    assert not why.truncated
    assert "approved by bob" in str(why)


async def test_why_of_a_write_names_who_approved_it_and_what_it_was_decided_from(
    tmp_path: Path, memory: Memory
) -> None:
    world = World(tmp_path, memory)
    async with world.team:
        run = await world.run()
        (effect,) = await memory.journal.effects(run.run_id, tenant="acme")
        why = await memory.why(effect.effect_id, principal=alice)
    assert why.roots == (f"effect:{effect.effect_id}",)
    assert ids(why, "user") == {"user:alice", "user:bob"}
    assert ids(why, "document")
    assert not ids(why, "answer", "run")


async def test_impact_of_a_document_lists_runs_and_writes_decided_because_of_it(
    tmp_path: Path, memory: Memory
) -> None:
    world = World(tmp_path, memory)
    async with world.team:
        run = await world.run()
        for name in ("disk.md", f"document:runbooks/disk.md@{run.retrieved[0].version}"):
            impact = await memory.impact(name, principal=alice)
            assert ids(impact, "run") == {f"run:{run.run_id}"}
            assert [node["tool"] for node in impact.of("effect")] == ["open_ticket"]
            assert ids(impact, "answer")
            assert not ids(impact, "user", "request")


async def test_foreign_tenants_things_are_not_found(tmp_path: Path, memory: Memory) -> None:
    world = World(tmp_path, memory)
    mallory = Principal(tenant="other", user="alice")
    async with world.team:
        run = await world.run()
        why = await memory.why(run.run_id, principal=alice)
        for node in why.nodes:
            with pytest.raises(NotFound):
                await memory.why(node["id"], principal=mallory)
            with pytest.raises(NotFound):
                await memory.impact(node["id"], principal=mallory)
        with pytest.raises(NotFound):
            await memory.why("run_of_nobody", principal=alice)


async def test_a_real_runs_events_tell_the_same_in_any_order_and_nothing_of_its_content(
    tmp_path: Path, memory: Memory
) -> None:
    world = World(tmp_path, memory)
    async with world.team:
        run = await world.run()
        events = await memory.journal.events(run.run_id, tenant="acme")
        origin = Origin.of(await memory.journal.run(run.run_id, tenant="acme"), memory.seal)
    told = fold(origin, events)
    for seed in range(5):
        shuffled = random.Random(seed).sample(events, len(events)) + events[:5]
        again = fold(origin, shuffled)
        assert {n.id: n for n in again.nodes} == {n.id: n for n in told.nodes}
        assert {repr(e) for e in again.edges} == {repr(e) for e in told.edges}
    kinds = {node.id: node.kind for node in told.nodes}
    for edge in told.edges:
        assert (kinds[edge.source], kinds[edge.target]) == ENDS[edge.relation]
    for words in ("what now", "old logs", "disk full", "It is full"):
        assert words not in repr(told)


async def test_the_journal_alone_tells_of_a_run_while_the_graph_is_gone(tmp_path: Path) -> None:
    gone = f"sqlite:///{tmp_path}/nowhere.db"
    (tmp_path / "nowhere.db").mkdir()
    memory = Memory(f"sqlite:///{tmp_path}/desk.db", provenance=gone)
    world = World(tmp_path, memory)
    async with world.team:
        run = await world.run()
        (effect,) = await memory.journal.effects(run.run_id, tenant="acme")
        for what in (run.run_id, effect.effect_id, f"run:{run.run_id}"):
            why = await memory.why(what, principal=alice)
            assert ids(why, "user") == {"user:alice", "user:bob"}
            assert "alone tells" in why.remarks[0]
        with pytest.raises(Unavailable):
            await memory.why("run_of_nobody", principal=alice)
        with pytest.raises(Unavailable):
            await memory.impact("disk.md", principal=alice)
        assert (await memory.lag()).events > 0


async def test_a_page_shows_it_and_loads_nothing(tmp_path: Path, memory: Memory) -> None:
    world = World(tmp_path, memory)
    async with world.team:
        run = await world.run()
        why = await memory.why(run.run_id, principal=alice)
    await asyncio.to_thread(why.to_html, tmp_path / "why.html")
    page = (tmp_path / "why.html").read_text()
    assert page.count("<rect") + page.count('<path d="M') >= len(why.nodes)
    assert page.count('class="edge"') == len(why.edges)
    without_namespace = page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"<script|https?:|@import|url\((?!#)", without_namespace)
    assert run.run_id in page


def test_a_node_with_markup_in_its_name_stays_text() -> None:
    bad = '<script>alert("x")</script>'
    nodes = (
        Node(id=f"tool:{bad}", kind="agent", type="tool", tenant="t", data={"name": bad}),
        Node(id="call:r/p", kind="activity", type="tool_call", tenant="t"),
    )
    edges = (Edge(source="call:r/p", relation="WAS_ASSOCIATED_WITH", target=f"tool:{bad}", tenant="t"),)
    drawn = Lineage(Subgraph(nodes=nodes, edges=edges), roots=["call:r/p"])._repr_html_()  # pyright: ignore[reportPrivateUsage]
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn
