"""What the command line prints: for people with rich, for programs as JSON; and its exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pilotman.guardrails.approval import Approval, visible
from pilotman.guardrails.errors import (
    ConfigurationError,
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    PilotmanError,
)
from pilotman.supervisor.run import Run
from pilotman.supervisor.teams.tickets import Ticket

COMPLETED: Final = 0
FAILED: Final = 1
USAGE: Final = 2
WAITING: Final = 3

console = Console()
errors = Console(stderr=True)


def exit_code(run: Run) -> int:
    """0 completed, 3 waiting for a person, 1 failed or cancelled."""
    if run.state == "COMPLETED":
        return COMPLETED
    return FAILED if run.state in ("FAILED", "CANCELLED") else WAITING


def code_of(error: PilotmanError) -> int:
    """2 where the caller can mend it by calling otherwise, else 1."""
    usage = (ConfigurationError, Conflict, InvalidRequest, NotFound, PermissionDenied)
    return USAGE if isinstance(error, usage) else FAILED


def complain(message: str) -> None:
    """One line to standard error."""
    sys.stderr.write(f"pilotman: {visible(message, limit=2_000)}\n")


def as_json(value: Any) -> None:
    """One JSON value to standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")


def run_object(run: Run) -> dict[str, Any]:
    """A run as ``--json`` prints it."""
    return {
        "run_id": run.run_id,
        "state": run.state,
        "answer": run.answer,
        "interim": run.interim,
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
        "last_error": run.last_error,
    }


def _action(action: Any) -> dict[str, Any]:
    shown = {"tool": action.tool, "effect": action.effect, "status": action.status}
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


def approval_row(approval: Approval) -> dict[str, Any]:
    """A question in a list."""
    return {
        "approval_id": approval.approval_id,
        "run_id": approval.run_id,
        "tool": approval.tool,
        "args": dict(approval.args),
        "question": approval.question,
        "reasons": list(approval.reasons),
        "digest": approval.digest,
        "kind": approval.kind,
        "state": approval.state,
        "requested_by": approval.requested_by.user,
        "expires_at": approval.expires_at.isoformat(),
    }


def show_run(run: Run) -> None:
    """A run for people, and what they can do next."""
    console.print(run)
    for approval in run.pending:
        console.print(Text.assemble("? ", (approval.question, "bold")))
        for reason in approval.reasons:
            console.print(Text(f"    {reason}", style="dim"))
        console.print(Text(f"    pilotman approve {approval.approval_id}    or: reject", style="cyan"))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows for people; hidden characters of foreign text are shown as such."""
    drawn = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(visible(cell)) for cell in row))
    console.print(drawn if rows else Text(f"no {title.lower()}", style="dim"))


def show_tickets(tickets: Sequence[Ticket]) -> None:
    """Tickets for people."""
    table(
        "Tickets",
        ("ticket", "severity", "status", "title", "run"),
        [(t.ticket_id, t.severity, t.status, t.title, t.run_id) for t in tickets],
    )
