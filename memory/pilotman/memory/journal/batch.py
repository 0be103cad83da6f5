"""A batch of what is to be stored: one transaction, and who is told what became of it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeAlias

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from pilotman.guardrails.errors import PilotmanError, Unavailable
from pilotman.guardrails.seal import Seal
from pilotman.memory.journal import blocks, events, owned, payloads
from pilotman.memory.journal.chain import Tail
from pilotman.memory.journal.events import EventRow
from pilotman.memory.journal.payloads import PayloadRow
from pilotman.memory.storage.database import MODES, Database, Mode, translate

EVERY_RUN = "*"
"""``answers_for`` of an operation that hears of what any run lost."""
_ATTEMPTS = 3


@dataclass(slots=True)
class Rider:
    """What nobody waits for: stored with what comes next, or after the linger.

    ``work`` comes before the events, all or nothing.
    """

    run_id: str
    events: Sequence[EventRow] = ()
    payload: PayloadRow | None = None
    work: Callable[[Connection], object] | None = None


@dataclass(slots=True)
class Operation:
    """Work that somebody waits for. ``answers_for`` names the run whose lost riders make it fail."""

    work: Callable[[Connection], Any]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    mode: Mode
    answers_for: str | None


Item: TypeAlias = Rider | Operation
Settled: TypeAlias = tuple[asyncio.Future[Any], Any, Exception | None]
Listener: TypeAlias = tuple[asyncio.AbstractEventLoop, Callable[[str], object]]
"""Who hears of runs with new events, and the loop on which."""
Outcome: TypeAlias = tuple[Operation, Any, Exception | None]
"""An operation with its result or its error."""


class Batches(ABC):
    """Stores batches, one at a time.

    A batch that fails is taken back and its items are tried one by one, so that one bad item harms no other.
    What riders lose is told to the next operation that answers for their run; until then their run's riders
    are dropped, so that what is stored of a run is a prefix of what happened.
    """

    def __init__(self, database: Database, *, lock: AbstractContextManager[Any], seal: Seal | None) -> None:
        self._database = database
        self._seal = seal or Seal()
        self._lock = lock
        self._lost: dict[str, Exception] = {}
        self._listeners: list[Listener] = []
        self._closing = False

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Have ``listener`` called on its loop for each run that got events; returns what ends that."""
        with self._lock:
            self._listeners = [*self._listeners, listener]
        return lambda: self._forget(listener)

    def _forget(self, listener: Listener) -> None:
        with self._lock:
            self._listeners = [known for known in self._listeners if known is not listener]

    def _refuse_if_closed(self) -> None:
        if self._closing:
            raise Unavailable("the journal is closed", hint="start it again")

    @abstractmethod
    def _deliver(self, outcomes: Sequence[Outcome], touched: set[str]) -> None:
        """Hand results to those who wait, and news of runs to the listeners."""

    @abstractmethod
    def _put_back(self, riders: Sequence[Rider]) -> None:
        """Nothing was tried, nobody waits for them: they ride with the next batch."""

    def _process(self, batch: list[Item], *, final: bool) -> None:
        items = [item for item in batch if not self._refused(item)]
        if not items:
            return
        phase = _Phase()
        try:
            results = self._together(items, phase)
        except Exception as error:
            self._recover(items, error, phase, final=final)
        else:
            self._deliver([_settled(item, result) for item, result in results], phase.touched)

    def _together(self, items: Sequence[Item], phase: _Phase) -> list[tuple[Operation, Any]]:
        results: list[tuple[Operation, Any]] = []
        riders: list[Rider] = []
        with self._database.transaction(_mode(items)) as connection:
            phase.begun = True
            connection.info.update({events.TAILS: phase.tails, owned.OWNERS: {}, owned.SEAL: self._seal})
            for item in items:
                if isinstance(item, Operation):
                    _store(connection, riders)
                    riders.clear()
                    results.append((item, _perform(connection, item)))
                    continue
                if item.work is not None:
                    _store(connection, riders)
                    riders.clear()
                    item.work(connection)
                riders.append(item)
            _store(connection, riders)
            blocks.seal(connection, phase.tails)
            phase.worked = True
        return results

    def _recover(self, items: list[Item], error: Exception, phase: _Phase, *, final: bool) -> None:
        """A transaction was taken back: find out who is to blame, or tell everybody."""
        if not phase.begun and not final:
            riders = [item for item in items if isinstance(item, Rider)]
            self._put_back(riders)
            self._fail([item for item in items if isinstance(item, Operation)], error)
        elif not phase.begun or (phase.worked and _lost_connection(error)):
            self._fail(items, error)
        else:
            for item in items:
                if not self._refused(item):
                    self._alone(item)

    def _alone(self, item: Item) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            phase = _Phase()
            try:
                results = self._together([item], phase)
            except Exception as error:
                if attempt < _ATTEMPTS and _passing(error, phase):
                    continue
                self._fail([item], error)
            else:
                self._deliver([_settled(operation, result) for operation, result in results], phase.touched)
            return

    def _refused(self, item: Item) -> bool:
        """Whether the item's run has lost something: its riders are dropped, an operation is told."""
        if isinstance(item, Rider):
            return item.run_id in self._lost
        name = item.answers_for
        if name == EVERY_RUN:
            name = next(iter(self._lost), None)
            lost = None if name is None else self._lost[name]
            if lost is not None:
                self._lost.clear()
        else:
            lost = None if name is None else self._lost.pop(name, None)
        if lost is not None:
            self._deliver([(item, None, lost)], set())
        return lost is not None

    def _fail(self, items: Sequence[Item], error: Exception) -> None:
        told = translate(error)
        for item in items:
            if isinstance(item, Rider):
                self._lost.setdefault(item.run_id, told)
        self._deliver([(item, None, told) for item in items if isinstance(item, Operation)], set())


