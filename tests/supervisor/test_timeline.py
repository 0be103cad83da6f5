"""The tree of a run: nested by step path, with time, tokens and cost, whatever the events hold."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.supervisor.journal_rows import BEGAN, Journal, row

from pilotman.memory.event import Event
from pilotman.supervisor.fold import fold
from pilotman.supervisor.timeline import tree


def on_a_terminal(events: Sequence[Event]) -> str:
    screen = StringIO()
    Console(width=200, color_system=None, file=screen).print(tree(fold(row(), events), events))
    return screen.getvalue()


def story() -> Journal:
    journal = (
        Journal().add("run_started", text="disk").add("state_changed", **{"from": None, "to": "RECEIVED"})
    )
    journal.add("plan_made", path="plan:0", tasks=[{"task_id": "t1", "agent": "operator", "goal": "look"}])
    journal.add("task_started", path="task:t1", task_id="t1", agent="operator")
    journal.add("model_call_started", path="task:t1/turn:0", model="rules", role="worker")
    journal.add(
        "model_call_completed",
        path="task:t1/turn:0",
        model="rules",
        role="worker",
        input_tokens=1_200,
        output_tokens=34,
        cost_nusd=2_000_000,
    )
    journal.add("tool_call_started", path="task:t1/turn:0/call:0", tool="disk_usage", effect="read")
    journal.add(
        "tool_call_completed", path="task:t1/turn:0/call:0", tool="disk_usage", effect="read", status="ok"
    )
    journal.add(
        "decision", path="task:t1/turn:1/call:0", tool="fix", digest="d", verdict="deny", reasons=["no"]
    )
    report = {"text": "97% used", "status": "partial"}
    journal.add("task_completed", path="task:t1", task_id="t1", agent="operator", report=report)
    return journal.add("run_completed", state="COMPLETED", outcome="answered")


def test_calls_stand_under_their_turn_and_turns_under_their_task() -> None:
    lines = on_a_terminal(story().events).splitlines()
    indents = {
        word: next(line for line in lines if word in line).index("+")
        for word in ("task operator (t1)", "chat", "tool disk_usage")
    }
    assert indents["task operator (t1)"] < indents["chat"] < indents["tool disk_usage"]


def test_time_tokens_and_cost_add_up_along_the_path() -> None:
    lines = on_a_terminal(story().events).splitlines()
    task = next(line for line in lines if "task operator (t1)" in line)
    assert "+   2.000 s" in task
    assert "3.0 s" in task
    assert "1,234 tokens" in task
    assert "$0.0020" in task
    assert "partial" in task


def test_an_unknown_price_is_said() -> None:
    journal = Journal().add(
        "model_call_completed",
        path="task:t1/turn:0",
        model="m",
        input_tokens=1,
        output_tokens=1,
        cost_nusd=None,
    )
    assert "cost unknown" in on_a_terminal(journal.events)


KINDS = [
    "run_started",
    "state_changed",
    "retrieval_completed",
    "facts_recalled",
    "plan_made",
    "plan_refused",
    "plan_amended",
    "task_started",
    "task_completed",
    "task_parked",
    "model_call_started",
    "model_call_failed",
    "retry_scheduled",
    "fallback_activated",
    "tool_call_failed",
    "decision",
    "budget_exceeded",
    "approval_requested",
    "approval_rejected",
    "effect_intended",
    "effect_unknown",
    "answer_validated",
    "answer_rejected",
    "caveat",
    "run_completed",
    "something_new",
]
words = st.text(max_size=20) | st.just("[red]\x1b[2J\u202e[/red]")
facts = st.dictionaries(
    st.sampled_from(
        [
            "tool",
            "agent",
            "task_id",
            "model",
            "failure",
            "message",
            "reason",
            "text",
            "verdict",
            "to",
            "from",
            "path",
            "what",
        ]
    ),
    words,
)


@given(st.lists(st.tuples(st.sampled_from(KINDS), facts)))
def test_no_event_breaks_the_tree_or_the_terminal(drawn: list[tuple[str, dict[str, str]]]) -> None:
    events = [
        Event(seq=n, run_id="run_1", at=BEGAN, kind=kind, actor="x", data=data)
        for n, (kind, data) in enumerate(drawn, start=1)
    ]
    screen = StringIO()
    Console(width=120, color_system=None, file=screen).print(tree(fold(row(), []), events))
    text = screen.getvalue()
    assert "\x1b" not in text
    assert "\u202e" not in text
