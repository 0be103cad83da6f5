"""The journal: the state store of runs. An asynchronous front over one database thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection

from pilotman.guardrails.capacity import Capacity
from pilotman.guardrails.errors import Overloaded, QuotaExceeded
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.quota import Window
from pilotman.guardrails.seal import Subject
from pilotman.memory.event import Event, NewEvent
from pilotman.memory.journal import approvals, blocks, effects, erasure, moves, owned, payloads, queue, runs
from pilotman.memory.journal.access import nothing, prepared
from pilotman.memory.journal.batch import Rider
from pilotman.memory.journal.book import book_id, opened
from pilotman.memory.journal.chain import Block
from pilotman.memory.journal.events import append, read, tool_calls
from pilotman.memory.journal.feed import Feed
from pilotman.memory.journal.ledger import Ledger
from pilotman.memory.journal.metering import Metering
from pilotman.memory.journal.quotas import start_run
from pilotman.memory.journal.records import Claimed, RunRow, Story, TransitionRow
from pilotman.memory.storage.codec import text

T = TypeVar("T")


class Journal(Ledger, Metering, Feed):
    """Runs, events, payloads, permits, effects and approvals of one installation.

    ``url``: ``sqlite://`` (memory, kept as long as this object), ``sqlite:///file.db`` or ``postgresql://…``.
    Constructing does no I/O. Any event loop may use it between ``start`` and ``aclose``, also several; it may
    be started again. What is awaited is committed when it returns, together with all that was appended
    before; ``append`` and ``put_payload`` do not wait. Methods with a ``tenant`` raise ``NotFound`` for
    another tenant's ids; those without are for the process that owns the run.

    Every method may raise ``Unavailable`` (disk full, locked, server gone): nothing of it was stored then.
    """

    # runs

    async def create_run(
        self,
        run: RunRow,
        *,
        events: Sequence[NewEvent],
        queued: bool = False,
        capacity: Capacity | None = None,
        quotas: Sequence[Window] = (),
    ) -> tuple[RunRow, bool]:
        """Store a run, active or in the queue. The same idempotency key gives the run that has it, and False.

        Raises:
            Conflict: not queued, and another run holds the conversation.
            Overloaded: as many wait already as ``capacity`` lets wait.
            QuotaExceeded: one of ``quotas`` is used up.
        """
        rows = prepared(run.run_id, events)

        def admit(connection: Connection) -> None:
            if capacity is not None:
                queue.admit(connection, run, capacity)
            if quotas:
                start_run(connection, quotas, now=run.created_at)

        def work(connection: Connection) -> tuple[RunRow, bool] | Overloaded | QuotaExceeded:
            try:
                stored, new = runs.create(connection, run, queued=queued, admit=admit)
            except (Overloaded, QuotaExceeded) as error:  # it changed nothing: others' work goes on
                return error
            if new:
                append(connection, rows)
                stored = replace(stored, next_seq=1 + len(rows))
            return stored, new

        done = await self._write(work)
        if isinstance(done, tuple):
            return done
        raise done

    async def run(self, run_id: str, *, tenant: str) -> RunRow:
        return await self._read(lambda connection: runs.get(connection, run_id, tenant=tenant))

    async def subject(self, run_id: str) -> Subject | None:
        """Whose the run's content is; None: there is no such run."""
        return await self._read(lambda connection: owned.owner(connection, run_id).subject)

    async def blinder(self, run_id: str) -> Callable[[bytes], bytes]:
        """What makes digests of the run's content that tell nothing without its user's key."""
        subject = await self.subject(run_id)
        if subject is None:
            return payloads.digested
        return await asyncio.to_thread(self._seal.blinder, subject)

    async def run_of(self, idempotency_key: str, *, tenant: str) -> RunRow | None:
        """The run that has this idempotency key, or None."""
        return await self._read(lambda connection: runs.same(connection, tenant, idempotency_key))

    async def story(self, run_id: str, *, tenant: str) -> Story:
        """All that is stored of a run but its payloads, as of one moment."""
        return await self._read(
            lambda connection: self._story(connection, runs.get(connection, run_id, tenant=tenant))
        )

    def _story(self, connection: Connection, run: RunRow) -> Story:
        return Story(
            run=run,
            events=read(connection, run.run_id, 0),
            transitions=moves.of_run(connection, run.run_id),
            approvals=approvals.of_run(connection, run.run_id, now=self._clock()),
            effects=effects.of_run(connection, run.run_id),
        )

    async def runs(
        self,
        *,
        tenant: str,
        supervisor: str | None = None,
        state: str | None = None,
        thread_id: str | None = None,
        limit: int = 50,
    ) -> list[RunRow]:
        """A tenant's runs, newest first."""
        return await self._read(
            lambda connection: runs.listing(
                connection,
                tenant=tenant,
                supervisor=supervisor,
                state=state,
                thread_id=thread_id,
                limit=limit,
            )
        )

    async def claim(
        self, run_id: str, *, owner: str, lease: timedelta, is_dead: Callable[[str], bool]
    ) -> Claimed | None:
        """Own a run and its conversation; None: it is over, somebody alive owns it, or another run holds
        that."""

        def work(connection: Connection) -> Claimed | None:
            run = runs.claim(connection, run_id, owner=owner, lease=lease, now=self._clock(), is_dead=is_dead)
            if run is None:
                return None
            calls = tool_calls(connection, run.tenant, text(run.thread_id))
            return Claimed(story=self._story(connection, run), conversation_calls=calls)

        return await self._write(work)

    async def renew(self, run_ids: Collection[str], *, owner: str, lease: timedelta) -> None:
        """Keep those of the owner's runs for another ``lease`` from now."""
        until = self._clock() + lease
        await self._write(lambda connection: runs.renew(connection, run_ids, owner=owner, until=until))

    async def release(self, run_id: str, *, owner: str, failed: bool = False) -> None:
        """Own it no longer, if it is this owner's. ``failed``: driving it broke down."""
        await self._write(lambda connection: runs.release(connection, run_id, owner=owner, failed=failed))

    async def release_all(self, *, owner: str) -> None:
        """Own nothing any more: others may go on at once."""
        await self._write(lambda connection: runs.release_all(connection, owner=owner))

    async def take_over(
        self, *, supervisor: str, owner: str, lease: timedelta, is_dead: Callable[[str], bool]
    ) -> RunRow | None:
        """Own the oldest run that should be driven and whose owner is dead, or whose lease is over."""
        return await self._write(
            lambda connection: runs.take_over(
                connection,
                supervisor=supervisor,
                owner=owner,
                lease=lease,
                now=self._clock(),
                is_dead=is_dead,
            )
        )

    async def move(
        self,
        run_id: str,
        *,
        owner: str,
        transition: TransitionRow,
        events: Sequence[NewEvent],
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        """Store a transition, the run's changed fields and the events, all or nothing.

        Raises:
            Fenced: the run is not this owner's any more, or not in the state that it is moved from.
        """
        await self._record(
            run_id,
            events,
            lambda connection: runs.move(connection, transition, owner=owner, changes=changes or {}),
        )

    def ride_move(
        self,
        run_id: str,
        *,
        owner: str,
        transition: TransitionRow,
        events: Sequence[NewEvent],
        changes: Mapping[str, Any],
    ) -> None:
        """``move`` without waiting. What fails later is raised as with ``append``."""
        rows = prepared(run_id, events)

        def work(connection: Connection) -> None:
            runs.move(connection, transition, owner=owner, changes=changes)

        self._open.ride(Rider(run_id, rows, work=work))

    async def transitions(self, run_id: str, *, tenant: str) -> list[TransitionRow]:
        return await self._of_run(run_id, tenant, moves.of_run)

    async def request_cancel(
        self, run_id: str, *, tenant: str, reason: str, events: Sequence[NewEvent] = ()
    ) -> RunRow:
        """Note that somebody wants the run to stop.

        Raises:
            Conflict: it is over.
        """

        def work(connection: Connection) -> RunRow:
            runs.check_tenant(connection, run_id, tenant)
            return runs.request_cancel(connection, run_id, reason=reason, now=self._clock())

        return await self._record(run_id, events, work, answers=False)

    async def to_cancel(self, run_ids: Collection[str]) -> set[str]:
        """Which of these runs somebody wants to stop."""
        return await self._read(lambda connection: runs.to_cancel(connection, run_ids))

    # events and payloads

    def append(self, run_id: str, events: Sequence[NewEvent]) -> None:
        """Add events without waiting; known keys are passed over. What fails later is raised by the run's
        next ``move``, ``intend`` or other step, and by ``flush``.

        Raises:
            TypeError: data that cannot be written as JSON.
        """
        if events:
            self._open.ride(Rider(run_id, prepared(run_id, events)))

    async def events(
        self, run_id: str, *, tenant: str, after: int = 0, kinds: Collection[str] = ()
    ) -> list[Event]:
        """The run's events in order, those with ``seq > after``, of these ``kinds`` if any are named; also
        what this process has just appended."""
        return await self._of_run(
            run_id, tenant, lambda connection, _: read(connection, run_id, after, kinds)
        )

    def put_payload(
        self, run_id: str, body: bytes, *, blind: Callable[[bytes], bytes] = payloads.digested
    ) -> str:
        """Store a body without waiting, once a run. Returns its digest, 64 hexadecimal digits: the SHA-256,
        or what ``blinder`` makes of it."""
        row = payloads.prepare(run_id, body, blind)
        self._open.ride(Rider(run_id, payload=row))
        return str(row["digest"])

    async def payload(self, run_id: str, digest: str, *, tenant: str) -> bytes:
        """A body; of a redacted one a JSON object ``{"redacted": reason}``."""
        return await self._of_run(
            run_id, tenant, lambda connection, _: payloads.get(connection, run_id, digest)
        )

    async def payloads(self, run_id: str) -> dict[str, bytes]:
        """All bodies of a run by digest, without those that were redacted."""
        return await self._read(lambda connection: payloads.of_run(connection, run_id))

    async def redact_payload(
        self, run_id: str, digest: str, *, tenant: str, reason: str, actor: str = ""
    ) -> None:
        """Put a tombstone in place of a body, and an event ``payload_redacted`` into the run."""
        data = {"digest": digest, "reason": reason}
        key = f"payload_redacted:{digest}"
        event = NewEvent(kind="payload_redacted", actor=actor, data=data, key=key, at=self._clock())

        def work(connection: Connection) -> None:
            runs.check_tenant(connection, run_id, tenant)
            payloads.redact(connection, run_id, digest)

        await self._record(run_id, [event], work, answers=False)

    # forgetting

    async def erase_run(self, run_id: str, *, tenant: str, actor: str = "") -> bool:
        """Erase what a run says; False: that was done before. Ids, times, kinds and digests stay, and the
        chain verifies. From then on the run is not found. One that is driven is asked to stop, and stores no
        content.

        Raises:
            NotFound: the tenant has no such run.
        """
        now = self._clock()
        return await self._write(
            lambda connection: erasure.erase(connection, run_id, tenant=tenant, actor=actor, now=now),
            mode="full",
        )

    async def erase_what_came(self, run_id: str, *, tenant: str, actor: str, answer: bool) -> None:
        """Erase what a run has read and what came of it: bodies, reports, questions, and with ``answer`` what
        it answered, and the items that it wrote. Its request stays.

        Raises:
            NotFound: the tenant has no such run.
        """
        now = self._clock()

        def work(connection: Connection) -> None:
            runs.check_tenant(connection, run_id, tenant)
            erasure.erase_what_came(connection, run_id, answer=answer, actor=actor, now=now)

        await self._write(work, mode="full")

    async def hide_runs(self, run_ids: Collection[str]) -> None:
        """From now on no process serves these runs, all at once; they are to be erased one by one."""
        now = self._clock()
        await self._write(lambda connection: erasure.hide(connection, run_ids, now=now), mode="full")

    # the chain

    async def tip(self) -> Block:
        """The last block, which seals all that was appended before."""
        await self._write(nothing)

        def work(connection: Connection) -> Block:
            blocks.gather(connection)
            return blocks.tip(connection)

        return await self._write(work)

    # events outside of runs, and what this room keeps beside runs

    async def note(self, principal: Principal, events: Sequence[NewEvent]) -> None:
        """Write down what was done outside of a run, in the principal's own book (see ``book``)."""
        await self.record(principal, events, nothing)

    async def record(
        self, principal: Principal, events: Sequence[NewEvent], work: Callable[[Connection], T]
    ) -> T:
        """``work`` of another part of this room, and its events in the principal's book, all or nothing."""

        def both(connection: Connection) -> T:
            opened(connection, principal, now=self._clock())
            return work(connection)

        return await self._record(book_id(principal.tenant, principal.user), events, both, answers=False)

    # the queue

    async def next_queued(self, *, supervisor: str, owner: str, lease: timedelta) -> RunRow | None:
        """Own the most urgent queued run that nobody owns and whose conversation is free; None: none is."""
        return await self._write(
            lambda connection: queue.claim_next(
                connection, supervisor=supervisor, owner=owner, lease=lease, now=self._clock()
            )
        )

    async def waiting(self, *, supervisor: str, tenant: str, limit: int = 50) -> list[RunRow]:
        """A tenant's requests in the queue that nobody drives yet, the next one first."""
        return await self._read(
            lambda connection: queue.waiting(connection, supervisor=supervisor, tenant=tenant, limit=limit)
        )

    async def queue_length(self, tenant: str | None = None) -> int:
        """Requests that nobody drives yet."""
        return await self._read(lambda connection: queue.length(connection, tenant))

    async def enqueue(self, run_id: str) -> None:
        """Put a run in line again. One that is in line stays where it is."""
        await self._write(lambda connection: queue.again(connection, run_id))

    async def resend(self, transition: TransitionRow, *, events: Sequence[NewEvent]) -> None:
        """Take up a run that is over, with this move and its events, and put it in line.

        Raises:
            Fenced: it is not in the state that it is moved from.
        """
        await self._record(
            transition.run_id, events, lambda connection: queue.resend(connection, transition), answers=False
        )

    async def dequeue(self, run_id: str) -> None:
        await self._write(lambda connection: queue.remove(connection, run_id))
