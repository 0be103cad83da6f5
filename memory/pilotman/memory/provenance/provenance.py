"""Questions about provenance: why something is believed or was done, and what depends on a source."""

from __future__ import annotations

import asyncio
import re
from typing import Final

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from pilotman.guardrails.digest import short_id
from pilotman.guardrails.errors import NotFound, Unavailable
from pilotman.guardrails.principal import Principal
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.outbox import Lag
from pilotman.memory.journal.records import RunRow
from pilotman.memory.provenance.drain import Drain
from pilotman.memory.provenance.graph import Direction, Graph, Subgraph
from pilotman.memory.provenance.lineage import Lineage
from pilotman.memory.provenance.names import pseudonyms
from pilotman.memory.provenance.prov import fold
from pilotman.memory.provenance.sheet import Origin, Told
from pilotman.memory.provenance.sql_graph import SqlGraph

PATIENCE: Final = 10.0
"""Seconds that a question waits for the graph to be told what it has not been told: a server that has just
started takes some for the first things."""
_LOOKS_AGAIN: Final = 0.02
"""Seconds between two looks at whether another process has told it."""
DEPTH: Final = 512
"""Edges: a turn of an agent is two, and what it did in the last one came from the first."""
MOST: Final = 50_000
"""Nodes: a run is about fifty, and a document may be behind many."""
_PREFIXES = {
    "run_": "run",
    "mem_": "run",
    "eff_": "effect",
    "apr_": "approval",
    "snap_": "snapshot",
    "fact_": "fact",
}
_KINDS = ("run", "fact", "effect", "approval", "snapshot", "document", "chunk", "source")
_IN_RUN = re.compile(r"(?:run|step|call|brief|request|plan|report|reports|found|answer|decision):([^/]+)")


def name_of(provenance: str | None) -> str:
    """What a graph is called in the outbox: the same place has the same name, whoever logs in there."""
    if provenance is None:
        return "embedded"
    try:
        place = make_url(provenance)
    except ArgumentError:
        return short_id("graph", provenance)
    return short_id("graph", place.get_backend_name(), place.host, place.port, place.database)


