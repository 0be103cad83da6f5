"""What happened in a run, as a tree with time, tokens and cost: one branch a task, a turn, a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rich.text import Text
from rich.tree import Tree

from pilotman.guardrails.purse import NANO
from pilotman.memory.event import Event
from pilotman.supervisor.render import count, dollars, headline, seconds, short, spent, state_style, who
from pilotman.supervisor.run import Run

_BAD = "red"
_ODD = "yellow"


def tree(run: Run, events: Sequence[Event]) -> Tree:
    """The run's events, nested by step path; each line begins with the time since the run was received."""
    heading = Text.assemble(
        (run.run_id, "bold"),
        "  ",
        (run.state, f"bold {state_style(run.state)}"),
        "  ",
        headline(run),
    )
    drawing = _Drawing(began=run.created_at, root=Tree(heading))
    for event in events:
        drawing.add(event)
    drawing.finish()
    drawing.root.add(Text(spent(run.usage), style="bold"))
    return drawing.root


@dataclass(kw_only=True)
class _Branch:
    """A task, a turn or a call, with what was used below it."""

    tree: Tree
    at: datetime
    words: Text
    ended: datetime | None = None
    tokens: int = 0
    cost_nusd: int = 0
    priced: bool = True

    def close(self, began: datetime) -> None:
        label = Text.assemble(_clock(self.at, began), self.words)
        facts: list[str] = []
        if self.ended is not None:
            facts.append(seconds(self.ended - self.at))
        if self.tokens:
            facts += [count(self.tokens, "token"), dollars(self.cost_nusd / NANO if self.priced else None)]
        if facts:
            label.append(f"  {' · '.join(facts)}", style="dim")
        self.tree.label = label


@dataclass(kw_only=True)
class _Drawing:
    began: datetime
    root: Tree
    branches: dict[str, _Branch] = field(default_factory=dict[str, _Branch])

    def add(self, event: Event) -> None:
        data = event.data
        path = str(data.get("path") or "")
        title = _BRANCHES.get(event.kind)
        if title is not None:
            branch = self.branch(path, event.at)
            branch.words = title(data)
            branch.ended = event.at
        else:
            words = _LEAVES.get(event.kind, _other)(data)
            if words is not None:
                label = Text.assemble(
                    _clock(event.at, self.began), f"{short(event.kind.replace('_', ' '), 60)}  ", words
                )
                (self.branch(path, event.at).tree if path else self.root).add(label)
        self.spend(path, event)

    def branch(self, path: str, at: datetime) -> _Branch:
        """The branch of a step path; made, with those above it, when it is first named."""
        known = self.branches.get(path)
        if known is None:
            above, _, name = path.rpartition("/")
            parent = self.branch(above, at).tree if above else self.root
            known = _Branch(tree=parent.add(""), at=at, words=Text(short(name, 60)))
            self.branches[path] = known
        return known

    def spend(self, path: str, event: Event) -> None:
        """Book tokens and cost on the branch and on all above it."""
        if event.kind != "model_call_completed":
            return
        tokens = (event.data.get("input_tokens") or 0) + (event.data.get("output_tokens") or 0)
        cost: int | None = event.data.get("cost_nusd")
        while path:
            branch = self.branch(path, event.at)
            branch.tokens += tokens
            branch.cost_nusd += cost or 0
            branch.priced = branch.priced and cost is not None
            path = path.rpartition("/")[0]

    def finish(self) -> None:
        for branch in self.branches.values():
            branch.close(self.began)


def _clock(at: datetime, began: datetime) -> Text:
    return Text(f"+{(at - began).total_seconds():8.3f} s  ", style="dim")


def _word(data: Mapping[str, Any], name: str, limit: int = 100) -> str:
    value = data.get(name)
    return "" if value is None else short(str(value), limit)


def _task(data: Mapping[str, Any]) -> Text:
    return Text.assemble("task ", (who(_word(data, "agent"), _word(data, "task_id")), "bold"))


def _task_ended(data: Mapping[str, Any]) -> Text:
    report: Mapping[str, Any] = data.get("report") or {}
    status = _word(report, "status") or "ok"
    words = _task(data)
    words.append(f"  {status}", style="green" if status == "ok" else _ODD)
    return words.append(f"  {_word(report, 'text', 80)}")


def _task_parked(data: Mapping[str, Any]) -> Text:
    return _task(data).append("  waits for a person", style=_ODD)


def _chat(data: Mapping[str, Any]) -> Text:
    return Text.assemble("chat ", (_word(data, "model"), "magenta"), f"  {_word(data, 'role')}")


def _chat_failed(data: Mapping[str, Any]) -> Text:
    return _chat(data).append(f"  {_word(data, 'failure')}: {_word(data, 'message')}", style=_BAD)


