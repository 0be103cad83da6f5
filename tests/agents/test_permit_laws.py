"""Laws of writes, over any order of the graph's nodes and any state that somebody puts there.

No write without a permit for exactly its arguments, one effect for a permit, nothing that was rejected.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.runnables import RunnableConfig
from tests.agents.office import ALICE, Office, office

from pilotman.agents.calls import ProposedCall
from pilotman.agents.desk import Desk
from pilotman.agents.failure import ToolFailure
from pilotman.agents.graph import Desks, SpecialistNodes
from pilotman.agents.tool import Tool, tool
from pilotman.guardrails.digest import digest
from pilotman.guardrails.permit import permit_id
from pilotman.guardrails.policy import Call, Decision

TOOLS = ("free", "asked", "never")
STEPS = tuple(f"task:t1/turn:0/call:{n}" for n in range(3))
STAGES = ("proposed", "allowed", "waiting", "answered")


def policy(call: Call, /) -> Decision | None:
    if call.tool == "never":
        return Decision.deny("never")
    return Decision.escalate("look") if call.tool == "asked" else Decision.allow()


class Sink:
    """Three tools that write: ``written`` are their names and values. The first ``broken`` attempts fail."""

    def __init__(self, *, broken: int) -> None:
        self.written: list[tuple[str, int]] = []
        self._broken = broken
        self.tools: list[Tool[..., Any]] = [self._tool(name) for name in TOOLS]

    def _tool(self, name: str) -> Tool[..., Any]:
        async def write(value: int) -> str:
            """Write a value."""
            await asyncio.sleep(0)
            if self._broken:
                self._broken -= 1
                raise ToolFailure("not now", kind="transient")
            self.written.append((name, value))
            return "written"

        return tool(effect="write", name=name)(write)


def forged(name: str, value: int, step: str, stage: Any, asked: object) -> tuple[ProposedCall, object]:
    call = ProposedCall(call_id=step, tool=name, args={"value": value}, path=step, stage=stage)
    return call, asked


calls = st.builds(
    forged,
    st.sampled_from(TOOLS),
    st.integers(0, 2),
    st.sampled_from(STEPS),
    st.sampled_from(STAGES),
    st.none() | st.integers(0, 5) | st.just("apr_forged"),
)
moves = st.one_of(
    st.tuples(st.just("guard"), st.lists(calls, min_size=1, max_size=3)),
    st.tuples(st.just("write"), st.lists(calls, min_size=1, max_size=3)),
    st.tuples(st.just("at once"), st.lists(calls, min_size=2, max_size=4)),
    st.tuples(st.just("answer"), st.tuples(st.integers(0, 5), st.sampled_from(["approved", "rejected"]))),
    st.tuples(st.just("edit"), st.tuples(st.integers(0, 5), st.integers(0, 3))),
    st.tuples(st.just("crash"), st.none()),
)


class World:
    """One task whose graph is in somebody's hands."""

    def __init__(self, place: Office, sink: Sink) -> None:
        self.place = place
        self.sink = sink
        self.desk: Desk

    async def begin(self, *, new: bool) -> None:
        self.desk = self.place.desk(await self.place.run(new=new), *self.sink.tools, policies=[policy])

    async def node(self, name: str, wanted: list[tuple[ProposedCall, Any]]) -> None:
        desks = Desks()
        desks.seat(self.desk)
        nodes = SpecialistNodes(desks)
        state: Any = {
            "run_id": self.desk.task.run.run_id,
            "path": self.desk.task.path,
            "calls": [(await self._named(call, asked)).to_dict() for call, asked in wanted],
        }
        await getattr(nodes, name)(state, RunnableConfig())

    async def _named(self, call: ProposedCall, asked: Any) -> ProposedCall:
        """The call, claiming that the question of that number, or some other, was about it."""
        if isinstance(asked, int):
            known = [c.approval_id for a in await self.questions() for c in a.calls]
            asked = known[asked % len(known)] if known else None
        return replace(call, approval_id=asked)

    async def questions(self) -> list[Any]:
        return await self.place.journal.approvals(tenant="acme", run_id=self.desk.task.run.run_id)

    async def answer(self, number: int, state: Any, **fields: Any) -> None:
        pending = [a for a in await self.questions() if a.state == "pending"]
        if pending:
            asked = pending[number % len(pending)]
            if fields and len(asked.pending) > 1:
                fields["only"] = [asked.pending[0].digest]
            await self.place.answer(asked, state, digest=asked.digest, **fields)

    async def move(self, kind: str, what: Any) -> None:
        if kind in ("guard", "write"):
            await self.node(kind, what)
        elif kind == "at once":
            await asyncio.gather(*(self.node("write", [one]) for one in what))
        elif kind == "answer":
            await self.answer(*what)
        elif kind == "edit":
            await self.answer(what[0], "approved", new_args={"value": what[1]})
        else:
            await self.begin(new=False)

    async def check(self) -> None:
        journal, run_id = self.place.journal, self.desk.task.run.run_id
        written = self.sink.written
        assert len(set(written)) == len(written), "one effect for the same arguments in a run"
        assert not [name for name, _ in written if name == "never"]
        effects = await journal.effects(run_id, tenant=ALICE.tenant)
        assert len({e.permit_id for e in effects}) == len(effects), "one effect for a permit"
        agreed: set[str] = set()
        for question in await self.questions():
            for one in question.calls:
                if one.state == "approved":
                    agreed.add(_digest(question.tool, one.new_args or one.args))
        for name, value in written:
            wanted = _digest(name, {"value": value})
            permits = [await journal.permit(permit_id(run_id, step, wanted)) for step in STEPS]
            assert any(p is not None and p.digest == wanted and p.tool == name for p in permits)
            assert name != "asked" or wanted in agreed, "a person said yes to exactly this"


def _digest(name: str, args: Any) -> str:
    return digest({"tool": name, "args": dict(args)})


@settings(max_examples=60)
@given(st.lists(moves, min_size=1, max_size=8), st.integers(0, 2))
def test_whatever_order_and_state_no_write_without_its_permit(script: list[Any], broken: int) -> None:
    async def play() -> None:
        async with office() as place:
            world = World(place, Sink(broken=broken))
            await world.begin(new=True)
            for kind, what in script:
                await world.move(kind, what)
            await world.check()

    asyncio.run(play())


def test_the_law_sees_writes_at_all() -> None:
    """The script above does write: else its law would hold of nothing."""

    async def play() -> list[tuple[str, int]]:
        async with office() as place:
            world = World(place, Sink(broken=0))
            await world.begin(new=True)
            one = ProposedCall(
                call_id=STEPS[0], tool="free", args={"value": 1}, path=STEPS[0], stage="allowed"
            )
            two = replace(one, call_id=STEPS[1], tool="asked", path=STEPS[1], stage="proposed")
            await world.move("write", [(one, None)])
            await world.move("guard", [(two, None)])
            await world.move("answer", (0, "approved"))
            await world.move("write", [(replace(two, stage="waiting"), 0)])
            await world.check()
            return world.sink.written

    assert asyncio.run(play()) == [("free", 1), ("asked", 1)]
