"""A run's events as a journal holds them, and graphs that fail, for the tests of provenance."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pilotman.guardrails.errors import Unavailable
from pilotman.memory.event import Event, NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import RunRow
from pilotman.memory.provenance.graph import Direction, Edge, Graph, Node, Relation, Subgraph
from pilotman.memory.provenance.sheet import Origin
from pilotman.memory.provenance.sql_graph import SqlGraph

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ORIGIN = Origin(run_id="run_1", tenant="acme", user="alice", supervisor="desk")
CALL = "task:act/turn:0/call:0"
PASSAGE = {"source": "disk.md", "version": "v1", "origin": "runbooks", "document_id": "disk", "start": 0}
CITED = [{"source": "disk.md", "version": "v1", "quote": "the secret words"}]
TASKS: list[dict[str, Any]] = [
    {"task_id": "look", "agent": "looker", "depends_on": []},
    {"task_id": "act", "agent": "operator", "depends_on": ["look"]},
]
STORY: Sequence[tuple[str, str, dict[str, Any]]] = (
    ("run_started", "user:alice", {"text": "the secret request"}),
    (
        "retrieval_completed",
        "retrieval",
        {"path": "recall", "snapshot_id": "snap_1", "documents": [{**PASSAGE, "end": 9, "score": 0.5}]},
    ),
    ("model_call_started", "desk", {"path": "plan:0/0.0", "model": "m:1"}),
    ("plan_made", "desk", {"path": "plan", "tasks": TASKS}),
    ("task_started", "desk", {"path": "task:look", "task_id": "look", "agent": "looker"}),
    ("model_call_started", "looker", {"path": "task:look/turn:0", "model": "m:1"}),
    ("task_completed", "looker", {"path": "task:look", "report": {"text": "secret", "citations": CITED}}),
    ("task_started", "desk", {"path": "task:act", "task_id": "act", "agent": "operator"}),
    ("model_call_started", "operator", {"path": "task:act/turn:0", "model": "m:1"}),
    ("model_call_completed", "operator", {"path": "task:act/turn:0", "input_tokens": 3}),
    ("decision", "operator", {"path": CALL, "stage": "guard", "verdict": "escalate", "policy_version": "p"}),
    ("approval_requested", "operator", {"path": CALL, "approval_id": "apr_1", "question": "apr_1"}),
    ("approval_approved", "user:bob", {"approval_id": "apr_1", "by": "bob", "comment": "secret"}),
    ("decision", "operator", {"path": CALL, "stage": "write", "verdict": "allow", "policy_version": "p"}),
    ("permit_issued", "guardrails", {"path": CALL, "permit_id": "pmt_1", "approval_id": "apr_1"}),
    ("effect_intended", "operator", {"path": CALL, "effect_id": "eff_1", "permit_id": "pmt_1", "tool": "t"}),
    ("tool_call_started", "operator", {"path": CALL, "tool": "t", "effect": "write"}),
    ("effect_applied", "operator", {"path": CALL, "effect_id": "eff_1", "message": "secret"}),
    ("task_completed", "operator", {"path": "task:act", "report": {"text": "secret"}}),
    ("model_call_started", "desk", {"path": "answer:0", "model": "m:1"}),
    ("answer_validated", "validation", {"path": "answer", "answer": "secret", "citations": CITED}),
    ("run_completed", "supervisor", {"state": "COMPLETED", "answer": "secret"}),
)
"""One run: it looks, asks a person, writes, and answers with a citation."""


def story(run_id: str = "run_1") -> list[Event]:
    return [
        Event(seq=n, run_id=run_id, at=BEGAN + timedelta(seconds=n), kind=kind, actor=actor, data=data)
        for n, (kind, actor, data) in enumerate(STORY, 1)
    ]


def row(run_id: str, tenant: str = "acme") -> RunRow:
    return RunRow(
        run_id=run_id,
        tenant=tenant,
        user="alice",
        principal={"tenant": tenant, "user": "alice"},
        supervisor="desk",
        thread_id=run_id,
        request={},
        state="RECEIVED",
        created_at=BEGAN,
        updated_at=BEGAN,
        budget={},
        versions={},
    )


async def lived(journal: Journal, *run_ids: str, tenant: str = "acme") -> None:
    """Runs that wrote the whole story, each in several transactions."""
    for run_id in run_ids:
        named = [(event.seq, event) for event in story(run_id)]
        new = [
            NewEvent(kind=e.kind, actor=e.actor, data=_of(run_id, e.data), key=f"k{n}", at=e.at)
            for n, e in named
        ]
        await journal.create_run(row(run_id, tenant), events=new[:1])
        for at in range(1, len(new), 8):
            journal.append(run_id, new[at : at + 8])
            await journal.flush()


def _of(run_id: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Ids of the run's own, where the story has one for all."""
    names = ("effect_id", "permit_id", "approval_id", "question")
    return {k: f"{v}_{run_id}" if k in names else v for k, v in data.items()}


class Faulty:
    """A graph in memory that is gone while ``down`` says so; ``merges`` counts what reached it."""

    def __init__(self, inner: Graph | None = None) -> None:
        self.inner = inner or SqlGraph("sqlite://")
        self.down = False
        self.breaks_after: int | None = None
        self.merges = 0

    def _check(self) -> None:
        if self.down:
            raise Unavailable("the graph is gone")

    async def start(self) -> None:
        self._check()
        await self.inner.start()

    async def aclose(self) -> None:
        await self.inner.aclose()

    async def merge(self, nodes: Sequence[Node], edges: Sequence[Edge]) -> None:
        self._check()
        self.merges += 1
        if self.breaks_after == self.merges:  # half of it has arrived
            self.down = True
            await self.inner.merge(nodes[: len(nodes) // 2], ())
            self._check()
        await self.inner.merge(nodes, edges)

    async def lineage(
        self,
        ids: Sequence[str],
        *,
        tenant: str,
        direction: Direction,
        relations: Collection[Relation] | None = None,
        max_depth: int,
        max_nodes: int,
    ) -> Subgraph:
        self._check()
        return await self.inner.lineage(
            ids,
            tenant=tenant,
            direction=direction,
            relations=relations,
            max_depth=max_depth,
            max_nodes=max_nodes,
        )

    async def node(self, id: str, *, tenant: str) -> Node | None:
        self._check()
        return await self.inner.node(id, tenant=tenant)

    async def erase(self, ids: Sequence[str], *, tenant: str) -> int:
        self._check()
        return await self.inner.erase(ids, tenant=tenant)

    async def count(self) -> tuple[int, int]:
        self._check()
        return await self.inner.count()
