"""What the command line prints: for people with rich, for programs as JSON; and its exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Console
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
from pilotman.memory.records import ENDED, WAITING
from pilotman.supervisor.render import short, state_style, table
from pilotman.supervisor.run import Run
from pilotman.supervisor.teams.tickets import Ticket

COMPLETED: Final = 0
FAILED: Final = 1
USAGE: Final = 2
ASKING: Final = 3
INTERRUPTED: Final = 130

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


def show_run(run: Run, *, flags: str) -> None:
    """A run for people, and what they can do next. ``flags`` find its home and tenant again."""
    console.print(run)
    for approval in run.pending:
        _show_question(approval, flags)
    if run.state not in (*ENDED, WAITING):
        console.print(Text(f"pilotman resume {run.run_id}{flags}", style="cyan"), soft_wrap=True)


def show_runs(runs: Sequence[Run]) -> None:
    """Runs for people."""
    rows = (
        (Text(run.run_id), Text(run.state, style=state_style(run.state)), _when(run.created_at), _title(run))
        for run in runs
    )
    _show("runs", ("run", "state", "received", "request"), rows)


def show_approvals(approvals: Sequence[Approval], *, flags: str) -> None:
    """Open questions for people, each with all that an answer needs."""
    for approval in approvals:
        _show_question(approval, flags)
        asked = (
            f"    for {approval.requested_by.user} in {approval.run_id}, until {_when(approval.expires_at)}"
        )
        console.print(Text(visible(asked), style="dim"), soft_wrap=True)
    if not approvals:
        console.print(Text("no approvals", style="dim"))


def show_tickets(tickets: Sequence[Ticket]) -> None:
    """Tickets for people."""
    rows = ((t.ticket_id, t.severity, t.status, t.title, t.run_id) for t in tickets)
    _show("tickets", ("ticket", "severity", "status", "title", "run"), rows)


def _show_question(approval: Approval, flags: str) -> None:
    console.print(Text.assemble("? ", (visible(approval.question), "bold")))
    for reason in approval.reasons:
        console.print(Text(f"    {visible(reason)}", style="dim"))
    # Not wrapped: it is there to be copied.
    console.print(
        Text(f"    pilotman approve {approval.approval_id}{flags}    or: reject", style="cyan"),
        soft_wrap=True,
    )


def _show(title: str, columns: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> None:
    drawn = table(columns, ([visible(c) if isinstance(c, str) else c for c in row] for row in rows))
    for column in drawn.columns:
        column.no_wrap = column.header in ("run", "ticket")
    console.print(drawn if drawn.row_count else Text(f"no {title}", style="dim"))


def _title(run: Run) -> str:
    return short(run.request.partition("\n")[0], 80)


def _when(at: datetime) -> str:
    """To the minute, in local time."""
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
