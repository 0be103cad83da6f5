"""The one mover: every transition of a run's state goes through here, checked and stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, cast

from pilotman.agents.recorder import Recorder
from pilotman.memory.event import NewEvent
from pilotman.memory.journal import Journal
from pilotman.memory.records import RunRow, TransitionRow
from pilotman.supervisor.state import RunState, check

SETTLE_SECONDS = 0.02
"""How long all tasks must wait for tools before the run's state says so."""


class Mover:
    """Moves one run. A move whose ``key`` was made before, in an earlier life of the run, is not repeated."""

    def __init__(
        self,
        journal: Journal,
        row: RunRow,
        transitions: Sequence[TransitionRow],
        recorder: Recorder,
        *,
        owner: str,
    ) -> None:
        self._journal = journal
        self._recorder = recorder
        self._owner = owner
        self._run_id = row.run_id
        self._moves = len(transitions)
        self._counts: Counter[tuple[RunState, RunState]] = Counter(
            (cast("RunState", t.from_state), cast("RunState", t.to_state)) for t in transitions
        )
        self._tasks: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._following: asyncio.Task[None] | None = None
        self._order = asyncio.Lock()
        self.state: RunState = cast("RunState", row.state)

    async def to(
        self,
        state: RunState,
        reason: str,
        *,
        key: str | None = None,
        actor: str = "supervisor",
        events: Sequence[NewEvent | None] = (),
        changes: Mapping[str, Any] | None = None,
        retry_safe: bool = False,
    ) -> None:
        """Move the run.

        Raises:
            Conflict: the table has no such move, it was made too often, or another process owns the run now.
        """
        if self.state == "WAITING_FOR_TOOL" and state not in ("EXECUTING", "FAILED", "CANCELLED"):
            await self.to("EXECUTING", "no task waits any more")
        async with self._order:
            name = key or f"{state}#{self._moves + 1}"
            if self._recorder.knows("state_changed", key=name) or state == self.state:
                return
            attempt = check(self._counts, self.state, state, retry_safe=retry_safe)
            move = (self.state, state)
            moved = self._recorder.event(
                "state_changed",
                actor=actor,
                key=name,
                attempt=attempt,
                reason=reason,
                **{"from": self.state, "to": state},
            )
            row = TransitionRow(
                run_id=self._run_id,
                number=self._moves + 1,
                from_state=self.state,
                to_state=state,
                at=self._recorder.now(),
                actor=actor,
                reason=reason,
                attempt=attempt,
            )
            await self._journal.move(
                self._run_id,
                owner=self._owner,
                transition=row,
                events=self._recorder.events(moved, *events),
                changes=changes or {},
            )
            self._counts[move] += 1
            self._moves += 1
            self.state = state

    def working(self, path: str) -> None:
        """A task has begun."""
        self._tasks[path] = 0

    def finished(self, path: str) -> None:
        """A task has ended or was parked."""
        self._tasks.pop(path, None)

    def waiting(self, path: str, delta: int) -> None:
        """A tool call of a task has begun (+1) or ended (-1). The state follows if that lasts a moment."""
        if path in self._tasks:
            self._tasks[path] += delta
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._look)

    def close(self) -> None:
        """Nothing follows any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._following is not None:
            self._following.cancel()

    def _look(self) -> None:
        self._timer = None
        self._following = asyncio.get_running_loop().create_task(self._follow())

    async def _follow(self) -> None:
        """Show in the state whether all tasks wait for tools."""
        idle = bool(self._tasks) and all(self._tasks.values())
        if idle and self.state == "EXECUTING":
            await self.to("WAITING_FOR_TOOL", "every task waits for a tool")
        elif not idle and self.state == "WAITING_FOR_TOOL":
            await self.to("EXECUTING", "a tool has answered")
