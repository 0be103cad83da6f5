"""What a run writes down, and what it finds written when it goes on after a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from pilotman.guardrails.digest import canonical, digest
from pilotman.guardrails.purse import Spend
from pilotman.guardrails.shape import is_mapping
from pilotman.memory.event import Event, NewEvent
from pilotman.memory.journal.journal import Journal
from pilotman.memory.journal.payloads import digested

MAX_PAYLOAD = 1 << 20
_KEY_FIELDS = ("path", "digest", "model", "round", "stage", "attempt", "task_id", "approval_id", "effect_id")
_KEY_FIELDS_OF = {
    "caveat": ("text",),
    "budget_exceeded": ("path", "limit"),
    "state_changed": ("key",),
    # taken again with another outcome, it is another one
    "decision": ("path", "digest", "stage", "attempt", "verdict", "policy_version"),
    "effect_looked_up": ("path", "effect_id", "attempt", "status"),
    "values_redacted": ("placeholders",),
    "degraded": ("rung",),
}
_SAYS_CONTENT = frozenset({"caveat", "values_redacted"})
_CALLS = frozenset({"model_call", "tool_call", "retrieval", "effect", "draft", "recall"})
_OUTCOMES = {
    **dict.fromkeys(("effect_applied", "effect_not_applied", "effect_unknown", "effect_joined"), "effect"),
    "write_drafted": "draft",
    "facts_recalled": "recall",
}
_ABOUT_ACTS = ("effect_", "write_", "approval_")
_CUT = {"truncated", "head"}
_CITES = frozenset({"answer_validated", "task_completed"})


def event_key(kind: str, data: Mapping[str, Any]) -> str:
    """A deterministic name of an event within its run: repeating the work does not repeat the event."""
    if kind in _SAYS_CONTENT:  # the key lies in clear
        return f"{kind}:{digest([data.get(name) for name in _KEY_FIELDS_OF[kind]])}"
    fields = _KEY_FIELDS_OF.get(kind, _KEY_FIELDS)
    parts = [str(data[name]) for name in fields if data.get(name) is not None]
    key = ":".join([kind, *parts])
    return key if len(key) <= 200 else f"{key[:130]}~{digest(key)}"


class Recorder:
    """The journal of one run, as its agents see it.

    ``blind`` makes digests of what the run's user owns, see ``Journal.blinder``. ``history`` and ``payloads``
    are what the run wrote before a crash or a pause: results of calls that were made already are returned
    from there, by step path and request digest.
    """

    def __init__(
        self,
        journal: Journal,
        run_id: str,
        *,
        clock: Callable[[], datetime],
        history: Sequence[Event] = (),
        payloads: Mapping[str, bytes] | None = None,
        blind: Callable[[bytes], bytes] = digested,
    ) -> None:
        self._journal = journal
        self._blind = blind
        self._cited: dict[str, str] = {}
        self._clock = clock
        self._payloads = dict(payloads or {})
        self._known: set[str] = set()
        self._attempts: Counter[tuple[str, str, str]] = Counter()
        self._results: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        self._spent: list[tuple[str, Spend]] = []
        self._reports: dict[str, Mapping[str, Any]] = {}
        self.run_id = run_id
        self.acts = 0
        """Events so far that are about writes and questions."""
        for event in history:
            self._learn(event.kind, event.data, event_key(event.kind, event.data))
            self._spent += _spent(event)
            if event.kind == "task_completed":
                self._reports[event.data["path"]] = event.data["report"]

    def _learn(self, kind: str, data: Mapping[str, Any], key: str) -> None:
        self._known.add(key)
        self.acts += kind.startswith(_ABOUT_ACTS)
        if kind == "retrieval_completed":
            rows: Sequence[Mapping[str, Any]] = data.get("documents") or ()
            self._cited |= {
                f"{row['source']}@{row['version']}": row["cited"] for row in rows if "cited" in row
            }
        what, _, stage = kind.rpartition("_")
        what = _OUTCOMES.get(kind, what)
        if what not in _CALLS:
            return
        call = (what, str(data.get("path")), str(data.get("digest")))
        if stage in ("started", "intended"):
            self._attempts[call] += 1
        elif stage in ("completed", "reused") or kind in _OUTCOMES or data.get("final"):
            self._results[call] = data

    def now(self) -> datetime:
        """The run's clock, aware UTC."""
        return self._clock()

    def event(self, kind: str, /, *, actor: str, **data: Any) -> NewEvent | None:
        """An event to be stored by somebody else's transaction; None if it was recorded before."""
        key = event_key(kind, data)
        if key in self._known:
            return None
        self._learn(kind, data, key)
        if self._cited and kind in _CITES:
            data["cited"] = self._pseudonyms(data.get("report", data).get("citations") or ())
        return NewEvent(kind=kind, actor=actor, data=data, key=key, at=self._clock())

    def _pseudonyms(self, citations: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """What stands for documents that somebody owns where their names must not, by ``NAME@VERSION``."""
        named = (f"{one['source']}@{one['version']}" for one in citations)
        return {name: self._cited[name] for name in named if name in self._cited}

    def mark(self, value: Any) -> str:
        """12 hexadecimal digits that are always the same for a JSON-able value, in this user's runs."""
        return self._blind(canonical(value)).hex()[:12]

    def events(self, *events: NewEvent | None) -> list[NewEvent]:
        """Those that are new."""
        return [event for event in events if event is not None]

    def emit(self, kind: str, /, *, actor: str, **data: Any) -> None:
        """Write an event down; it rides along with the next commit."""
        event = self.event(kind, actor=actor, **data)
        if event is not None:
            self._journal.append(self.run_id, [event])

    def knows(self, kind: str, /, **data: Any) -> bool:
        """Whether this event was recorded, in this life of the process or in an earlier one."""
        return event_key(kind, data) in self._known

    def attempts(self, what: str, path: str, request: str) -> int:
        """How many attempts of this call (``model_call``, ``tool_call``, ``effect``) were started so far."""
        return self._attempts[what, path, request]

    def result(self, what: str, path: str, request: str) -> Mapping[str, Any] | None:
        """The event that ended this call, or None: it is still to be made. ``what`` as in ``attempts``."""
        return self._results.get((what, path, request))

    def results(self, what: str) -> list[Mapping[str, Any]]:
        """The events that ended the calls of this kind, one for each call."""
        return [data for (kind, _, _), data in self._results.items() if kind == what]

    def report(self, path: str) -> Mapping[str, Any] | None:
        """The report of a task that was completed before, or None: it is still to be done."""
        return self._reports.get(path)

    def spent(self, path: str) -> Spend:
        """What was spent before this life of the process, under a step path; "" is the whole run."""
        under = f"{path}/" if path else ""
        return sum((spend for at, spend in self._spent if f"{at}/".startswith(under)), Spend())

    def keep(self, body: Any) -> str:
        """Store a JSON-able body beside the events and return its digest. What is too large is cut.

        Raises:
            TypeError: it cannot be written as JSON.
        """
        raw = _bounded(canonical(body))
        name = self._journal.put_payload(self.run_id, raw, blind=self._blind)
        self._payloads[name] = raw
        return name

    def keep_request(self, raw: bytes) -> str:
        """Store a request's canonical form likewise. A run does not look at it again: it takes no memory."""
        return self._journal.put_payload(self.run_id, _bounded(raw), blind=self._blind)

    def fetch(self, name: str) -> Any:
        """A body that was stored, or None if it was cut, redacted or never arrived."""
        raw = self._payloads.get(name)
        body = None if raw is None else orjson.loads(raw)
        return None if is_mapping(body) and set(body) == _CUT else body

    def body(self, data: Mapping[str, Any] | None, field: str) -> Any:
        """The body that a field of an event refers to, or None."""
        kept = None if data is None else data.get(field)
        return self.fetch(kept["payload"]) if is_mapping(kept) else None

    async def flush(self) -> None:
        """Everything above is durable when this returns."""
        await self._journal.flush()


def _bounded(raw: bytes) -> bytes:
    """A payload, cut if it is too large."""
    if len(raw) <= MAX_PAYLOAD:
        return raw
    head = raw[: MAX_PAYLOAD // 16].decode(errors="replace")
    return canonical({"truncated": len(raw), "head": head})


def _spent(event: Event) -> list[tuple[str, Spend]]:
    """What one event of the history has cost."""
    data = event.data
    if event.kind in ("model_call_completed", "model_call_failed"):
        return [(data["path"], model_spend(data))]
    return [(data["path"], Spend(tool_calls=1))] if event.kind == "tool_call_started" else []


def model_spend(data: Mapping[str, Any]) -> Spend:
    """What an event says that a model call has used, completed or failed."""
    return Spend(
        steps=1,
        input_tokens=data.get("input_tokens") or 0,
        output_tokens=data.get("output_tokens") or 0,
        cost_nusd=data.get("cost_nusd") or 0,
    )
