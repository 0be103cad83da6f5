"""What levels let one task do: a copy for its decisions, and a fresh look before each attempt of a write."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from pilotman.agents.blocking import Threads
from pilotman.agents.body import Body
from pilotman.agents.calls import DRAFTED, ProposedCall, drafted, failure
from pilotman.agents.context import ToolContext
from pilotman.agents.failure import ToolFailure
from pilotman.agents.result import ToolResult
from pilotman.agents.scope import TaskScope
from pilotman.agents.tool import Tool
from pilotman.guardrails.errors import PilotmanError
from pilotman.guardrails.ladder import at_or_below
from pilotman.guardrails.level import Held, Setting, Standing, passes, standing
from pilotman.guardrails.policy import Level
from pilotman.memory.journal.records import EffectRow, Switched

COPY_SECONDS: Final = 0.5
"""How old what a decision rests on may be."""
LOOK_SECONDS: Final = 0.4
"""How old what a look has found may be when it arrives; else it is looked again."""
START_SECONDS: Final = 0.8
"""How old it may be when the attempt begins. With a second's promise, the rest is for starting a thread."""
_LOOKS = 10
SWITCHED_OFF = "switched_off"
UNREADABLE = "the switches cannot be read, which means off"
READ_ONLY = "this run is read-only"
DEGRADED = "this run does less than usual, for its surroundings are ill"
_WORDS: Mapping[Level, str] = {
    "off": "it is switched off",
    "read_only": "writes are switched off",
    "constrained": "it needs a person's yes now",
}

Look: TypeAlias = Callable[[], Awaitable[float | ToolResult]]
"""Until which monotonic second an attempt may begin, or why none may."""


@dataclass(eq=False)
class Switches:
    """As one task sees them. What was never looked at, or cannot be read, is off."""

    task: TaskScope
    _settings: Sequence[Setting] | None = None

    async def look(self, *, age: float = COPY_SECONDS) -> None:
        """See that the copy is at most ``age`` seconds old."""
        try:
            self._settings = await self.task.run.journal.settings(age=age)
        except PilotmanError:
            self._settings = None

    def of(self, tool: Tool[..., Any] | None) -> Standing:
        """The level for a tool in this task's hands; None: for all that its agent does."""
        if self._settings is None:
            return Standing(level="off", why=UNREADABLE)
        at = standing(
            self._settings,
            tenant=self.task.run.principal.tenant,
            chain=self.task.chain,
            tool=None if tool is None else tool.name,
            effect=None if tool is None else tool.effective,
        )
        run = self.task.run
        if run.read_only and at.level not in ("off", "read_only"):
            return Standing(level="read_only", why=READ_ONLY)
        if at_or_below(run.rung, "read_only") and at.level not in ("off", "read_only"):
            return Standing(level="read_only", why=DEGRADED)
        if at_or_below(run.rung, "approval") and at.level == "full":
            return Standing(level="constrained", why=DEGRADED)
        return at

    def stop(self, tool: Tool[..., Any]) -> bool:
        """Whether no call of it goes on from here, whatever policies and people say."""
        return not passes(self.of(tool).level, effect=tool.effective, approved=True)

    def hold(self, call: ProposedCall, held: Held) -> ProposedCall:
        """End a call that the level stops. The answer says so; what would have been written is kept."""
        run, why = self.task.run, held.reasons[0]
        if held.level == "off":
            run.caveat(f"{call.tool} was not used: {why}")
            message = f"{SWITCHED_OFF}: {call.tool} may not be used now; do not try it again"
            return call.finished(failure("authorization", message))
        run.caveat(f"{call.tool}: {DRAFTED}: {why}")
        run.recorder.emit(
            "write_drafted",
            actor=self.task.agent,
            path=call.path,
            digest=call.digest,
            tool=call.tool,
            effect=self.task.tools[call.tool].effective,
            args={"payload": run.recorder.keep(dict(call.args))},
            approval_id=call.approval_id,
            reason=why,
        )
        return call.finished(drafted())

    def before(self, effect: EffectRow) -> Look:
        """What is asked before each attempt of this write, its first one too."""

        async def look() -> float | ToolResult:
            for _ in range(_LOOKS):
                try:
                    seen = await self.task.run.journal.check_level(effect)
                except Switched as error:
                    return failure("authorization", _WORDS.get(error.level, str(error)))
                except PilotmanError:
                    return failure("authorization", UNREADABLE)
                if time.monotonic() - seen < LOOK_SECONDS:
                    return seen + START_SECONDS
            return failure("transient", "the switches answer too slowly")

        return look


@dataclass(frozen=True, kw_only=True)
class PromptBody:
    """A body that begins by a monotonic second or not at all: on a busy event loop a task may wait long."""

    inner: Body
    until: float

    @property
    def is_async(self) -> bool:
        return self.inner.is_async

    async def __call__(
        self, values: Mapping[str, Any], ctx: ToolContext, threads: Threads, /, *leading: Any
    ) -> Any:
        if time.monotonic() > self.until:
            raise ToolFailure("this process is too busy: it did not start in time", kind="transient")
        return await self.inner(values, ctx, threads, *leading)
