"""Drives runs in this process: owns them, keeps their time, and brings each to its next stop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from pilotman.agents.isolation import isolated
from pilotman.agents.report import Citation, Report
from pilotman.agents.telemetry import link_to, trace_parent
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import PilotmanError
from pilotman.memory.memory import Memory
from pilotman.memory.owner import is_dead, owner_name
from pilotman.memory.records import ENDED, WAITING, Fenced, RunRow
from pilotman.supervisor.answer import confidence
from pilotman.supervisor.graphs import Graphs, Stopped
from pilotman.supervisor.setup import MAX_GRACE, Drive, Ports, Seats, Setup
from pilotman.supervisor.team import Team

LEASE = timedelta(seconds=15)
HEARTBEAT_SECONDS = 1.0


class Engine:
    """The engine in process: LangGraph graphs, one owner name, a heartbeat for the runs that it holds."""

    def __init__(self, team: Team, memory: Memory, ports: Ports, *, policy_version: str) -> None:
        self._team = team
        self._memory = memory
        self._ports = ports
        self._seats = Seats()
        self._graphs = Graphs(self._seats.desks, self._seats.find, memory.checkpointer)
        self._drives: dict[str, Drive] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._heart: asyncio.Task[None] | None = None
        self.owner = owner_name()
        self._setup = Setup(
            team,
            memory.journal,
            ports,
            self._graphs,
            self._seats,
            owner=self.owner,
            policy_version=policy_version,
        )

    # taking and leaving runs

    async def advance(self, run_id: str) -> bool:
        """Drive a run to its next stop, or join whoever drives it here. False: somebody else holds it.

        Raises:
            PilotmanError: the journal is gone.
        """
        task = self._tasks.get(run_id)
        if task is None:
            row = await self._memory.journal.claim(run_id, owner=self.owner, lease=LEASE, is_dead=is_dead)
            if row is None:
                return False
            task = asyncio.create_task(self._hold(row), context=isolated())
            self._tasks[run_id] = task
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=MAX_GRACE)
            raise
        return True

    def cancel(self, run_id: str) -> bool:
        """Tell a run that is driven here that it was cancelled; False if it is not."""
        drive = self._drives.get(run_id)
        if drive is None:
            return False
        drive.cancelled.set()
        return True

    async def aclose(self) -> None:
        """Leave every run as it is: whoever resumes it goes on from the journal."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=MAX_GRACE)
        if self._heart is not None:
            self._heart.cancel()
            self._heart = None

    async def _hold(self, row: RunRow) -> None:
        """Own the run while it is driven, whatever happens to it."""
        if self._heart is None or self._heart.done():
            self._heart = asyncio.create_task(self._beat())
        try:
            await self._drive(row)
        except Fenced:
            pass  # another process has taken the run over: it is theirs
        finally:
            drive = self._drives.pop(row.run_id, None)
            if drive is not None:
                drive.mover.close()
            self._tasks.pop(row.run_id, None)
            self._seats.clear(row.run_id)
            with suppress(PilotmanError):
                await self._memory.journal.release(row.run_id, owner=self.owner)

    async def _beat(self) -> None:
        """Renew what is held here, and hear of cancellations from other processes."""
        journal = self._memory.journal
        while self._tasks:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with suppress(PilotmanError):
                await journal.renew(self.owner, LEASE)
                for drive in list(self._drives.values()):
                    row = await journal.run(drive.row.run_id, tenant=drive.row.tenant)
                    if row.cancel_requested is not None:
                        drive.cancelled.set()

    # one drive

    async def _drive(self, row: RunRow) -> None:
        journal = self._memory.journal
        history = await journal.events(row.run_id, tenant=row.tenant)
        approvals = await journal.approvals(tenant=row.tenant, run_id=row.run_id)
        if row.state in ENDED:
            return
        drive = await self._setup.drive(row, history)
        self._drives[row.run_id] = drive
        if row.cancel_requested is not None:
            await self._finish(drive, "CANCELLED", "cancelled", last_error=row.cancel_requested)
            return
        if not await self._take_up(drive, approvals, resumed=len(history) > 1):
            return
        attributes = {"gen_ai.agent.name": self._team.name, "gen_ai.conversation.id": row.thread_id}
        links = link_to(row.trace_parent)
        with self._ports.telemetry.span("invoke_workflow", self._team.name, attributes, links=links) as span:
            drive.scope.trace = trace_parent(span)
            await self._to_next_stop(drive)

    async def _to_next_stop(self, drive: Drive) -> None:
        """Until the graph ends or waits, the time is up, or the run is cancelled."""
        work = asyncio.create_task(self._graphs.root(drive.lead.scope))
        stop = asyncio.create_task(drive.cancelled.wait())
        timeout = max(0.0, drive.scope.left() + drive.scope.grace)
        try:
            await asyncio.wait({work, stop}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            work.cancel()
            await asyncio.wait({work}, timeout=0.2)
            raise
        finally:
            stop.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work}, timeout=0.2)
        if drive.cancelled.is_set() and not _finished(work):
            row = await self._memory.journal.run(drive.row.run_id, tenant=drive.row.tenant)
            await self._finish(
                drive, "CANCELLED", "cancelled", last_error=row.cancel_requested or "cancelled"
            )
        elif not _finished(work):
            await self._out_of_time(drive)
        else:
            await self._stopped(drive, work)

    async def _stopped(self, drive: Drive, work: asyncio.Task[dict[str, Any] | Stopped]) -> None:
        error = work.exception()
        if isinstance(error, Fenced):
            raise error
        if isinstance(error, PilotmanError):
            await self._finish(drive, "FAILED", error.code, last_error=str(error))
        elif error is not None:
            await self._finish(drive, "FAILED", "fault", last_error=f"{type(error).__name__}: {error}"[:500])
        elif isinstance(result := work.result(), Stopped):
            await self._park(drive, result)
        else:
            await self._finish(drive, "COMPLETED", "answered", answer=result["answer"]["text"])

    async def _park(self, drive: Drive, stopped: Stopped) -> None:
        """Store the graphs, then say that the run waits for a person."""
        await self._graphs.park(drive.row.run_id)
        await drive.mover.to(
            "ESCALATED",
            f"{len(stopped.approvals)} question(s) to a person",
            changes={"active_since": None, "trace_parent": drive.scope.trace},
        )

    async def _out_of_time(self, drive: Drive) -> None:
        """Something did not let go in time: answer with the reports that there are."""
        scope, lead = drive.scope, drive.lead
        scope.caveat("the run's time was used up before its work was done")
        events = await self._memory.journal.events(scope.run_id, tenant=drive.row.tenant)
        told = [
            Report.from_dict(e.data["report"])
            for e in events
            if e.kind == "task_completed" and e.data["path"].count("task:") == 1
        ]
        draft = lead.writer.extract(told, await lead.writer.actions())
        text, citations = lead.writer.cited(draft, told)
        self._answer(drive, text, stage="timeout", sure=confidence(told), citations=citations)
        await lead.start("time is up")
        await drive.mover.to("VALIDATING", "time is up")
        await self._finish(drive, "COMPLETED", "partial", answer=text)

    async def _finish(self, drive: Drive, state: Any, outcome: str, **data: Any) -> None:
        event = drive.scope.recorder.event(
            "run_completed", actor="supervisor", state=state, outcome=outcome, **data
        )
        await drive.mover.to(
            state,
            outcome,
            events=[event],
            changes={"active": False, "active_since": None, "trace_parent": drive.scope.trace},
        )
        await self._graphs.end(drive.row.run_id)

    # setting up

    async def _take_up(self, drive: Drive, approvals: Sequence[Approval], *, resumed: bool) -> bool:
        """Bring the stored state to one from which work goes on; False: there is nothing to do yet."""
        row, now = drive.row, drive.scope.clock()
        recorder, mover = drive.scope.recorder, drive.mover
        own = next((a.new_args["answer"] for a in approvals if a.new_args and "answer" in a.new_args), None)
        if row.state == WAITING and own is not None:
            self._answer(drive, str(own), stage="person", sure=1.0)
            await self._finish(drive, "COMPLETED", "closed by a person", answer=str(own))
            return False
        if row.state == WAITING:
            current = [a.at(now) for a in approvals if a.kind != "outcome"]
            pending = [a for a in current if a.state == "pending"]
            if pending and not self._answered_since(row, current):
                return False
            recorder.emit(
                "run_resumed", actor="supervisor", owner=self.owner, reason="answered", attempt=row.next_seq
            )
            has_plan = recorder.knows("state_changed", key="planned:0")
            await mover.to(
                "EXECUTING" if has_plan else "PLANNED",
                "a person has answered",
                changes={"deadline_at": drive.scope.deadline_at, "waited_s": drive.scope.waited_s},
            )
        elif resumed:
            recorder.emit(
                "run_resumed", actor="supervisor", owner=self.owner, reason="taken over", attempt=row.next_seq
            )
        if mover.state in ("PLANNED", "WAITING_FOR_TOOL"):
            await mover.to("EXECUTING", "the run goes on")
        if row.request.get("answer") is not None:
            self._answer(drive, str(row.request["answer"]), stage="intake", sure=1.0)
            await drive.lead.start("nothing is to be done")
            await mover.to("VALIDATING", "the answer is known")
            await self._finish(drive, "COMPLETED", "answered", answer=str(row.request["answer"]))
            return False
        return True

    def _answer(
        self, drive: Drive, text: str, *, stage: str, sure: float, citations: Sequence[Citation] = ()
    ) -> None:
        """Write down an answer that did not come through the graph."""
        drive.scope.recorder.emit(
            "answer_validated",
            actor="validation",
            path="answer",
            stage=stage,
            interim=False,
            answer=text,
            citations=[{"source": c.source, "version": c.version, "quote": c.quote} for c in citations],
            confidence=sure,
            covered=None,
        )

    def _answered_since(self, row: RunRow, approvals: Sequence[Approval]) -> bool:
        """Whether anything was answered since the run was parked."""
        return any(a.decided_at is not None and a.decided_at >= row.updated_at for a in approvals)


def _finished(work: asyncio.Task[Any]) -> bool:
    return work.done() and not work.cancelled()
