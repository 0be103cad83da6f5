"""What a call passes before it starts: a place where these are limited, and the circuit of what it calls."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pilotman.agents.circuits import Admission, Circuits, SharedCircuits
from pilotman.agents.limits import Bulkhead, Place
from pilotman.agents.result import ToolError
from pilotman.guardrails.breaker import Breaker

RESTING = "it failed too often lately and is given a rest"


async def enter(
    circuits: Circuits, name: str, breaker: Breaker, bulkheads: Sequence[Bulkhead], *, seconds: float
) -> Admission | ToolError:
    """Leave for one call to ``name``, to be released, or why there is none.

    It waits for a place at most ``seconds``; ``Admission.waited`` says how long it did.
    """
    if not bulkheads:
        return await _admitted(circuits, name, breaker) or ToolError(kind="transient", message=RESTING)
    place, began = Place(), time.perf_counter()
    admission: Admission | None = None
    try:
        full = await place.take(bulkheads, seconds)
        if full is not None:
            why = f"there was no place at {full} within {seconds:.3g} s"
            return ToolError(kind="rate_limit", message=why)
        admission = await _admitted(circuits, name, breaker)
    finally:
        if admission is None:
            place.leave()
    if admission is None:
        return ToolError(kind="transient", message=RESTING)
    admission.holds(place, waited=time.perf_counter() - began)
    return admission


async def _admitted(circuits: Circuits, name: str, breaker: Breaker) -> Admission | None:
    if isinstance(circuits, SharedCircuits):
        return await circuits.enter(name, breaker)
    return circuits.admit(name, breaker)
