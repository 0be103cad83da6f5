"""A user's items as a LangGraph store: what a conversation keeps for a while, and what lasts."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeAlias, TypeVar, cast

from langchain_core.runnables.config import var_child_runnable_config
from langgraph.store.base import (
    NOT_PROVIDED,
    BaseStore,
    InvalidNamespaceError,
    NotProvided,
    Op,
    PutOp,
    Result,
    SearchItem,
    validate_op_namespace,
)
from sqlalchemy import Connection

from pilotman.guardrails.errors import ConfigurationError, InvalidRequest, NotFound, PermitRefused
from pilotman.guardrails.label import Label
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.seal import Forgotten, Seal, Subject
from pilotman.guardrails.shape import is_mapping
from pilotman.memory.event import NewEvent
from pilotman.memory.journal import events
from pilotman.memory.journal.access import now
from pilotman.memory.journal.book import book_id, opened
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.owned import owner
from pilotman.memory.keyring.place import is_near
from pilotman.memory.retention import Kind, Retention
from pilotman.memory.storage.codec import micros
from pilotman.memory.store import rows
from pilotman.memory.store.acting import acting, tell
from pilotman.memory.store.change import Change, RevisionConflict
from pilotman.memory.store.hand import Hand
from pilotman.memory.store.place import DURABLE, Owner
from pilotman.memory.store.rows import ItemRow
from pilotman.memory.store.scrutiny import suspicions
from pilotman.memory.store.shelf import Contents, Found, KeptItem, Reading, Shelf

T = TypeVar("T")
Expected: TypeAlias = int | NotProvided | None

_KEEP = Retention()
_APART = "\x1f"
"""How sessions that stand apart begin, and no others."""
_MINUTE = 60_000_000
_MOST_MINUTES = 52_596_000.0
"""A hundred years."""
_MANY = 64
"""Items from which on they are opened in a thread, not on the event loop."""


class MemoryStore(BaseStore):
    """LangGraph's ``BaseStore`` over the journal's database. Made by ``Memory.as_store``.

    Two tiers, told apart by the first label of a namespace:

    - ``("session", …)`` belongs to the user *and the conversation* (the run's, or the ``thread_id`` of the
      graph), and ends some time after its last use: as long as ``retention`` says, or the item's ``ttl``.
    - Every other namespace lasts. Such a ``put`` is refused if it holds a secret, cannot be read until it is
      released if it reads like instructions, and is written down in the journal: in the run, or in the
      user's own book outside of runs. Inside a run it needs a permit, as every write: it belongs into a
      tool with an effect.

    An item keeps its label: what a run wrote is as trusted as the least of what it had read by then, and a
    later run that reads it takes that over.

    All of it is the principal's own: another's items are not there, whatever the namespace. What has expired
    is not there either, swept or not. ``search(query=…)`` ranks by words that stand in the values, ``index=``
    means nothing here. ``ttl`` is in minutes after the last use; a use moves the end if it moves by more than
    a hundredth of that. Synchronous methods work in threads that run no event loop.
    """

    supports_ttl = True

    def __init__(
        self,
        journal: Journal,
        *,
        seal: Seal | None = None,
        principal: Principal | None = None,
        thread_id: str | None = None,
        retention: Retention = _KEEP,
        apart: bool = False,
        opened: Contents | None = None,
        clock: Callable[[], datetime] = now,
    ) -> None:
        """``principal`` None: of the run in which it is used. ``thread_id`` None: of the run or graph.

        ``apart``: the sessions of such a store are others, which no store without it reaches. Stores may
        share what their searches have ``opened``.
        """
        self._journal = journal
        self._seal = seal or Seal()
        self._principal = principal
        self._thread_id = thread_id
        self._apart = apart
        self._opened = Contents() if opened is None else opened
        self._retention = retention
        self._clock = clock

    # LangGraph's two methods, to which all others lead

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Reads see what was there before; of several writes to one key the last one counts.

        Raises:
            ConfigurationError: nobody is known for whom, or no conversation for a session.
            SecretRefused, PermitRefused, InvalidRequest: something must not be written; nothing was.
        """
        known = list(ops)
        hand = await self._ready(writes=any(isinstance(op, PutOp) for op in known))
        for op in known:
            validate_op_namespace(op)
        readings: dict[int, Reading] = {}
        changes: dict[tuple[tuple[str, ...], str], Change] = {}
        for number, op in enumerate(known):
            if isinstance(op, PutOp):
                changes[op.namespace, op.key] = self._change(hand, op)
            else:
                readings[number] = hand.shelf.reading(op)
        found = await self._carry_out(hand, list(readings.values()), list(changes.values()))
        results: list[Result] = [None] * len(known)
        used: list[ItemRow] = []
        for (number, reading), selected in zip(readings.items(), found, strict=True):
            results[number], told = await self._finished(reading, selected)
            used += [row for row, _ in told] if getattr(known[number], "refresh_ttl", False) else ()
            self._tell_run(told)
        await self._refresh(hand.shelf, used)
        return results

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """The same for code that runs in a thread without an event loop.

        Raises:
            InvalidStateError: there is one, which would stand still.
        """
        return _waited(self.abatch(ops))

    async def aget(
        self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None
    ) -> KeptItem | None:
        return cast("KeptItem | None", await super().aget(namespace, key, refresh_ttl=refresh_ttl))

    def get(
        self, namespace: tuple[str, ...], key: str, *, refresh_ttl: bool | None = None
    ) -> KeptItem | None:
        return cast("KeptItem | None", super().get(namespace, key, refresh_ttl=refresh_ttl))

    # beside LangGraph's

    async def aput_if(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any] | None,
        *,
        revision: int | None,
        ttl: float | None = None,
    ) -> int | None:
        """Compare and set: write only if the item still has this ``revision`` (None: if there is none).

        ``value`` None deletes. Returns the new revision, None after a deletion.

        Raises:
            RevisionConflict: it has another by now; nothing was stored.
        """
        hand = await self._ready()
        if not namespace or namespace[0] == "langgraph":
            raise InvalidNamespaceError(f"no items of ours can stand in {namespace}")
        op = PutOp(namespace, str(key), value, ttl=ttl)
        validate_op_namespace(op)
        return await self._change_one(hand, self._change(hand, op, expected=revision))

    def put_if(
        self,
        namespace: tuple[str, ...],
        key: str,
        value: Mapping[str, Any] | None,
        *,
        revision: int | None,
        ttl: float | None = None,
    ) -> int | None:
        """``aput_if`` for threads."""
        return _waited(self.aput_if(namespace, key, value, revision=revision, ttl=ttl))

    async def apromote(self, namespace: tuple[str, ...], key: str, *, to: tuple[str, ...]) -> int:
        """Keep a session's item for good, under the namespace ``to``: a durable write like any other, which
        says from where. The new item's revision.

        Raises:
            NotFound: the session has no such item.
            InvalidRequest: it is no session's item, or is to stay in a session.
        """
        hand = await self._ready()
        if hand.shelf.owner.session_of(namespace) == DURABLE or hand.shelf.owner.session_of(to) != DURABLE:
            raise InvalidRequest("a promotion is from a session to what lasts", hint='from ("session", …)')
        item = await self.aget(namespace, key)
        if item is None:
            raise NotFound("this session has no such item", hint="it may have expired")
        change = self._change(hand, PutOp(to, str(key), item.value), of=item.label)
        source = {"promoted_from": hand.shelf.sought.of(namespace, str(key)).name}
        return cast("int", await self._change_one(hand, replace(change, facts=source)))

    async def aquarantined(self) -> list[SearchItem]:
        """What cannot be read because it reads like instructions, the oldest first."""
        held = await self._quarantined((await self._ready(writes=False)).shelf)
        self._tell_run(held)
        return [content.found(row) for row, content in held]

    async def arelease(self, namespace: tuple[str, ...], key: str) -> None:
        """Let an item be read that was quarantined. Outside of runs only: a person looks at it before.

        Raises:
            NotFound: nothing is quarantined there.
            PermitRefused: a run cannot trust what it wrote itself.
        """
        hand = await self._ready()
        if hand.run is not None:
            raise PermitRefused("a run cannot release what is quarantined", hint="do it outside of runs")
        for row, item in await self._quarantined(hand.shelf):
            if (item.namespace, item.key) == (namespace, str(key)):
                op = PutOp(namespace, str(key), item.value)
                change = self._change(hand, op, expected=row.revision, of=item.label)
                released = {"released": sorted(change.suspicions)}
                trusted = replace(change, suspicions=frozenset(), ttl=row.ttl, facts=released)
                await self._change_one(hand, trusted)
                return
        raise NotFound("nothing is quarantined there", hint="aquarantined() lists what is")

    async def _quarantined(self, shelf: Shelf) -> list[Found]:
        sessions = shelf.owner.sessions(())
        found = await self._journal.read(lambda c: rows.suspicious(c, shelf.subject, sessions, now=shelf.now))
        return [(row, content) for row in found if (content := shelf.content(row)) is not None]

    async def _ready(self, *, writes: bool = True) -> Hand:
        """Who uses it, with the key that names and values need at hand. Who only reads gets none made."""
        hand, keys = self._hand(), self._seal.keys
        if keys is not None and not is_near(keys):
            await asyncio.to_thread(keys.current if writes else keys.find, hand.shelf.subject)
        return hand

    def _hand(self) -> Hand:
        run = acting.get()
        principal = self._principal or (None if run is None else run.principal)
        if principal is None:
            raise ConfigurationError(
                "this store is bound to nobody, and no run is going on",
                hint="use memory.as_store(principal=…) outside of runs",
            )
        session = self._thread_id or (_graphs_thread() if run is None else run.thread_id)
        if session is not None and session.startswith(_APART):
            raise InvalidRequest("no conversation can be called so", hint="begin its thread_id with a letter")
        session = f"{_APART}{session}" if session and self._apart else session
        owner = Owner(Subject(principal.tenant, principal.user), session)
        shelf = Shelf(self._seal, owner, now=micros(self._clock()), opened=self._opened)
        return Hand(principal=principal, run=run, shelf=shelf)

    def _change(
        self, hand: Hand, op: PutOp, *, expected: Expected = NOT_PROVIDED, of: Label | None = None
    ) -> Change:
        """``of``: the label of what it is a copy of."""
        shelf, value = hand.shelf, op.value
        place = (shelf.sought if value is None else shelf.places).of(op.namespace, op.key)
        durable = place.session == DURABLE
        if durable and hand.run is not None and hand.run.writes is None:
            raise PermitRefused(
                "what outlives the conversation is written by tools that may write",
                hint='put it in a tool with effect="write", or keep it under ("session", …)',
            )
        if value is None:
            return Change(place=place, body=None, digest="", expected=expected)
        if not is_mapping(value):
            raise InvalidRequest("an item's value is a mapping", hint='such as {"text": …}')
        label = hand.label if of is None else Label.join((hand.label, of))
        try:
            shelf.digest([*op.namespace, op.key, value])
        except TypeError as error:
            raise InvalidRequest(f"an item is plain JSON: {error}", hint="use plain values") from None
        return Change(
            place=place,
            body=shelf.sealed(place, op.namespace, op.key, value, label),
            digest=shelf.digest(value),
            ttl=self._ttl(op.ttl, "item" if durable else "session", hand.principal.tenant),
            suspicions=(
                suspicions(op.namespace, op.key, value, own=hand.run is None and label.trusted)
                if durable
                else frozenset()
            ),
            run_id=None if hand.run is None else hand.run.run_id,
            expected=expected,
        )

    def _ttl(self, minutes: float | None, kind: Kind, tenant: str) -> int | None:
        """Microseconds after the last use."""
        if minutes is None:
            ttl = self._retention.ttl(kind, tenant=tenant)
            return None if ttl is None else ttl // timedelta(microseconds=1)
        if not 0 < minutes <= _MOST_MINUTES:
            raise InvalidRequest(
                f"ttl={minutes} is no time to live", hint="minutes, above 0, up to 100 years"
            )
        return round(minutes * _MINUTE)

    async def _change_one(self, hand: Hand, change: Change) -> int | None:
        (done,) = await self._journal.transact(lambda connection: self._write(connection, hand, [change]))
        if isinstance(done, RevisionConflict):
            raise done
        return done

    async def _carry_out(
        self, hand: Hand, readings: Sequence[Reading], changes: Sequence[Change]
    ) -> list[list[ItemRow]]:
        def work(connection: Connection) -> list[list[ItemRow]]:
            found = [reading.select(connection) for reading in readings]
            self._write(connection, hand, changes)
            return found

        if changes:
            return await self._journal.transact(work)
        return await self._journal.read(work) if readings else []

    def _write(
        self, connection: Connection, hand: Hand, changes: Sequence[Change]
    ) -> list[int | RevisionConflict | None]:
        """Carry changes out, and tell of them in the same transaction.

        Raises:
            Forgotten: the run that writes was.
        """
        if hand.run is not None and owner(connection, hand.run.run_id).forgotten:
            raise Forgotten(f"run {hand.run.run_id} was forgotten", hint="it keeps nothing any more")
        revisions: list[int | RevisionConflict | None] = []
        told: list[NewEvent] = []
        for change in sorted(changes, key=lambda one: (one.place.session, one.place.path, one.place.name)):
            shelf = hand.shelf
            done = change.apply(connection, shelf.subject, now=shelf.now, actor=hand.actor)
            if isinstance(done, RevisionConflict):
                revisions.append(done)
            else:
                revisions.append(done[0])
                told += done[1]
        if told:
            self._tell(connection, hand, told)
        return revisions

    def _tell(self, connection: Connection, hand: Hand, told: Sequence[NewEvent]) -> None:
        """In the run; outside of runs in the principal's book."""
        if hand.run is None:
            principal = hand.principal
            opened(connection, principal, now=told[0].at)
            run_id = book_id(principal.tenant, principal.user)
        else:
            run_id = hand.run.run_id
        events.append(connection, [events.prepare(run_id, event) for event in told])

    def _tell_run(self, found: Iterable[Found]) -> None:
        for row, one in () if self._apart else found:  # of a conversation's turns the run knows the labels
            tell(one.label, [*one.namespace, one.key, one.value], by=row.run_id)

    async def _finished(self, reading: Reading, selected: Sequence[ItemRow]) -> tuple[Any, Sequence[Found]]:
        if len(selected) < _MANY:
            return reading.finish(selected)
        return await asyncio.to_thread(reading.finish, selected)

    async def _refresh(self, shelf: Shelf, used: Sequence[ItemRow]) -> None:
        later = shelf.worth_refreshing(used)
        if later:
            await self._journal.transact(
                lambda connection: rows.refresh(connection, shelf.subject, later, now=shelf.now)
            )


def _graphs_thread() -> str | None:
    """The conversation of the LangGraph graph that runs at the moment, if one does."""
    config = var_child_runnable_config.get() or {}
    thread = config.get("configurable", {}).get("thread_id")
    return None if thread is None else str(thread)


def _waited(work: Coroutine[Any, Any, T]) -> T:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            return runner.run(work, context=contextvars.copy_context())
    work.close()
    raise asyncio.InvalidStateError(
        "Synchronous calls of a store would stop the event loop that runs here: await its methods that begin"
        " with a, such as aget instead of get"
    )
