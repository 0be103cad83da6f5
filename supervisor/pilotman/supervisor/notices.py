"""Telling people who wait elsewhere that they are asked: a port, and who drives it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from pilotman.agents.failure import classify
from pilotman.agents.recorder import event_key
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.digest import digest
from pilotman.guardrails.errors import PilotmanError
from pilotman.guardrails.retry import Retry
from pilotman.memory.event import NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.untold import Untold

ACTOR: Final = "notifier"
AT_ONCE: Final = 8
POLL_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 30.0
"""What one attempt may take, whatever the notifier's own time-out."""
AGAIN: Final = timedelta(minutes=1)
LEASE: Final = timedelta(minutes=5)
DRAIN_SECONDS: Final = 5.0
BRIEFLY: Final = Retry(max_attempts=3, backoff_ms=(200, 800))
"""What fails is tried again at once, then each time after ``AGAIN``."""


class Notifier(Protocol):
    """The port. Awaited for each question that comes up, and again when calls have joined it.

    What it raises is noted on the run's record, and it is called again. After a crash people may be told
    twice: approval id and digest say that it is the same.
    """

    async def notify(self, question: Approval, /) -> None: ...


class Notices:
    """Tells people of one team's questions: those of this process, and those that another left untold."""

    def __init__(
        self,
        notifier: Notifier,
        journal: Journal,
        supervisor: str,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._notifier = notifier
        self._journal = journal
        self._supervisor = supervisor
        self._clock = clock
        self._closing = asyncio.Event()
        self._task = asyncio.create_task(self._watch())

    async def aclose(self) -> None:
        """Tell what is due, if it does not take long; the rest at the next start."""
        self._closing.set()
        await asyncio.wait({self._task}, timeout=DRAIN_SECONDS)
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _watch(self) -> None:
        while True:
            closing = self._closing.is_set()  # looked at before: what was asked until then is told yet
            with suppress(PilotmanError):  # the journal may come back
                while await self._tell_some():
                    pass
            if closing:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._closing.wait()

    async def _tell_some(self) -> bool:
        taken = await self._journal.take_untold(supervisor=self._supervisor, lease=LEASE, limit=AT_ONCE)
        await asyncio.gather(*(self._tell(one) for one in taken))
        return bool(taken)

    async def _tell(self, untold: Untold) -> None:
        attempt, wrong = 0, ""
        while attempt < BRIEFLY.max_attempts:
            if attempt:
                await asyncio.sleep(BRIEFLY.delay(attempt))
            attempt += 1
            try:
                async with asyncio.timeout(LONGEST_SECONDS):
                    await self._notifier.notify(untold.question)
            except Exception as error:  # it is somebody else's code, and a network between
                wrong = classify(error, effect="read").message
            else:
                await self._journal.told(untold, events=[self._event("approval_notified", untold)])
                return
        now = self._clock()
        failed = self._event("notification_failed", untold, message=wrong, at=now.isoformat())
        text = f"nobody could be told that a person is asked: {wrong}"
        caveat = self._plain("caveat", {"text": text}, event_key("caveat", {"text": text}))
        await self._journal.put_off(untold, until=now + AGAIN, events=[failed, caveat])

    def _event(self, kind: str, untold: Untold, **more: str) -> NewEvent:
        question = untold.question
        data = {
            "approval_id": question.approval_id,
            "tool": question.tool,
            "digest": question.digest,
            "notifier": type(self._notifier).__name__,
            **more,
        }
        return self._plain(kind, data, f"{kind}:{question.approval_id}:{digest(data)[:20]}")

    def _plain(self, kind: str, data: dict[str, Any], key: str) -> NewEvent:
        return NewEvent(kind=kind, actor=ACTOR, data=data, key=key, at=self._clock())