def _tool(data: Mapping[str, Any]) -> Text:
    return Text.assemble("tool ", (_word(data, "tool"), "blue"), f"  {_word(data, 'effect')}")


def _tool_ended(data: Mapping[str, Any]) -> Text:
    status = _word(data, "status") or "ok"
    return _tool(data).append(f"  {status}", style="green" if status == "ok" else _ODD)


def _tool_failed(data: Mapping[str, Any]) -> Text:
    return _tool(data).append(f"  {_word(data, 'failure')}: {_word(data, 'message')}", style=_BAD)


_BRANCHES: Mapping[str, Callable[[Mapping[str, Any]], Text]] = {
    "task_started": _task,
    "task_completed": _task_ended,
    "task_parked": _task_parked,
    "model_call_started": _chat,
    "model_call_completed": _chat,
    "model_call_failed": _chat_failed,
    "tool_call_started": _tool,
    "tool_call_completed": _tool_ended,
    "tool_call_failed": _tool_failed,
}
"""Events that open, describe and close the branch of their step path."""


def _moved(data: Mapping[str, Any]) -> Text:
    state = _word(data, "to")
    words = Text.assemble(f"{_word(data, 'from') or '·'} → ", (state, state_style(state)))
    return words.append(f"  {_word(data, 'reason')}", style="dim") if data.get("reason") else words


def _found(data: Mapping[str, Any]) -> Text:
    documents: Sequence[Mapping[str, Any]] = data.get("documents") or ()
    names = list(dict.fromkeys(short(str(d.get("source")), 60) for d in documents))
    words = Text(f"{_word(data, 'mode')}: {', '.join(names[:4]) or 'nothing'}")
    if len(names) > 4:
        words.append(f" and {len(names) - 4} more")
    if data.get("covered") is False:
        words.append("  not covered", style=_ODD)
    return words.append(f"  {seconds(float(data.get('latency_ms') or 0) / 1000)}", style="dim")


def _planned(data: Mapping[str, Any]) -> Text:
    tasks: Sequence[Mapping[str, Any]] = data.get("tasks") or ()
    listed = ", ".join(who(_word(t, "agent", 40), _word(t, "task_id", 40)) for t in tasks)
    return Text(f"{listed}  {_word(data, 'reason')}".rstrip())


def _decided(data: Mapping[str, Any]) -> Text:
    verdict = _word(data, "verdict")
    style = {"allow": "green", "deny": _BAD, "escalate": _ODD}.get(verdict, "")
    reasons = short("; ".join(map(str, data.get("reasons") or ())), 160)
    return Text.assemble((verdict, style), f"  {_word(data, 'tool')}  {reasons}")


def _errors(data: Mapping[str, Any]) -> Text:
    return Text(short("; ".join(map(str, data.get("errors") or ())), 300), style=_ODD)


def _retried(data: Mapping[str, Any]) -> Text:
    delay = seconds(float(data.get("delay_ms") or 0) / 1000)
    return Text(f"{_word(data, 'what')} after {_word(data, 'failure')}, in {delay}", style=_ODD)


def _fell_back(data: Mapping[str, Any]) -> Text:
    return Text(
        f"{_word(data, 'from')} → {_word(data, 'to') or 'none left'}: {_word(data, 'reason')}", style=_ODD
    )


def _answer(data: Mapping[str, Any]) -> Text:
    words = Text(_word(data, "answer", 160))
    return words.append("  a person is still asked", style=_ODD) if data.get("interim") else words


def _ended(data: Mapping[str, Any]) -> Text:
    state = _word(data, "state")
    return Text.assemble(
        (state, state_style(state)), f"  {_word(data, 'outcome')}  {_word(data, 'last_error')}".rstrip()
    )


def _silent(data: Mapping[str, Any]) -> None:
    """The heading says it."""


def _other(data: Mapping[str, Any]) -> Text:
    """Any other event, also one that came later than this code: its words in a line."""
    known = ("tool", "limit", "reason", "text", "message", "comment", "by", "approval_id", "effect_id")
    return Text("  ".join(_word(data, name, 160) for name in known if data.get(name)))


_LEAVES: Mapping[str, Callable[[Mapping[str, Any]], Text | None]] = {
    "run_started": _silent,
    "state_changed": _moved,
    "retrieval_completed": _found,
    "facts_recalled": _found,
    "plan_made": _planned,
    "plan_amended": _planned,
    "plan_refused": _errors,
    "decision": _decided,
    "retry_scheduled": _retried,
    "fallback_activated": _fell_back,
    "answer_validated": _answer,
    "answer_rejected": _errors,
    "run_completed": _ended,
}
"""How an event of its own line is put in words; the others by ``_other``."""
