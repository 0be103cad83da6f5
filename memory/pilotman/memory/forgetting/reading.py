"""What came of a source: the runs that have read it, and those whose answers stand on it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from sqlalchemy import exists

from pilotman.guardrails.errors import NotFound
from pilotman.memory.event import Event
from pilotman.memory.facts import origin
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.records import ENDED
from pilotman.memory.storage.schema import events, runs
from pilotman.memory.storage.statement import Row

_TOLD = "conversation_recalled"
_READ = ("retrieval_completed", "facts_recalled", _TOLD)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A run that has read a source, or what came of it. ``row`` has its id, user, team, state and age;
    ``sources`` is all that it read. ``answered``: it came to an answer; ``stands``: that stands on the
    source, or there is none."""

    row: Row
    sources: frozenset[str]
    answered: bool
    stands: bool

    @property
    def ended(self) -> bool:
        return self.row["state"] in ENDED


@dataclass(frozen=True, kw_only=True)
class _Told:
    """What one run has read, what its answer stands on, and whose answers it was told."""

    row: Row
    read: frozenset[str]
    grounds: frozenset[str] | None
    turns: frozenset[str] = field(default_factory=frozenset[str])


async def readings(
    journal: Journal, rows: Sequence[Row], source: str, gone: Collection[str], tenant: str
) -> list[Reading]:
    """Of these runs those that have read the source; facts and runs (``fact:ID``, ``run:ID``) that are
    ``gone`` with it; or an answer, earlier in their conversation, that stands on any of that."""
    told = [one for row in rows if (one := await _told(journal, row, tenant)) is not None]
    found: dict[str, Reading] = {}
    came, before = set(gone), -1
    while len(came) > before:  # what came of what came of it
        before = len(came)
        for one in told:
            if any(_is_of(name, source, came) for name in one.read | one.turns):
                stands = one.grounds is None or any(_is_of(name, source, came) for name in one.grounds)
                run_id = str(one.row["run_id"])
                answered, sources = one.grounds is not None, one.read | {source}
                found[run_id] = Reading(row=one.row, sources=sources, answered=answered, stands=stands)
                came |= {f"{origin.RUN}{run_id}"} if stands else set()
    return [found[one.row["run_id"]] for one in told if one.row["run_id"] in found]


def _is_of(name: str, source: str, came: Collection[str]) -> bool:
    return name in came or origin.is_within(name, source)


async def _told(journal: Journal, row: Row, tenant: str) -> _Told | None:
    """None: it was forgotten meanwhile, or has read nothing."""
    run_id = str(row["run_id"])
    try:
        history = await journal.events(run_id, tenant=tenant)
        facts = await _looked_up(journal, run_id, history, tenant)
        turns = await _turns(journal, run_id, history, tenant)
    except NotFound:
        return None
    read = frozenset(origin.read_by(history)) | {f"{origin.FACT}{one}" for one in facts}
    if not read and not turns:
        return None
    answered = row["state"] in ENDED and any(event.kind == "answer_validated" for event in history)
    grounds = origin.of_run(run_id, history, tenant, facts).supports | turns if answered else None
    return _Told(row=row, read=read, grounds=grounds, turns=turns)


async def _looked_up(journal: Journal, run_id: str, history: Sequence[Event], tenant: str) -> set[str]:
    """The facts that its agents were told when they asked."""
    asked = [e for e in history if e.kind == "tool_call_completed" and e.data.get("tool") == origin.RECALL]
    bodies = [await journal.payload(run_id, e.data["result"]["payload"], tenant=tenant) for e in asked]
    return set[str]().union(*map(origin.named_in, bodies))


async def _turns(journal: Journal, run_id: str, history: Sequence[Event], tenant: str) -> frozenset[str]:
    """The runs whose answers it was told, as earlier turns of its conversation."""
    found = set[str]()
    for event in history:
        if event.kind == _TOLD:
            body = await journal.payload(run_id, event.data["turns"]["payload"], tenant=tenant)
            told: Any = orjson.loads(body)
            said = cast("Sequence[Mapping[str, Any]]", told if isinstance(told, list) else ())
            found |= {f"{origin.RUN}{turn['run_id']}" for turn in said if turn.get("answer")}
    return frozenset(found)


_ITS = (events.c.run_id == runs.c.run_id, events.c.kind.in_(_READ) | (events.c.tool == origin.RECALL))
READS = exists().where(*_ITS)
"""Whether a run has read anything at all."""
