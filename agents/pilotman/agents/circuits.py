"""The circuits of one supervisor: which dependencies are given a rest."""

from __future__ import annotations

from collections.abc import Callable

from pilotman.guardrails.breaker import Breaker, Circuit


class Circuits:
    """State of every dependency's circuit, in this process. ``now`` gives monotonic seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._circuits: dict[str, Circuit] = {}

    def admit(self, name: str, breaker: Breaker) -> bool:
        """Whether a call to ``name`` may start now."""
        circuit = self._circuits.get(name) or Circuit(breaker=breaker)
        admitted = circuit.admit(self._now())
        if admitted is not None:
            self._circuits[name] = admitted
        return admitted is not None

    def record(self, name: str, *, ok: bool) -> None:
        """Tell how an admitted call ended."""
        circuit = self._circuits.get(name)
        if circuit is not None:
            self._circuits[name] = circuit.record(ok=ok, now=self._now())
