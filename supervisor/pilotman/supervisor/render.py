"""A run at a prompt and on a terminal (rich). Text from anywhere stays text: no markup, no control codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

import orjson
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.supervisor.tiers import COUNTS

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
    "drafted": "yellow",
    "unknown": "yellow",
    "denied": "red",
    "not_applied": "bright_black",
    "compensated": "bright_black",
}
LIVE_STYLE = "cyan"

_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,3}[.)])\s+(?=\S)")
_TITLE = re.compile(r"\*\*([^*]+)\*\*")


def shown(text: str, *, limit: int = 20_000) -> str:
    """Text of several lines, each made visible: nothing in it can move the cursor or turn the line around."""
    return "\n".join(visible(line, limit=limit) for line in text[:limit].splitlines())


def short(text: str, limit: int) -> str:
    """One visible line of at most ``limit`` characters."""
    line = visible(" ".join(text.split()), limit=10 * limit)
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def opening(text: str, *, most: int = 8) -> str:
    """The first lines of a text, visible."""
    lines = text.splitlines()
    return "\n".join([*(short(line, 200) for line in lines[:most]), *(["…"] if len(lines) > most else [])])


def headline(run: Run) -> str:
    """What a run is about: the first line of its request."""
    return short(run.request.partition("\n")[0], 100)


def who(agent: str, task_id: str) -> str:
    """An agent at a task, once where the task is named like its agent."""
    return agent if agent == task_id else f"{agent} ({task_id})"


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
    yield Text(opening(run.request), style="italic")
    if run.answer is not None:
        yield Text("\nAnswer so far, a person is still asked" if run.interim else "\nAnswer", style="bold")
        yield from _prose(run.answer)
    if run.citations:
        yield Text("\nCitations", style="bold")
        yield from _citations(run)
    if run.last_error and run.state != "COMPLETED":
        yield Text.assemble(("\nLast error  ", "bold red"), short(run.last_error, 400))
    if run.plan is not None:
        yield table(("task", "goal"), _plan_rows(run), title="\nPlan")
    if run.actions:
        yield table(("tool", "effect", "status", "note"), map(_action_row, run.actions), title="\nActions")
    if run.approvals:
        yield Text("\nApprovals", style="bold")
        yield from _approvals(run)
    if any(tier.unusable or tier.failed or tier.left for tier in run.tiers):
        rows = [(visible(tier.model), *(str(getattr(tier, name)) for name in COUNTS)) for tier in run.tiers]
        yield table(("model", *COUNTS), rows, title="\nModels")
    unsaid = [caveat for caveat in run.caveats if caveat not in (run.answer or "")]
    if unsaid:
        yield Text("\nCaveats", style="bold")
        yield from (hanging("•", Text(short(caveat, 400))) for caveat in unsaid)


def _prose(text: str) -> Iterator[RenderableType]:
    """An answer line by line: items hang from their mark, a line in two stars is bold."""
    for line in shown(text).splitlines():
        item, title = _ITEM.match(line), _TITLE.fullmatch(line)
        if item is not None:
            yield hanging(item[0].rstrip(), Text(line[item.end() :]))
        else:
            yield Text(line) if title is None else Text(title[1], style="bold")


def hanging(mark: str, text: Text) -> Table:
    """A mark and a text that hangs from it: no line of the text begins where the marks stand."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(mark), text)
    return grid


def _citations(run: Run) -> Iterator[RenderableType]:
    for number, citation in enumerate(run.citations, start=1):
        source = f"{visible(citation.source)} {visible(citation.version[:8])}"
        yield hanging(f"[{number}]", Text.assemble(short(citation.quote, 200), "  ", (source, "dim")))


def _plan_rows(run: Run) -> Iterator[Sequence[Cell]]:
    for task in run.plan.tasks if run.plan else ():
        optional = " (optional)" if task.optional else ""
        after = f"\nafter {', '.join(map(visible, task.depends_on))}" if task.depends_on else ""
        goal = Text.assemble(short(task.goal, 120), (after, "dim"))
        yield visible(who(task.agent, task.task_id)) + optional, goal


def _action_row(action: Action) -> Sequence[Cell]:
    status = Text(action.status.replace("_", " "), style=STATUS_STYLES.get(action.status, ""))
    return visible(action.tool), action.effect, status, note(action, 120)


def note(action: Action, limit: int) -> str:
    """What is said beside an action: a draft's arguments, why it was not done, else the question about it."""
    args = "" if action.args is None else ", ".join(f"{name}={_json(v)}" for name, v in action.args.items())
    words = " · ".join(short(text, limit) for text in (args, action.message) if text)
    return words or visible(action.approval_id or "")


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _approvals(run: Run) -> Iterator[RenderableType]:
    for approval in run.approvals:
        by = f" by {visible(approval.decided_by.user)}" if approval.decided_by else ""
        until = f" until {instant(approval.expires_at)}" if approval.state == "pending" else ""
        edited = " with other arguments" if any(call.new_args for call in approval.calls) else ""
        yield Text(f"{visible(approval.approval_id)}  {approval.state}{by}{edited}{until}")
        yield hanging("  ", Text(shown(approval.question, limit=2_000)))
