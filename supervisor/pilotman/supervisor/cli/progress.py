"""What happens, line by line, while a run is driven."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.memory import Event, Memory
from pilotman.supervisor.cli.output import errors
from pilotman.supervisor.render import who

_LINES: Mapping[str, tuple[str, str]] = {
    "plan_made": ("plan", "{tasks}"),
    "task_started": ("task", "{who} starts"),
    "task_completed": ("task", "{who} is done"),
    "task_parked": ("task", "{who} waits for a person"),
    "tool_call_completed": ("tool", "{tool}: {status}"),
    "tool_call_failed": ("tool", "{tool} failed: {message}"),
    "retry_scheduled": ("retry", "{what} again in {delay_ms} ms ({failure})"),
    "fallback_activated": ("model", "{from} did not answer, {to} takes over"),
    "effect_applied": ("write", "{tool} applied"),
    "effect_unknown": ("write", "{tool}: outcome unknown"),
    "approval_requested": ("person", "asked about {tool}"),
    "budget_exceeded": ("budget", "{limit}: {message}"),
    "answer_rejected": ("check", "the answer was refused, it is written again"),
}


class Progress:
    """Prints events of one tenant's runs to standard error as they are stored, of ``run_id`` the new ones."""

    def __init__(self, memory: Memory, tenant: str, *, quiet: bool, run_id: str | None = None) -> None:
        self._memory = memory
        self._tenant = tenant
        self._quiet = quiet
        self._run_id = run_id
        self._changed: asyncio.Queue[str] = asyncio.Queue()
        self._seen: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if not self._quiet:
            journal = self._memory.journal
            if self._run_id is not None:
                told = await journal.events(self._run_id, tenant=self._tenant)
                self._seen[self._run_id] = max((event.seq for event in told), default=0)
            self._remove = journal.add_listener(self._changed.put_nowait)
            self._task = asyncio.create_task(self._follow())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._remove()
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            while not self._changed.empty():
                await self._print(self._changed.get_nowait())

    async def _follow(self) -> None:
        while True:
            await self._print(await self._changed.get())

    async def _print(self, run_id: str) -> None:
        after = self._seen.get(run_id, 0)
        for event in await self._memory.journal.events(run_id, tenant=self._tenant, after=after):
            self._seen[run_id] = event.seq
            line = _line(event)
            if line is not None:
                errors.print(line)


def _line(event: Event) -> Text | None:
    form = _LINES.get(event.kind)
    if form is None:
        return None
    data: dict[str, Any] = dict(event.data)
    if event.kind == "plan_made":
        data["tasks"] = " → ".join(", ".join(wave) for wave in _waves(data["tasks"]))
    if "task_id" in data:
        data["who"] = _who(data)
    words = form[1].format_map({"message": "", "to": "", **data})
    return Text.assemble((f"{form[0]:>7} ", "dim"), visible(words.split("\n")[0], limit=160))


def _who(task: Mapping[str, Any]) -> str:
    return who(str(task["agent"]), str(task["task_id"]))


def _waves(tasks: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """What runs at once, wave by wave."""
    done: set[str] = set()
    while left := [task for task in tasks if task["task_id"] not in done]:
        wave = [task for task in left if done.issuperset(task["depends_on"])] or left
        yield [_who(task) for task in wave]
        done.update(task["task_id"] for task in wave)
