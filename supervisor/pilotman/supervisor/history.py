"""What a run had done before this life of it, by its journal: agents, limits and policies go on from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from pilotman.agents.flow import Observation, documents, from_corpus, memories
from pilotman.agents.recorder import Recorder
from pilotman.agents.report import Passage
from pilotman.guardrails.approval import Approval
from pilotman.guardrails.budget import Budget
from pilotman.memory.event import Event
from pilotman.memory.facts.origin import TOLD
from pilotman.memory.journal.records import WAITING, RunRow
from pilotman.supervisor.notices import ACTOR as NOTIFIER
from pilotman.supervisor.team import SEARCH


class Before:
    """What a run had done before this life of it: agents, limits and policies go on from there."""

    def __init__(self, history: Sequence[Event], *, conversation: Mapping[str, int]) -> None:
        started = [e.data for e in history if e.kind == "tool_call_started"]
        self.history = history
        self.nothing = len(history) < 2  # it was received, no more
        self.tools_used: list[str] = [call["tool"] for call in started]
        self.caveats: list[str] = [e.data["text"] for e in history if e.kind == "caveat"]
        self.counted_calls: set[str] = set()
        self.identical_calls = Counter[str]()
        self.conversation_calls = Counter(conversation)
        self.conversation_calls.subtract(tool for _, tool in {(c["path"], c["tool"]) for c in started})
        for event in history:
            self._count(event)

    def _count(self, event: Event) -> None:
        """As the guards counted: each call once, at its first event, and anew after a person's yes."""
        data = event.data
        if event.kind == "approval_approved" and data["kind"] == "repeat":
            self.identical_calls[data["digest"]] = self.conversation_calls[data["tool"]] = 0
        elif _is_call(event) and data["path"] not in self.counted_calls:
            self.counted_calls.add(data["path"])
            self.identical_calls[data["digest"]] += 1
            self.conversation_calls[data["tool"]] += 1


def _is_call(event: Event) -> bool:
    """Whether it is about a call that an agent could make, not about an answer or a call that is none."""
    data = event.data
    if event.kind == "tool_call_failed":
        return data.get("effect") is not None
    if event.kind == "approval_requested":
        return data["kind"] in ("call", "repeat")
    return event.kind in ("tool_call_started", "tool_call_reused") or (
        event.kind == "decision" and data["stage"] != "answer"
    )


def deadline_of(
    row: RunRow, budget: Budget, history: Sequence[Event], now: datetime
) -> tuple[datetime, float]:
    """The instant at which the run's active time is used up, and the seconds it has waited in all.

    Time in which nobody drove the run (it waited for a person, or its process was dead) does not count.
    """
    if len(history) < 2:
        return now + timedelta(seconds=budget.timeout), row.waited_s
    resumed = [e.data["deadline_at"] for e in history if e.kind == "run_resumed"]
    if resumed:
        deadline = datetime.fromisoformat(resumed[-1])
    else:
        deadline = row.deadline_at or history[1].at + timedelta(seconds=budget.timeout)
    ours = [e.at for e in history if e.actor != NOTIFIER and not e.actor.startswith("user:")]
    idle = max(timedelta(0), now - ours[-1]) if ours else timedelta(0)
    return deadline + idle, row.waited_s + idle.total_seconds()


def seen(history: Sequence[Event], recorder: Recorder) -> list[Observation]:
    """What the run had read and done before this life of it. A write counts once its outcome is known."""
    seen: list[Observation] = []
    args: dict[str, Any] = {}
    for event in history:
        data = event.data
        if event.kind == "tool_call_started":
            args[data["path"]] = recorder.body(data, "args")
        elif event.kind == "tool_call_completed":
            outcome = recorder.result("effect", data["path"], data["digest"])
            done = outcome is not None or data["effect"] in ("read", "egress")
            body: Mapping[str, Any] = recorder.body(data, "result") or {}
            if done:
                given: Mapping[str, Any] = args.get(data["path"]) or {}
                foreign = bool(data.get("reminded")) and not data.get("trusted")
                value = body.get("value")
                seen.append(Observation(tool=data["tool"], args=given, value=value, foreign=foreign))
    return [*seen, *from_corpus(passages(history, recorder).values())]


def reminded(history: Sequence[Event], recorder: Recorder) -> Iterator[Observation]:
    """That memory had told the run what is not trusted. A tool's result stands for what it was told; who else
    was told goes through its work again."""
    for event in history:
        data = event.data
        if event.kind == TOLD:
            yield Observation(tool=memories(trusted=False), args={}, value=[])
        elif event.kind == "tool_call_completed" and data.get("reminded"):
            body: Mapping[str, Any] = recorder.body(data, "result") or {}
            yield Observation(tool=memories(trusted=False), args={}, value=body.get("value"))


def suspected(history: Sequence[Event]) -> Iterator[tuple[str, Sequence[str]]]:
    """What was suspicious of what the run had read, by where it came from."""
    for event in history:
        if event.kind == "tool_call_completed":
            yield event.data["tool"], event.data.get("suspicions") or ()
        elif event.kind in ("retrieval_completed", "facts_recalled"):
            named = documents if event.kind == "retrieval_completed" else memories
            for found in event.data["documents"]:
                yield named(trusted=bool(found.get("trusted"))), found.get("suspicions") or ()


def passages(history: Sequence[Event], recorder: Recorder) -> dict[int, Passage]:
    """What the run's searches found before a crash or a pause, by number."""
    found: dict[int, Passage] = {}
    for event in history:
        if event.kind == "tool_call_completed" and event.data["tool"] == SEARCH:
            body: Mapping[str, Any] = recorder.fetch(event.data["result"]["payload"]) or {}
            items: Sequence[Mapping[str, Any]] = body.get("value") or ()
            for item in items:
                found[item["number"]] = Passage(**item)
    return found


def answer_of(approvals: Sequence[Approval]) -> str | None:
    """What a person said in the run's place, asked about the whole run, not a nested team's part."""
    for asked in approvals:
        if asked.kind in ("plan", "answer") and asked.step == asked.kind and asked.new_args:
            answer = asked.new_args.get("answer")
            if answer is not None:
                return str(answer)
    return None


def answered(approvals: Sequence[Approval], history: Sequence[Event], *, now: datetime) -> bool:
    """Whether a question that the run was parked with has its answer: a yes, a no, or its expiry."""
    parked = [e.data["approvals"] for e in history if e.kind == "state_changed" and e.data["to"] == WAITING]
    return one_is_answered([a.at(now) for a in approvals], parked[-1])


def one_is_answered(approvals: Sequence[Approval], names: Sequence[str]) -> bool:
    """Whether the approval under one of these names is not pending any more."""
    return any(c.approval_id in names and c.state != "pending" for a in approvals for c in a.calls)
