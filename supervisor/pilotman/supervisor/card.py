"""A run in a notebook: self-contained HTML, readable on light and dark. Every value is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from pilotman.supervisor.render import instant, note, opening, short, shown, spent

if TYPE_CHECKING:  # run.py shows itself by this module
    from pilotman.supervisor.run import Run

# Only colours that hold on white and on black; the rest is inherited from the page.
_STYLE = """
.pilotman{font:14px/1.5 system-ui,sans-serif;border:1px solid #8886;border-left:4px solid var(--pm);
border-radius:6px;padding:12px 16px;margin:4px 0;max-width:60em}
.pilotman header{display:flex;flex-wrap:wrap;gap:4px 12px;align-items:baseline}
.pilotman code{font:12px ui-monospace,monospace;background:none;color:inherit;opacity:.75}
.pilotman .pm-tag{color:var(--pm);font-weight:600}
.pilotman .pm-dim{opacity:.7;font-size:12px}
.pilotman h4{margin:12px 0 2px;font-size:12px;font-weight:600;opacity:.7;text-transform:none}
.pilotman p{margin:2px 0;white-space:pre-wrap;overflow-wrap:anywhere}
.pilotman ul{margin:2px 0;padding-left:1.2em}
.pilotman table{border-collapse:collapse;margin:2px 0;font-size:13px;background:none}
.pilotman th,.pilotman td{text-align:left;vertical-align:top;padding:2px 14px 2px 0;border:0;background:none;
white-space:pre-wrap;overflow-wrap:anywhere}
.pilotman th{font-weight:400;opacity:.7}
"""

_GREEN, _AMBER, _RED, _GREY, _BLUE = "#1f9d55", "#c27803", "#d64545", "#7b8794", "#2f80c3"
_COLOURS = {
    "COMPLETED": _GREEN,
    "ESCALATED": _AMBER,
    "FAILED": _RED,
    "CANCELLED": _GREY,
    "applied": _GREEN,
    "approved": _GREEN,
    "waiting": _AMBER,
    "drafted": _AMBER,
    "pending": _AMBER,
    "unknown": _AMBER,
    "denied": _RED,
    "rejected": _RED,
    "not_applied": _GREY,
    "compensated": _GREY,
    "expired": _GREY,
}


def html(run: Run) -> str:
    """The record as one element with its own style."""
    used = f'<span class="pm-dim">{_words(spent(run.usage))}</span>'
    head = f"{_tag(run.state)}<code>{_words(run.run_id)}</code>{used}"
    body = "".join(_parts(run))
    colour = _COLOURS.get(run.state, _BLUE)
    return (
        f'<div class="pilotman" style="--pm:{colour}"><style>{_STYLE}</style>'
        f"<header>{head}</header><p><em>{_words(opening(run.request))}</em></p>{body}</div>"
    )


def _parts(run: Run) -> Iterator[str]:
    if run.answer is not None:
        title = "Answer so far, a person is still asked" if run.interim else "Answer"
        yield f"<h4>{title}</h4><p>{_words(run.answer)}</p>"
    if run.last_error and run.state != "COMPLETED":
        yield f"<h4>Last error</h4><p>{_words(short(run.last_error, 400))}</p>"
    yield _table("Citations", ("", "source", "version", "quote"), _citations(run))
    yield _table("Plan", ("task", "agent", "goal", "after"), _tasks(run))
    yield _table("Actions", ("tool", "effect", "status", "note"), _actions(run))
    yield _table("Approvals", ("approval", "state", "question", "until"), _approvals(run))
    if run.caveats:
        items = "".join(f"<li>{_words(short(caveat, 400))}</li>" for caveat in run.caveats)
        yield f"<h4>Caveats</h4><ul>{items}</ul>"


def _citations(run: Run) -> Iterator[Sequence[str]]:
    for number, c in enumerate(run.citations, start=1):
        version = f"<code>{_words(c.version[:8])}</code>"
        yield f"[{number}]", _words(c.source), version, _words(short(c.quote, 300))


def _tasks(run: Run) -> Iterator[Sequence[str]]:
    for task in run.plan.tasks if run.plan else ():
        name = task.task_id + (" (optional)" if task.optional else "")
        yield (
            _words(name),
            _words(task.agent),
            _words(short(task.goal, 160)),
            _words(", ".join(task.depends_on)),
        )


def _actions(run: Run) -> Iterator[Sequence[str]]:
    for action in run.actions:
        said = _words(note(action, 160))
        yield _words(action.tool), _words(action.effect), _tag(action.status), said


def _approvals(run: Run) -> Iterator[Sequence[str]]:
    for approval in run.approvals:
        by = f" by {_words(approval.decided_by.user)}" if approval.decided_by else ""
        until = instant(approval.expires_at) if approval.state == "pending" else ""
        edited = " with other arguments" if any(call.new_args for call in approval.calls) else ""
        question = _words(approval.question)
        yield (
            f"<code>{_words(approval.approval_id)}</code>",
            _tag(approval.state) + by + edited,
            question,
            _words(until),
        )


def _table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are markup already; nothing if there are no rows."""
    lines = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    if not lines:
        return ""
    head = "".join(f"<th>{name}</th>" for name in columns)
    return f"<h4>{title}</h4><table><tr>{head}</tr>{''.join(lines)}</table>"


def _tag(word: str) -> str:
    colour = _COLOURS.get(word, _BLUE)
    return f'<span class="pm-tag" style="--pm:{colour}">{_words(word.replace("_", " "))}</span>'


def _words(text: str) -> str:
    """Text as text: control and bidirectional characters visible, markup escaped."""
    return escape(shown(text))
