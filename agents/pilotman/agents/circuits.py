"""The circuits of one supervisor: which dependencies are given a rest, in this process or in all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from pilotman.agents.limits import Place
from pilotman.guardrails.breaker import Breaker, Circuit
from pilotman.guardrails.errors import PilotmanError

STALE_SECONDS: Final = 1.0
"""How old what a process knows of the others' circuits may be."""


class CircuitStore(Protocol):
    """Where processes share which circuits are open; the journal is one. Seconds are by its own clock."""

    async def open_circuits(self, supervisor: str) -> Mapping[str, float]: ...
    async def open_circuit(self, supervisor: str, name: str) -> None: ...
    async def probe_circuit(self, supervisor: str, name: str, *, owner: str, cool_down: float) -> bool: ...
    async def end_probe(self, supervisor: str, name: str, *, owner: str, ok: bool | None) -> None: ...


class Circuits:
    """State of every dependency's circuit, in this process. ``now`` gives monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._circuits: dict[str, Circuit] = {}

    def admit(self, name: str, breaker: Breaker) -> Admission | None:
        """Leave for one call to ``name``, or None: not now."""
        admitted = self._circuit(name, breaker).admit(self._now())
        if admitted is None:
            return None
        self._circuits[name] = admitted
        return Admission(self, name, breaker, probe=admitted.opened_at is not None)

    def _circuit(self, name: str, breaker: Breaker) -> Circuit:
        """The circuit, as these settings see it: runs with other budgets may have others."""
        known = self._circuits.get(name)
        if known is None:
            return Circuit(breaker=breaker)
        same = known.breaker is breaker or known.breaker == breaker
        return known if same else replace(known, breaker=breaker)

    def is_open(self, name: str) -> bool:
        """Whether ``name`` is given a rest just now, as far as this process knows."""
        known = self._circuits.get(name)
        return known is not None and known.state(self._now()) == "open"

    def record(self, name: str, breaker: Breaker, *, ok: bool, probe: bool) -> None:
        """How an admitted call to ``name`` ended. Once the circuit is open only a probe's end counts."""
        circuit = self._circuit(name, breaker)
        if probe or circuit.opened_at is None:
            self._circuits[name] = circuit.record(ok=ok, now=self._now())

    def forget_probe(self, name: str) -> None:
        """The call that was to show whether ``name`` is well again told nothing: the next one may."""
        if name in self._circuits:  # else it was closed meanwhile, by another process's probe
            self._circuits[name] = replace(self._circuits[name], probed_at=None)


class SharedCircuits(Circuits):
    """The same for many processes: what one of them opens is open for all within a second.

    Each counts its own calls. Which one probes is decided in the store. While that cannot be reached every
    process goes by what it knows itself.
    """

    def __init__(self, now: Callable[[], float], store: CircuitStore, *, supervisor: str, owner: str) -> None:
        super().__init__(now)
        self._store = store
        self._supervisor = supervisor
        self._owner = owner
        self._read_at: float | None = None
        self._stored: set[str] = set()
        self._untold: dict[str, asyncio.Task[None]] = {}

    async def enter(self, name: str, breaker: Breaker) -> Admission | None:
        """Leave for one call to ``name``, or None: not now."""
        await self._refresh()
        admission = self.admit(name, breaker)
        if admission is None or not admission.is_probe:
            return admission
        try:
            cool_down = breaker.cool_down
            mine = await self._store.probe_circuit(
                self._supervisor, name, owner=self._owner, cool_down=cool_down
            )
        except PilotmanError:
            return admission
        except BaseException:
            admission.release()
            raise
        return admission if mine else None

    def record(self, name: str, breaker: Breaker, *, ok: bool, probe: bool) -> None:
        was_open = self._circuit(name, breaker).opened_at is not None
        super().record(name, breaker, ok=ok, probe=probe)
        if probe:
            self._tell(name, partial(self._store.end_probe, self._supervisor, name, owner=self._owner, ok=ok))
        elif not was_open and self._circuits[name].opened_at is not None:
            self._tell(name, partial(self._store.open_circuit, self._supervisor, name))

    def forget_probe(self, name: str) -> None:
        super().forget_probe(name)
        self._tell(name, partial(self._store.end_probe, self._supervisor, name, owner=self._owner, ok=None))

    def _tell(self, name: str, news: Callable[[], Awaitable[None]]) -> None:
        """Have the others know; the call that brought the news does not wait for it."""
        earlier = self._untold.get(name)

        async def told() -> None:
            if earlier is not None:
                await asyncio.wait([earlier])
            with suppress(PilotmanError):
                await news()
                self._stored.add(name)

        task = self._untold[name] = asyncio.get_running_loop().create_task(told())
        task.add_done_callback(partial(self._was_told, name))

    def _was_told(self, name: str, task: asyncio.Task[None]) -> None:
        if self._untold.get(name) is task:
            del self._untold[name]

    async def _refresh(self) -> None:
        """Learn what the others have opened and closed. One caller looks, the rest go by what is known."""
        now = self._now()
        if self._read_at is not None and now - self._read_at < STALE_SECONDS:
            return
        self._read_at = now
        ours = self._stored - self._untold.keys()
        with suppress(PilotmanError):
            found = await self._store.open_circuits(self._supervisor)
            for name in ours - found.keys():
                self._stored.discard(name)
                self._circuits.pop(name, None)  # somebody's probe went well
            for name, seconds in found.items():
                self._learn(name, self._now() - seconds)

    def _learn(self, name: str, opened_at: float) -> None:
        """Take in that a circuit is open. What this process knows better, as others do not yet, stays."""
        if name in self._untold:
            return
        self._stored.add(name)
        known = self._circuits.get(name) or Circuit(breaker=Breaker())
        probed = known.probed_at
        fresh = probed is not None and probed > opened_at
        self._circuits[name] = replace(known, opened_at=opened_at, probed_at=probed if fresh else None)


class Admission:
    """Leave for one call. Record how it ended, or release it: a call that was given up says nothing."""

    def __init__(self, circuits: Circuits, name: str, breaker: Breaker, *, probe: bool) -> None:
        self._circuits = circuits
        self._name = name
        self._breaker = breaker
        self._probe = probe
        self._open = True
        self._place: Place | None = None
        self.waited = 0.0

    def holds(self, place: Place, *, waited: float) -> None:
        """The call has this place until it is released, and has waited so many seconds for it."""
        self._place, self.waited = place, waited

    @property
    def is_probe(self) -> bool:
        """Whether it is the one call that shows whether the dependency is well again."""
        return self._probe

    def record(self, *, ok: bool) -> None:
        """The call ended; only the first word counts."""
        if self._open:
            self._open = False
            self._circuits.record(self._name, self._breaker, ok=ok, probe=self._probe)

    def release(self) -> None:
        """The call was cancelled or never made; after ``record``, it leaves its place."""
        if self._open and self._probe:
            self._circuits.forget_probe(self._name)
        self._open = False
        if self._place is not None:
            self._place.leave()