class Provenance:
    """The provenance graph of one installation, fed by its journal. Ask through ``Memory``."""

    def __init__(self, journal: Journal, graph: Graph, *, name: str, eager: bool) -> None:
        """``eager``: it is fed in the background; else only when somebody asks, as nobody else can."""
        self._journal = journal
        self._drain = Drain(journal, graph, name=name)
        self._eager = eager

    def start(self) -> None:
        """Feed it from now on."""
        if self._eager:
            self._drain.start()

    async def aclose(self) -> None:
        """Stop feeding it. What it has not been told waits in the journal."""
        await self._drain.aclose()

    async def graph(self) -> Graph:
        """The graph itself, open; for those who erase in it.

        Raises:
            Unavailable: it cannot be reached.
        """
        return await self._drain.opened()

    async def lag(self) -> Lag:
        """How far the graph is behind the journal, in events and seconds, and why the last try failed."""
        return await self._drain.lag()

    async def why(self, what: str, *, principal: Principal) -> Lineage:
        """What something came from: the run, the request, documents, decisions, approvals, whose.

        Raises:
            NotFound: there is no such thing, or it is another tenant's.
            Unavailable: the graph cannot be reached, and no run of the journal alone can tell.
        """
        run = await self._run_of(what, principal.tenant)
        try:
            remarks = await self._catch_up()
            graph = await self._drain.opened()
            if remarks and run is not None:
                told = await self._told(run)
                await graph.merge(told.nodes, told.edges)
            return await self._back(graph, what, principal, remarks)
        except Unavailable as error:
            if run is None:
                raise
            return await self._from_journal(run, what, principal, str(error))

    async def impact(self, source: str, *, principal: Principal) -> Lineage:
        """What came of something: all that was decided because of it, and would be in doubt without it.

        Raises:
            NotFound: nothing has come of such a thing, or it is another tenant's.
            Unavailable: the graph cannot be reached.
        """
        remarks = await self._catch_up(patience=3 * PATIENCE)  # the journal alone cannot tell
        graph = await self._drain.opened()
        roots = await self._known(graph, source, principal, remarks)
        return await _walk(graph, roots, principal.tenant, "forth", remarks)

    async def _catch_up(self, *, patience: float = PATIENCE) -> tuple[str, ...]:
        """Tell the graph what it has not been told, as far as that goes quickly; what to remark if not."""
        try:
            async with asyncio.timeout(patience):
                await self._drain.opened()  # one that was lost is told everything again
                while True:
                    if await self._drain.drain():
                        return ()
                    await asyncio.sleep(_LOOKS_AGAIN)
        except TimeoutError:
            lag = await self._drain.lag()
            return (f"the graph is {lag.events} events behind: what they tell is missing, ask again later",)

    async def _run_of(self, what: str, tenant: str) -> RunRow | None:
        """The run whose journal can tell of it alone, if there is one."""
        name = what.removeprefix("effect:").removeprefix("approval:")
        found = _IN_RUN.match(what)
        run_id = found[1] if found else what
        try:
            if name.startswith("eff_"):
                run_id = (await self._journal.effect(name, tenant=tenant)).run_id
            elif name.startswith("apr_"):
                run_id = (await self._journal.approval(name, tenant=tenant)).run_id
            return await self._journal.run(run_id, tenant=tenant)
        except NotFound:
            return None

    async def _told(self, run: RunRow) -> Told:
        events = await self._journal.events(run.run_id, tenant=run.tenant)
        return await asyncio.to_thread(lambda: fold(Origin.of(run, self._journal.seal), events))

    async def _from_journal(self, run: RunRow, what: str, principal: Principal, wrong: str) -> Lineage:
        graph = SqlGraph("sqlite://")
        await graph.start()
        try:
            told = await self._told(run)
            await graph.merge(told.nodes, told.edges)
            remark = f"{wrong}; this is what the journal of {run.run_id} alone tells"
            return await self._back(graph, what, principal, (remark,))
        finally:
            await graph.aclose()

    async def _back(self, graph: Graph, what: str, principal: Principal, remarks: tuple[str, ...]) -> Lineage:
        roots, tenant = await self._known(graph, what, principal, remarks), principal.tenant
        answers: list[str] = []
        for root in roots:
            if root.startswith("run:"):  # a run is explained with what it answered
                made = await graph.lineage(
                    [root],
                    tenant=tenant,
                    direction="forth",
                    relations=["WAS_GENERATED_BY"],
                    max_depth=1,
                    max_nodes=MOST,
                )
                answers += [node.id for node in made.nodes if node.type == "answer"]
        return await _walk(graph, [*answers, *roots], tenant, "back", remarks)

    async def _known(
        self, graph: Graph, what: str, principal: Principal, remarks: tuple[str, ...]
    ) -> list[str]:
        """The node of this id; else those that go by this name, also as one's own documents are
        called there. ``remarks``: the graph is behind.

        Raises:
            NotFound: there is none.
            Unavailable: there is none yet.
        """
        prefix = next((kind for start, kind in _PREFIXES.items() if what.startswith(start)), None)
        names = [what, f"{prefix}:{what}"] if prefix else [what, *(f"{kind}:{what}" for kind in _KINDS)]
        names += await asyncio.to_thread(pseudonyms, what, self._journal.seal, principal)
        tenant = principal.tenant
        found = [name for name in names if await graph.node(name, tenant=tenant) is not None]
        if not found and remarks:
            raise Unavailable(f"nothing is known of {what} yet: {remarks[0]}", hint="ask again later")
        if not found:
            raise NotFound(
                f"nothing is known of {what}", hint="name a run, an effect, an approval, a document …"
            )
        return found


async def _walk(
    graph: Graph, roots: list[str], tenant: str, direction: Direction, remarks: tuple[str, ...]
) -> Lineage:
    found: Subgraph = await graph.lineage(
        roots, tenant=tenant, direction=direction, max_depth=DEPTH, max_nodes=MOST
    )
    return Lineage(found, roots=roots, direction=direction, remarks=remarks)
