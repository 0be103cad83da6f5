"""Drives runs in this process: owns them, keeps their time, and brings each to its next stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from pilotman.agents.isolation import isolated
from pilotman.agents.recorder import Recorder
from pilotman.agents.report import Citation, Report
from pilotman.agents.telemetry import link_to, trace_parent
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import PilotmanError, Unavailable
from pilotman.guardrails.seal import Forgotten
from pilotman.memory.event import Event, NewEvent
from pilotman.memory.journal.owner import is_dead, owner_name
from pilotman.memory.journal.records import ENDED, WAITING, Claimed, Fenced, Story
from pilotman.memory.memory import Memory
from pilotman.supervisor.answer import confidence
from pilotman.supervisor.conduct import Conductor
from pilotman.supervisor.conversation import Conversations
from pilotman.supervisor.graphs import Graphs, Stopped
from pilotman.supervisor.history import answer_of, answered, one_is_answered
from pilotman.supervisor.mover import Mover
from pilotman.supervisor.render import count
from pilotman.supervisor.setup import MAX_GRACE, Drive, Ports, Seats, Setup
from pilotman.supervisor.team import Team

LEASE = timedelta(seconds=15)
HEARTBEAT_SECONDS = 1.0


@dataclass(eq=False)
class Hold:
    """A run that is driven here, and how many callers wait for its next stop. The task's result: it was ours
    to drive, all the way."""

    task: asyncio.Task[bool]
    callers: int = 0


class Engine:
    """The engine in process: LangGraph graphs, one owner name, a heartbeat for the runs that it holds."""

    def __init__(self, team: Team, memory: Memory, ports: Ports, *, policy_version: str) -> None:
        self._team = team
        self._memory = memory
        self._ports = ports
        self._seats = Seats()
        self._graphs = Graphs(self._seats.desks, self._seats.find, memory.checkpointer)
        self._drives: dict[str, Drive] = {}
        self._holds: dict[str, Hold] = {}
        self._heart: asyncio.Task[None] | None = None
        self.owner = owner_name()
        self._setup = Setup(
            team,
            memory.journal,
            ports,
            self._graphs,
            self._seats,
            Conversations(memory),
            owner=self.owner,
            policy_version=policy_version,
            facts=memory.facts,
        )

    # taking and leaving runs

    async def advance(self, run_id: str) -> bool:
        """Drive a run to its next stop, or join whoever drives it here. False: over, or somebody else's.

        Raises:
            PilotmanError: the journal is gone.
        """
        joined = self._holds.get(run_id)
        if joined is not None:
            await self._wait(joined)  # it may have been stopping just when an answer came: look again
        return await self._wait(self._holds.get(run_id) or self._begin(run_id))

    def _begin(self, run_id: str) -> Hold:
        hold = Hold(asyncio.create_task(self._hold(run_id), context=isolated()))
        self._holds[run_id] = hold
        hold.task.add_done_callback(_seen)
        return hold

    async def _wait(self, hold: Hold) -> bool:
        """Wait with all others; the last to lose patience stops the drive, and the run stays as it is."""
        hold.callers += 1
        try:
            return await asyncio.shield(hold.task)
        except asyncio.CancelledError:
            me = asyncio.current_task()
            if hold.task.cancelled() and me is not None and not me.cancelling():
                raise Unavailable(
                    "the supervisor was closed while it drove this run", hint="resume it: nothing is lost"
                ) from None
            if hold.callers == 1 and not hold.task.done():
                hold.task.cancel()
                await asyncio.wait({hold.task}, timeout=MAX_GRACE)
            raise
        finally:
            hold.callers -= 1

    def cancel(self, run_id: str) -> bool:
        """Tell a run that is driven here that it was cancelled; False if it is not."""
        drive = self._drives.get(run_id)
        if drive is None:
            return False
        drive.cancelled.set()
        return True

    def at_rest(self, run_id: str) -> bool:
        """Whether a run that is driven here only waits, for pauses to end or for places."""
        drive = self._drives.get(run_id)
        return drive is not None and drive.mover.at_rest

    async def aclose(self) -> None:
        """Leave every run as it is: whoever resumes it goes on from the journal."""
        tasks = [hold.task for hold in self._holds.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=MAX_GRACE)
        with suppress(PilotmanError):  # also what does not let go: fenced from here on, it changes nothing
            await self._memory.journal.release_all(owner=self.owner)
        if self._heart is not None:
            self._heart.cancel()
            self._heart = None

    async def _hold(self, run_id: str) -> bool:
        """Own the run while it is driven, whatever happens to it. False: it is not ours (any more)."""
        journal = self._memory.journal
        if self._heart is None or self._heart.done():
            self._heart = asyncio.create_task(self._beat())
        going_on, over, failed = True, False, False
        try:
            while going_on:
                claimed = await journal.claim(run_id, owner=self.owner, lease=LEASE, is_dead=is_dead)
                if claimed is None:
                    return False
                if claimed.story.run.failures >= self._ports.capacity.max_failures:
                    await self._give_up(claimed.story)
                    over = True
                    return True
                try:
                    going_on = await self._drive(claimed)
                finally:
                    over = self._leave(run_id)
        except (Fenced, Forgotten):
            return False  # another process has taken the run over: it is theirs; or nobody may go on with it
        except Exception as error:
            failed = not isinstance(error, Unavailable)  # else it is the journal's fault
            self._broke_down(run_id, error)
            raise
        finally:
            if not over:  # else its last move has released it
                with suppress(PilotmanError):
                    await journal.release(run_id, owner=self.owner, failed=failed)
            self._holds.pop(run_id, None)
        return True

    def _broke_down(self, run_id: str, error: Exception) -> None:
        """Write down why driving a run ended without a stop."""
        data = {"failure": type(error).__name__, "message": str(error)[:500]}
        event = NewEvent(
            kind="drive_failed",
            actor="supervisor",
            data=data,
            key=f"drive_failed:{uuid4()}",
            at=self._ports.clock(),
        )
        with suppress(PilotmanError):
            self._memory.journal.append(run_id, [event])

    async def _give_up(self, story: Story) -> None:
        """End a run that cannot be driven, with as little of it as possible: it goes to the dead letters."""
        journal, row = self._memory.journal, story.run
        recorder = Recorder(journal, row.run_id, clock=self._ports.clock, history=story.events)
        mover = Mover(journal, row, story.transitions, recorder, owner=self.owner)
        why = f"it was given up: driving it broke down {row.failures} times"
        told = [e.data["message"] for e in story.events if e.kind == "drive_failed"]
        await self._end(mover, recorder, "FAILED", "given_up", last_error=": ".join([why, *told[-1:]]))

    def _leave(self, run_id: str) -> bool:
        """End a drive. Whether the run is over."""
        drive = self._drives.pop(run_id, None)
        if drive is not None:
            drive.mover.close()
        self._seats.clear(run_id)
        return drive is not None and drive.mover.state in ENDED

    async def _beat(self) -> None:
        """Renew what is held here, and hear of cancellations from other processes."""
        journal = self._memory.journal
        while self._holds:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            with suppress(PilotmanError):
                await journal.renew(list(self._holds), owner=self.owner, lease=LEASE)
                for run_id in await journal.to_cancel(list(self._drives)):
                    self.cancel(run_id)

    # one drive

    async def _drive(self, claimed: Claimed) -> bool:
        """To the next stop. True: while the run was being parked, one of its questions was answered."""
        story, row = claimed.story, claimed.story.run
        drive = await self._setup.drive(claimed)
        self._drives[row.run_id] = drive
        if row.cancel_requested is not None:
            await self._finish(drive, "CANCELLED", "cancelled", last_error=row.cancel_requested)
            return False
        if not await self._take_up(drive, story.approvals, story.events):
            return False
        attributes = {"gen_ai.agent.name": self._team.name, "gen_ai.conversation.id": row.thread_id}
        links = link_to(row.trace_parent)
        with self._ports.telemetry.span("invoke_workflow", self._team.name, attributes, links=links) as span:
            drive.scope.trace = trace_parent(span)
            return await self._to_next_stop(drive)

    async def _to_next_stop(self, drive: Drive) -> bool:
        """Until the graph ends or waits, the time is up, or the run is cancelled. True as above."""
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
            return await self._stopped(drive, work)
        return False

    async def _stopped(self, drive: Drive, work: asyncio.Task[dict[str, Any] | Stopped]) -> bool:
        error = work.exception()
        if isinstance(error, Fenced):
            raise error
        if isinstance(error, PilotmanError):
            await self._finish(drive, "FAILED", error.code, last_error=str(error))
        elif error is not None:
            await self._finish(drive, "FAILED", "fault", last_error=f"{type(error).__name__}: {error}"[:500])
        elif isinstance(result := work.result(), Stopped):
            return await self._park(drive, result)
        else:
            await self._finish(drive, "COMPLETED", "answered", answer=result["answer"]["text"])
        return False

    async def _park(self, drive: Drive, stopped: Stopped) -> bool:
        """Store the graphs, then say that the run waits for a person. True: one has answered meanwhile."""
        scope = drive.scope
        await self._graphs.park(drive.row.run_id)
        asked = await scope.journal.approvals(tenant=scope.principal.tenant, run_id=scope.run_id)
        questions = sum(any(call.approval_id in stopped.approvals for call in a.calls) for a in asked)
        await drive.mover.to(
            "ESCALATED",
            f"{count(questions, 'question')} to a person",
            changes={"trace_parent": scope.trace},
            facts={"approvals": list(stopped.approvals)},
        )
        asked = await scope.journal.approvals(tenant=scope.principal.tenant, run_id=scope.run_id)
        return one_is_answered(asked, stopped.approvals)

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
        draft = await Conductor(lead).without_a_model(told)
        text, citations = lead.writer.cited(draft, told)
        self._answer(drive, text, stage="timeout", sure=confidence(told), citations=citations)
        await lead.start("time is up")
        if drive.mover.state == "PLANNED":
            await drive.mover.to("EXECUTING", "time is up")
        await drive.mover.to("VALIDATING", "time is up")
        await self._finish(drive, "COMPLETED", "partial", answer=text)

    async def _finish(self, drive: Drive, state: Any, outcome: str, **data: Any) -> None:
        if state == "COMPLETED":
            await self._setup.conversations.keep(drive.scope, drive.row, str(data.get("answer", "")))
        changes = {"trace_parent": drive.scope.trace}
        await self._end(drive.mover, drive.scope.recorder, state, outcome, changes=changes, **data)

    async def _end(
        self,
        mover: Mover,
        recorder: Recorder,
        state: Any,
        outcome: str,
        *,
        changes: Mapping[str, Any] | None = None,
        **data: Any,
    ) -> None:
        if mover.sent_again:  # each time that it is sent again it ends again
            data["attempt"] = mover.sent_again + 1
        event = recorder.event("run_completed", actor="supervisor", state=state, outcome=outcome, **data)
        await mover.to(state, outcome, events=[event], changes=changes)
        await self._graphs.end(recorder.run_id)

    # setting up

    async def _take_up(self, drive: Drive, approvals: Sequence[Approval], history: Sequence[Event]) -> bool:
        """Bring the stored state to one from which work goes on; False: there is nothing to do (yet)."""
        row, mover = drive.row, drive.mover
        own = answer_of(approvals)
        if row.state == WAITING and own is not None:
            self._answer(drive, own, stage="person", sure=1.0)
            await self._finish(drive, "COMPLETED", "closed by a person", answer=own)
            return False
        has_plan = drive.scope.recorder.knows("state_changed", key="planned:0")
        if row.state == WAITING:
            if not answered(approvals, history, now=drive.scope.clock()):
                return False
            self._resumed(drive, "answered")
            await mover.to("EXECUTING" if has_plan else "PLANNED", "a person has answered")
        elif len(history) > 1:
            self._resumed(drive, "taken over")
        if mover.state == "WAITING_FOR_TOOL" or (mover.state == "PLANNED" and has_plan):
            await mover.to("EXECUTING", "the run goes on")
        known = row.request.get("answer")
        if known is not None:
            self._answer(drive, str(known), stage="intake", sure=1.0)
            await drive.lead.start("nothing is to be done")
            await mover.to("VALIDATING", "the answer is known")
            await self._finish(drive, "COMPLETED", "answered", answer=str(known))
        return known is None

    def _resumed(self, drive: Drive, reason: str) -> None:
        drive.scope.recorder.emit(
            "run_resumed",
            actor="supervisor",
            owner=self.owner,
            reason=reason,
            attempt=drive.row.next_seq,
            deadline_at=drive.scope.deadline_at.isoformat(),
        )

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


def _finished(work: asyncio.Task[Any]) -> bool:
    return work.done() and not work.cancelled()


def _seen(task: asyncio.Task[bool]) -> None:
    """Mark the exception as seen: all who waited may have gone."""
    if not task.cancelled():
        task.exception()
