"""How each model of a chain did: what it answered, what nobody could use, and when another took over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from pilotman.memory.event import Event


@dataclass(frozen=True, kw_only=True)
class Tier:
    """One model's calls. ``unusable``: replies that failed validation; ``failed``: no reply came; ``left``:
    the next tier took over."""

    model: str
    answered: int = 0
    unusable: int = 0
    failed: int = 0
    left: int = 0


def tiers(events: Iterable[Event]) -> tuple[Tier, ...]:
    """The models that a run asked, in the order in which they first were."""
    seen: dict[str, dict[str, int]] = {}
    for event in events:
        found = _outcome(event.kind, event.data)
        if found is not None:
            model, what = found
            counts = seen.setdefault(model, {})
            counts[what] = counts.get(what, 0) + 1
    return tuple(Tier(model=model, **counts) for model, counts in seen.items())


def together(several: Iterable[Sequence[Tier]]) -> tuple[Tier, ...]:
    """The sums over several runs, those who were asked most first."""
    sums: dict[str, Tier] = {}
    for one in (tier for tiers in several for tier in tiers):
        known = sums.get(one.model, Tier(model=one.model))
        counts = {name: getattr(known, name) + getattr(one, name) for name in COUNTS}
        sums[one.model] = Tier(model=one.model, **counts)
    return tuple(sorted(sums.values(), key=lambda t: (-t.answered - t.unusable - t.failed, t.model)))


COUNTS = tuple(field.name for field in fields(Tier) if field.name != "model")


def _outcome(kind: str, data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Which model an event is about, and what it says of it."""
    if kind == "model_call_completed":
        return str(data.get("model", "")), "answered"
    if kind == "model_call_failed":
        return str(data.get("model", "")), "unusable" if data.get("response") else "failed"
    return (str(data.get("from", "")), "left") if kind == "fallback_activated" else None
