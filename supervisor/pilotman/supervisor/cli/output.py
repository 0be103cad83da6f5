"""What the command line prints: for people with rich, for programs as JSON; and its exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PilotmanError,
)
from pilotman.memory.journal.records import ENDED, WAITING
from pilotman.supervisor.render import hanging, headline, state_style
from pilotman.supervisor.run import Run
from pilotman.supervisor.teams.tickets import Ticket

COMPLETED: Final = 0
FAILED: Final = 1
USAGE: Final = 2
ASKING: Final = 3
INTERRUPTED: Final = 130

SHORT_DIGEST: Final = 12
"""Hexadecimal digits of a digest that are shown and suffice to name it."""

console = Console()
errors = Console(stderr=True)


def exit_code(run: Run) -> int:
    """0 completed, 3 waiting for a person, 1 failed or cancelled."""
    if run.state == "COMPLETED":
        return COMPLETED
    return FAILED if run.state in ("FAILED", "CANCELLED") else ASKING


def code_of(error: PilotmanError) -> int:
    """2 where the caller can mend it by calling otherwise, else 1."""
    usage = (ConfigurationError, Conflict, InvalidRequest, NotFound, PermissionDenied)
    return USAGE if isinstance(error, usage) else FAILED


def complain(message: str) -> None:
    """One line to standard error."""
    sys.stderr.write(f"pilotman: {visible(message, limit=2_000)}\n")


def remark(message: str) -> None:
    """One line to standard error, about nothing bad."""
    errors.print(Text(visible(message, limit=2_000), style="dim"), soft_wrap=True)


def as_json(value: Any) -> None:
    """One JSON value to standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def run_object(run: Run) -> dict[str, Any]:
    """A run as ``--json`` prints it."""
    return {
        "run_id": run.run_id,
        "state": run.state,
        "answer": run.answer,
        "citations": [{"source": c.source, "version": c.version, "quote": c.quote} for c in run.citations],
        "retrieved": [{"source": r.source, "version": r.version, "score": r.score} for r in run.retrieved],
        "actions": [_action(action) for action in run.actions],
        "usage": {
            "steps": run.usage.steps,
            "tool_calls": run.usage.tool_calls,
            "input_tokens": run.usage.input_tokens,
            "output_tokens": run.usage.output_tokens,
            "cost_usd": run.usage.cost_usd,
        },
        "caveats": list(run.caveats),
        "covered": run.covered,
    }


def _action(action: Any) -> dict[str, Any]:
    shown = {"tool": action.tool, "effect": action.effect, "status": action.status}
    if action.args is not None:
        shown["args"] = dict(action.args)
    return shown if action.approval_id is None else {**shown, "approval_id": action.approval_id}


def run_row(run: Run) -> dict[str, Any]:
    """A run in a list."""
    return {
        "run_id": run.run_id,
        "state": run.state,
        "team": run.supervisor,
        "request": run.request,
        "user": run.principal.user,
        "thread_id": run.thread_id,
        "created_at": run.created_at.isoformat(),
        "outcome": run.outcome,
    }


def show_run(run: Run, *, flags: str) -> None:
    """A run for people, and what they can do next. ``flags`` find its home and tenant again."""
    console.print(run)
    for approval in run.pending:
        _show_question(approval, flags)
    if run.state not in (*ENDED, WAITING):
        console.print(Text(f"pilotman resume {run.run_id}{flags}", style="cyan"), soft_wrap=True)


def show_runs(runs: Sequence[Run]) -> None:
    """Runs for people."""
    for run in runs:
        state = (run.state, state_style(run.state))
        _item((run.run_id, "  ", state, "  ", _when(run.created_at)), headline(run))
    _none(runs, "runs")


def show_approvals(approvals: Sequence[Approval], *, flags: str) -> None:
    """Open questions for people, each with all that an answer needs."""
    for approval in approvals:
        _show_question(approval, flags)
        asked = (
            f"    for {approval.requested_by.user} in {approval.run_id}, until {_when(approval.expires_at)}"
        )
        console.print(Text(visible(asked), style="dim"), soft_wrap=True)
    _none(approvals, "approvals")


def show_tickets(tickets: Sequence[Ticket]) -> None:
    """Tickets for people."""
    for ticket in tickets:
        facts = (ticket.ticket_id, ticket.severity, ticket.status, ticket.run_id)
        _item(("  ".join(map(visible, facts)),), visible(ticket.title))
    _none(tickets, "tickets")


def _show_question(approval: Approval, flags: str) -> None:
    words, *calls = approval.question.splitlines()
    console.print(hanging("?", Text(visible(words, limit=2_000), style="bold")))
    for call in calls:
        console.print(_indented(Text(visible(call, limit=2_000))))
    for reason in approval.reasons:
        console.print(_indented(Text(visible(reason), style="dim")))
    for answer in ("approve", "reject"):  # not wrapped: they are there to be copied
        shown = f" --digest {approval.digest[:SHORT_DIGEST]}" if calls and answer == "approve" else ""
        command = f"    pilotman {answer} {approval.approval_id}{shown}{flags}"
        console.print(Text(command, style="cyan"), soft_wrap=True)


def _item(facts: Sequence[str | tuple[str, str]], title: str) -> None:
    """One of a list, on two lines: beside an id of 36 characters a narrow terminal has no room."""
    console.print(Text.assemble(*facts), soft_wrap=True)
    console.print(_indented(Text(title, style="bold")))


def _indented(text: Text) -> Padding:
    """A text whose every line is set in: none of them looks like one of ours."""
    return Padding(text, (0, 0, 0, 4), expand=False)


def _none(found: Sequence[object], what: str) -> None:
    if not found:
        console.print(Text(f"no {what}", style="dim"))


def _when(at: datetime) -> str:
    """To the minute, in local time."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
