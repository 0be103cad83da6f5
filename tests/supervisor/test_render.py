"""A run shows itself: short at a prompt, whole on a terminal, and as text whatever its content tries."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from tests.supervisor.test_run import full

from pilotman.supervisor.plan import Plan, Task
from pilotman.supervisor.render import count, dollars, seconds, short, shown
from pilotman.supervisor.run import Run

HOSTILE = "[red]x[/red] \x1b[2J\x07\u202eevil\u202c [link=http://x]y[/link]"


def on_a_terminal(run: Run, width: int = 120) -> str:
    screen = StringIO()
    Console(width=width, color_system=None, file=screen).print(run)
    return screen.getvalue()


def hostile() -> Run:
    run = full()
    task = Task(task_id="t1", agent=HOSTILE, goal=HOSTILE)
    return replace(
        run,
        state="ESCALATED",
        request=HOSTILE,
        answer=f"first\n{HOSTILE}",
        plan=Plan((task,)),
        actions=tuple(replace(a, message=HOSTILE) for a in run.actions),
        approvals=tuple(replace(a, question=HOSTILE) for a in run.approvals),
        citations=tuple(replace(c, quote=HOSTILE, source=HOSTILE) for c in run.citations),
        caveats=(HOSTILE,),
        last_error=HOSTILE,
    )


def test_repr_is_one_short_line_whatever_the_request() -> None:
    line = repr(replace(full(), request="x\n" * 10_000, answer=HOSTILE * 100))
    assert "\n" not in line
    assert len(line) < 250
    assert line.isprintable()
    assert "run_1" in line
    assert "EXECUTING" in line


def test_the_panel_shows_every_part() -> None:
    screen = on_a_terminal(full())
    for words in (
        "run_1",
        "EXECUTING",
        "done",
        "a.md",
        "open_ticket",
        "applied",
        "apr_1",
        "lexical",
        "1 step",
    ):
        assert words in screen


def test_parts_without_content_are_left_out() -> None:
    bare = replace(full(), plan=None, actions=(), approvals=(), caveats=(), citations=(), answer=None)
    screen = on_a_terminal(bare)
    for words in ("Plan", "Actions", "Approvals", "Caveats", "Citations", "Answer"):
        assert words not in screen


def test_content_is_never_markup_or_a_control_code() -> None:
    screen = on_a_terminal(hostile())
    assert "\x1b" not in screen
    assert "\u202e" not in screen
    assert "\x07" not in screen
    assert screen.count("[red]x[/red]") >= 7


@pytest.mark.parametrize("width", [40, 80, 200])
def test_the_panel_fits_its_terminal(width: int) -> None:
    assert all(len(line) <= width for line in on_a_terminal(full(), width).splitlines())


@given(st.text())
def test_shown_text_has_no_hidden_characters(text: str) -> None:
    hidden = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
    assert not any(unicodedata.category(c) in hidden for line in shown(text).split("\n") for c in line)


@given(st.text(), st.integers(1, 80))
def test_short_is_short_and_one_line(text: str, limit: int) -> None:
    assert len(short(text, limit)) <= limit
    assert "\n" not in short(text, limit)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (0.34, "340 ms"),
        (4.24, "4.2 s"),
        (185, "3 min 05 s"),
        (7_800, "2 h 10 min"),
        (timedelta(seconds=60), "1 min 00 s"),
    ],
)
def test_durations(span: float | timedelta, words: str) -> None:
    assert seconds(span) == words


def test_amounts() -> None:
    assert [dollars(x) for x in (None, 0, 0.0123, 1.5)] == ["cost unknown", "$0.00", "$0.0123", "$1.50"]
    assert [count(1, "step"), count(24_000, "token")] == ["1 step", "24,000 tokens"]
