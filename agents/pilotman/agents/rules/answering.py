"""The final answer: what was asked, found, done and left open. Extracts, nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pilotman.agents import grounding
from pilotman.agents.report import Report
from pilotman.agents.rules.phrases import cut, headline
from pilotman.agents.rules.quoting import (
    DONE,
    FOUND,
    GUIDANCE,
    OPEN,
    TOOL_LINE,
    humanised,
    humanly,
    value_text,
)
from pilotman.agents.rules.reading import Asked
from pilotman.agents.rules.writing import evidence_of, guidance

_STATUS: Mapping[str, str] = MappingProxyType(
    {
        "applied": "done",
        "waiting": "waits for a person's approval",
        "drafted": "drafted, not done",
        "denied": "refused by the policy",
        "rejected": "rejected by a person",
        "not_applied": "not done",
        "compensated": "done, then taken back",
        "unknown": "it is not known whether it was done; a person has to look",
    }
)
_BULLET = re.compile(r"^[-*+]\s+")
_MARKED = re.compile(r"\[\d+\]")
_MOST = 12


def answer(seen: Asked) -> str:
    """Markdown: the request in a line, then what was found, what the documents say, actions, open points."""
    evidence = evidence_of(seen)
    found, left_open = _findings(seen, evidence)
    blocks = {
        "Found": found,
        "What the documents say": _cited(seen, evidence),
        "Actions": [_action(action, evidence) for action in seen.actions],
        "Not done or not known": [*left_open, *_caveats(seen, left_open)],
    }
    parts = [f"**{_subject(seen)}**"]
    parts += [
        "\n".join([f"{name}:", *(f"- {line}" for line in lines)]) for name, lines in blocks.items() if lines
    ]
    if len(parts) == 1:
        parts.append("Nothing was found that answers this.")
    return "\n\n".join(parts)


def _subject(seen: Asked) -> str:
    """What it is about: the request's own title, else its first sentence."""
    titles = (seen.facts.get(name) for name in ("title", "subject", "summary"))
    own = next((title for title in titles if isinstance(title, str) and title.strip()), "")
    return cut(" ".join(own.split()) or headline(seen.request), 160)


def _findings(seen: Asked, evidence: grounding.Evidence) -> tuple[list[str], list[str]]:
    """Statements of the reports: those that say something, and those that say what is missing."""
    acted = {str(action.get("tool")) for action in seen.actions}
    found: list[str] = []
    missing: list[str] = []
    for report in seen.reports:
        for heading, line in _lines(report):
            match = TOOL_LINE.match(line)
            own = match is not None and not acted.isdisjoint(match["tools"].split(", "))
            if heading in (GUIDANCE, DONE) or own or _MARKED.search(line):
                continue  # the actions and passages themselves are cited instead
            target = missing if heading == OPEN else found
            said = humanised(line)
            if not grounding.problems(said, evidence):
                target.append(said)
    return list(dict.fromkeys(found))[:_MOST], list(dict.fromkeys(missing))[:_MOST]


def _lines(report: Report) -> list[tuple[str, str]]:
    """Each statement of a report with the heading that it stands under."""
    heading, found = "", list[tuple[str, str]]()
    for raw in report.text.splitlines():
        line = _BULLET.sub("", raw.strip()).strip()
        if line in (FOUND, GUIDANCE, DONE, OPEN):
            heading = line
        elif line and not line.startswith("#"):
            found.append((heading, cut(line, 500)))
    return found


def _cited(seen: Asked, evidence: grounding.Evidence) -> list[str]:
    """Quotes near the request, with their source; quotes that the reports chose come first."""
    chosen = [line for r in seen.reports for _, line in _lines(r) if _MARKED.search(line) and '"' in line]
    own = guidance(seen, evidence)
    lines = [line for line in dict.fromkeys([*chosen, *own]) if not grounding.problems(line, evidence)]
    sources = {p.number: p.source for p in seen.passages}
    return [
        f"{line} ({sources[int(mark)]})" for line in lines[:3] for mark in [_MARKED.findall(line)[0][1:-1]]
    ]


def _action(action: Mapping[str, Any], evidence: grounding.Evidence) -> str:
    status = str(action.get("status", "unknown"))
    said = f"{humanly(str(action.get('tool', 'an action')))}: {_STATUS.get(status, status)}"
    result = action.get("result")
    if result in (None, "", {}, []):
        return said
    full = f"{said} ({value_text(result, 200)})"
    return said if grounding.problems(full, evidence) else full


def _caveats(seen: Asked, left_open: list[str]) -> list[str]:
    told = [*seen.caveats, *(caveat for report in seen.reports for caveat in report.caveats)]
    lines = [value_text(caveat, 300) for caveat in dict.fromkeys(told)]
    return [
        line for line in lines if line not in left_open and not any(line in known for known in left_open)
    ][:_MOST]
