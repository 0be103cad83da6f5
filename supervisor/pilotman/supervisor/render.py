"""A run at a prompt and on a terminal (rich). Text from anywhere stays text: no markup, no control codes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pilotman.guardrails.approval import visible

if TYPE_CHECKING:  # run.py shows itself by this module
    from pilotman.supervisor.run import Action, Run, Usage

Cell: TypeAlias = str | Text

STATE_STYLES: Mapping[str, str] = {
    "COMPLETED": "green",
    "ESCALATED": "yellow",
    "FAILED": "red",
    "CANCELLED": "bright_black",
}
STATUS_STYLES: Mapping[str, str] = {
    "applied": "green",
    "waiting": "yellow",
    "unknown": "yellow",
    "denied": "red",
    "not_applied": "bright_black",
    "compensated": "bright_black",
}
LIVE_STYLE = "cyan"


def shown(text: str, *, limit: int = 20_000) -> str:
    """Text of several lines, each made visible: nothing in it can move the cursor or turn the line around."""
    return "\n".join(visible(line, limit=limit) for line in text[:limit].splitlines())


def short(text: str, limit: int) -> str:
    """One visible line of at most ``limit`` characters."""
    line = visible(" ".join(text.split()), limit=10 * limit)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def seconds(span: timedelta | float) -> str:
    """A duration for people: ``340 ms``, ``4.2 s``, ``3 min 05 s``, ``2 h 10 min``."""
    total = span.total_seconds() if isinstance(span, timedelta) else span
    if total < 1:
        return f"{total * 1000:.0f} ms"
    if total < 60:
        return f"{total:.1f} s"
    minutes, rest = divmod(round(total), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def dollars(cost: float | None) -> str:
    """A cost in US dollars, to the tenth of a cent where it is small."""
    if cost is None:
        return "cost unknown"
    if 0 < cost < 0.0001:
        return "under $0.0001"
    return f"${cost:.2f}" if cost == 0 or cost >= 0.1 else f"${cost:.4f}"


def instant(at: datetime) -> str:
    """A moment with its zone, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} {at.tzname() or ''}".rstrip()


def count(number: int, noun: str) -> str:
    """``1 step``, ``2 steps``, ``24,000 tokens``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def spent(usage: Usage) -> str:
    """What was used, in one line."""
    tokens = f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens"
    return ", ".join(
        [count(usage.steps, "step"), count(usage.tool_calls, "tool call"), tokens, dollars(usage.cost_usd)]
    )


def state_style(state: str) -> str:
    """The colour of a state."""
    return STATE_STYLES.get(state, LIVE_STYLE)


def line(run: Run) -> str:
    """One line, for ``repr``."""
    parts = [f"Run {run.run_id}", run.state, repr(short(run.request, 48))]
    if run.answer is not None:
        parts.append(f"answer {short(run.answer, 48)!r}")
    if run.pending:
        parts.append(f"{len(run.pending)} waiting for a person")
    parts.append(dollars(run.usage.cost_usd))
    return f"<{' · '.join(parts)}>"


def panel(run: Run) -> RenderableType:
    """The whole record as a panel of tables; parts without content are left out."""
    title = Text.assemble((visible(run.run_id), "bold"), "  ", (run.state, f"bold {state_style(run.state)}"))
    return Panel(
        Group(*_parts(run)),
        title=title,
        title_align="left",
        subtitle=Text(spent(run.usage), style="dim"),
        subtitle_align="right",
        border_style=state_style(run.state),
        padding=(1, 2),
    )


def table(columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, title: str = "") -> Table:
    """A plain table; cells are text, never markup."""
    grid = Table(
        title=Text(title) if title else None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
        header_style="dim",
    )
    for name in columns:
        grid.add_column(name, overflow="fold")
    for row in rows:
        grid.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return grid


def _parts(run: Run) -> Iterator[RenderableType]:
    yield Text(short(run.request, 400), style="italic")
    if run.answer is not None:
        yield Text("\nAnswer so far, a person is still asked" if run.interim else "\nAnswer", style="bold")
        yield Text(shown(run.answer))
    if run.citations:
        quotes = ((visible(c.source), short(c.version, 12), short(c.quote, 200)) for c in run.citations)
        yield table(("source", "version", "quote"), quotes, title="\nCitations")
    if run.last_error and run.state != "COMPLETED":
        yield Text.assemble(("\nLast error  ", "bold red"), short(run.last_error, 400))
    if run.plan is not None:
        yield table(("task", "agent", "goal", "after"), _plan_rows(run), title="\nPlan")
    if run.actions:
        yield table(("tool", "effect", "status", "note"), map(_action_row, run.actions), title="\nActions")
    if run.approvals:
        yield table(("approval", "state", "question", "until"), _approval_rows(run), title="\nApprovals")
    if run.caveats:
        yield Text("\nCaveats", style="bold")
        yield Group(*(Text(f"• {short(caveat, 400)}") for caveat in run.caveats))


def _plan_rows(run: Run) -> Iterator[Sequence[Cell]]:
    for task in run.plan.tasks if run.plan else ():
        optional = " (optional)" if task.optional else ""
        after = ", ".join(map(visible, task.depends_on))
        yield visible(task.task_id) + optional, visible(task.agent), short(task.goal, 120), after


def _action_row(action: Action) -> Sequence[Cell]:
    status = Text(action.status.replace("_", " "), style=STATUS_STYLES.get(action.status, ""))
    note = short(action.message, 120) or (visible(action.approval_id) if action.approval_id else "")
    return visible(action.tool), action.effect, status, note


def _approval_rows(run: Run) -> Iterator[Sequence[Cell]]:
    for approval in run.approvals:
        by = f" by {visible(approval.decided_by.user)}" if approval.decided_by else ""
        until = instant(approval.expires_at) if approval.state == "pending" else ""
        yield visible(approval.approval_id), approval.state + by, shown(approval.question, limit=2_000), until
