"""The circuits of one supervisor: which dependencies are given a rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pilotman.guardrails.breaker import Breaker, Circuit


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

    def record(self, name: str, breaker: Breaker, *, ok: bool, probe: bool) -> None:
        """How an admitted call to ``name`` ended. Once the circuit is open only a probe's end counts."""
        circuit = self._circuit(name, breaker)
        if probe or circuit.opened_at is None:
            self._circuits[name] = circuit.record(ok=ok, now=self._now())

    def forget_probe(self, name: str) -> None:
        """The call that was to show whether ``name`` is well again told nothing: the next one may."""
        self._circuits[name] = replace(self._circuits[name], probed_at=None)


class Admission:
    """Leave for one call. Record how it ended, or release it: a call that was given up says nothing."""

    def __init__(self, circuits: Circuits, name: str, breaker: Breaker, *, probe: bool) -> None:
        self._circuits = circuits
        self._name = name
        self._breaker = breaker
        self._probe = probe
        self._open = True

    def record(self, *, ok: bool) -> None:
        """The call ended; only the first word counts."""
        if self._open:
            self._open = False
            self._circuits.record(self._name, self._breaker, ok=ok, probe=self._probe)

    def release(self) -> None:
        """The call was cancelled or never made. After ``record`` this does nothing."""
        if self._open and self._probe:
            self._circuits.forget_probe(self._name)
        self._open = False