class _Phase:
    """How far a transaction got, and which runs have new events by it."""

    def __init__(self) -> None:
        self.begun = False
        self.worked = False
        self.tails: dict[str, Tail] = {}

    @property
    def touched(self) -> set[str]:
        return {run_id for run_id, tail in self.tails.items() if tail.grown}


def _settled(operation: Operation, result: Any) -> tuple[Operation, Any, Exception | None]:
    if isinstance(result, _Refusal):
        return operation, None, result.error
    return operation, result, None


@dataclass(frozen=True, slots=True)
class _Refusal:
    """A reading operation's error: it changed nothing, so the transaction goes on."""

    error: PilotmanError


def _perform(connection: Connection, operation: Operation) -> Any:
    if operation.mode != "read":
        return operation.work(connection)
    try:
        return operation.work(connection)
    except PilotmanError as error:
        return _Refusal(error)


def _store(connection: Connection, riders: Sequence[Rider]) -> None:
    bodies = [rider.payload for rider in riders if rider.payload is not None]
    if bodies:
        payloads.put(connection, bodies)
    events.append(connection, [row for rider in riders for row in rider.events])


def _mode(items: Sequence[Item]) -> Mode:
    modes: set[Mode] = {item.mode if isinstance(item, Operation) else "write" for item in items}
    return next(mode for mode in MODES if mode in modes)


def _lost_connection(error: Exception) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _passing(error: Exception, phase: _Phase) -> bool:
    """Whether another try may go well: two processes met, or the connection was lost before the commit."""
    if isinstance(error, IntegrityError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return phase.begun and not phase.worked
    return getattr(error.orig, "sqlstate", None) in ("40001", "40P01")


def arrive(settled: Sequence[Settled], news: Sequence[tuple[Callable[[str], object], str]]) -> None:
    """On their own loop: results for those who wait, news for those who listen."""
    for future, result, error in settled:
        if future.done():
            continue  # its task was cancelled
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)
    for callback, run_id in news:
        callback(run_id)
