"""Neo4j goes and comes back in the middle of a stream of runs: they do not notice, and it misses nothing."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from tests.memory.provenance.neo4j_server import Neo4jServer
from tests.patience import PROCESS_PATIENCE
from tests.supervisor.scene import ONE, yes

from pilotman.agents import Specialist, tool
from pilotman.agents.testing import ScriptedChatModel, call
from pilotman.guardrails import Principal
from pilotman.memory import Memory
from pilotman.memory.provenance.prov import fold_all
from pilotman.memory.provenance.sheet import Origin
from pilotman.supervisor import Run, Supervisor

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def _run(memory: Memory, who: Principal) -> Run:
    """One run of a team that opens a ticket."""

    @tool(effect="write")
    async def open_ticket(title: str) -> str:
        """Open a ticket."""
        return f"ticket about {title}"

    model = ScriptedChatModel([call("open_ticket", title=uuid.uuid4().hex), "Opened.", "A ticket is open."])
    operator = Specialist("operator", "Opens tickets.", tools=[open_ticket])
    team = Supervisor("desk", [operator], models=model, policy=yes, memory=memory)
    run = await team.run("open a ticket", principal=who, plan=ONE)
    assert run.state == "COMPLETED"
    return run


async def _told(memory: Memory, runs: list[Run]) -> tuple[int, int]:
    """How many nodes and edges the events of the runs tell."""
    rows = [await memory.journal.run(run.run_id, tenant=run.principal.tenant) for run in runs]
    events = [await memory.journal.events(row.run_id, tenant=row.tenant) for row in rows]
    told = fold_all([(Origin.of(row, memory.seal), one) for row, one in zip(rows, events, strict=True)])
    ids = {node.id for node in told.nodes} | {end for e in told.edges for end in (e.source, e.target)}
    return len(ids), len(told.edges)


async def test_runs_do_not_notice_and_nothing_is_lost_or_doubled(
    neo4j_server: Neo4jServer, tmp_path: Path
) -> None:
    who = Principal(tenant=f"tenant {uuid.uuid4().hex}", user="alice")
    memory = Memory(f"sqlite:///{tmp_path}/desk.db", provenance=neo4j_server.url)
    runs: list[Run] = []

    async def stream(count: int) -> None:
        runs.extend([await _run(memory, who) for _ in range(count)])

    async with memory:
        before = await (await memory.provenance.graph()).count()
        await stream(5)
        await asyncio.gather(stream(10), asyncio.to_thread(neo4j_server.stop))
        await stream(10)  # they end before the server is back
        assert (await memory.lag()).events > 0
        await asyncio.gather(stream(10), asyncio.to_thread(neo4j_server.start))
        async with asyncio.timeout(PROCESS_PATIENCE):
            while (await memory.lag()).events:
                await asyncio.sleep(0.1)
        nodes, edges = await _told(memory, runs)
        assert await (await memory.provenance.graph()).count() == (before[0] + nodes, before[1] + edges)
        why = await memory.why(runs[15].run_id, principal=who)
        assert [node["tool"] for node in why.of("effect")] == ["open_ticket"]
        assert not why.remarks
