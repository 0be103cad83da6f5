"""The one mover: every transition of a run's state goes through here, checked and stored."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from pilotman.agents.recorder import Recorder
from pilotman.guardrails.errors import PilotmanError
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import ENDED, WAITING, RunRow, TransitionRow
from pilotman.supervisor.state import RunState, check

SETTLE_SECONDS = 0.02
"""How long all tasks must wait for tools before the run's state says so."""


class Mover:
    """Moves one run. A move whose ``key`` was made before, in an earlier life of the run, is not repeated.

    ``standing`` are fields of the run's row that every move stores.
    """

    def __init__(
        self,
        journal: Journal,
        row: RunRow,
        transitions: Sequence[TransitionRow],
        recorder: Recorder,
        *,
        owner: str,
        standing: Mapping[str, Any] | None = None,
    ) -> None:
        self._standing = standing or {}
        self._journal = journal
        self._recorder = recorder
        self._owner = owner
        self._run_id = row.run_id
        self._moves = len(transitions)
        self._counts: Counter[tuple[RunState, RunState]] = Counter(
            (cast("RunState", t.from_state), cast("RunState", t.to_state)) for t in transitions
        )
        self._tasks: dict[str, int] = {}
        self._resting = Counter[str]()
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
        events: Sequence[NewEvent | None] = (),
        changes: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Move the run. ``events`` and the row's ``changes`` go with it, ``facts`` stand in its event.

        Whoever is cancelled meanwhile does not stop it half-way: the move is made, or it is not.

        Raises:
            Conflict: the table has no such move, it was made too often, or another process owns the run now.
        """
        work = self._to(state, reason, key=key, events=events, changes=changes, facts=facts)
        await asyncio.shield(asyncio.create_task(work))

    async def _to(
        self,
        state: RunState,
        reason: str,
        *,
        key: str | None,
        events: Sequence[NewEvent | None],
        changes: Mapping[str, Any] | None,
        facts: Mapping[str, Any] | None,
    ) -> None:
        async with self._order:
            if self._recorder.knows("state_changed", key=key) or state == self.state:
                return
            if self.state == "WAITING_FOR_TOOL" and state not in ("EXECUTING", "FAILED", "CANCELLED"):
                await self._move("EXECUTING", "no task waits any more")
            await self._move(state, reason, key=key, events=events, changes=changes, facts=facts)

    async def _move(
        self,
        state: RunState,
        reason: str,
        *,
        key: str | None = None,
        events: Sequence[NewEvent | None] = (),
        changes: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        before, number = self.state, self._moves + 1
        attempt = check(self._counts, before, state)
        said: dict[str, Any] = {"actor": "supervisor", "reason": reason, "attempt": attempt}
        ways = {"from": before, "to": state, **(facts or {})}
        moved = self._recorder.event("state_changed", key=key or f"{state}#{number}", **ways, **said)
        row = TransitionRow(
            run_id=self._run_id,
            number=number,
            from_state=before,
            to_state=state,
            at=self._recorder.now(),
            **said,
        )
        stored: Mapping[str, Any] = {
            "owner": self._owner,
            "transition": row,
            "events": self._recorder.events(moved, *events),
            "changes": {**self._standing, **(changes or {})},
        }
        if state in ENDED or state == WAITING:
            await self._journal.move(self._run_id, **stored)
        else:  # from here on the run goes on by itself: it need not wait for that
            self._journal.ride_move(self._run_id, **stored)
        self._counts[before, state] += 1
        self._moves = number
        self.state = state

    @property
    def sent_again(self) -> int:
        """How often the run was taken up again after it had failed."""
        return self._counts["FAILED", "PLANNED"]

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

    def resting(self, path: str, delta: int) -> None:
        """Something of a task has begun (+1) or ended (-1) to wait for time or for a place."""
        self._resting[path] += delta

    @property
    def at_rest(self) -> bool:
        """Whether the run only waits, with all its tasks, for pauses to end or places to become free."""
        resting = [path for path, count in self._resting.items() if count]
        return bool(resting) and all(
            any(path == task or path.startswith(f"{task}/") for path in resting) for task in self._tasks
        )

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
        """Show in the state whether all tasks wait for tools. What fails here is raised by the next move."""
        with suppress(PilotmanError):
            async with self._order:
                idle = bool(self._tasks) and all(self._tasks.values())
                if idle and self.state == "EXECUTING":
                    await self._move("WAITING_FOR_TOOL", "every task waits for a tool")
                elif not idle and self.state == "WAITING_FOR_TOOL":
                    await self._move("EXECUTING", "a tool has answered")
