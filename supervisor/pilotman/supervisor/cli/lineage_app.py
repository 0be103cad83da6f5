"""``pilotman why`` and ``pilotman impact``: what something came from, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.memory import Lineage, Memory
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.audit_app import JournalOption
from pilotman.supervisor.cli.desk import Desk, at_desk
from pilotman.supervisor.cli.home import memory_at

Ask: TypeAlias = Callable[[Memory], Coroutine[Any, Any, Lineage]]

HtmlOption = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write it as a picture, on a page that loads nothing."),
]
ProvenanceOption = Annotated[
    str | None,
    typer.Option(
        "--provenance",
        metavar="URL",
        envvar="PILOTMAN_PROVENANCE",
        help="Where the graph lives: neo4j://user:password@host … Default: beside the journal.",
    ),
]


@at_desk
def why(
    desk: Desk,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="A run, an effect, an approval, a fact, a document, or any node's id."
        ),
    ],
    html: HtmlOption = None,
    journal: JournalOption = None,
    provenance: ProvenanceOption = None,
) -> None:
    """Say what something came from: request, documents, decisions, approvals, and by whom."""
    _tell(desk, lambda memory: memory.why(what, principal=desk.who), html, journal, provenance)


@at_desk
def impact(
    desk: Desk,
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A source's name, a document's id or URI, or any node's id."),
    ],
    html: HtmlOption = None,
    journal: JournalOption = None,
    provenance: ProvenanceOption = None,
) -> None:
    """Say what came of a source, and would be in doubt without it: runs, answers, effects."""
    _tell(desk, lambda memory: memory.impact(source, principal=desk.who), html, journal, provenance)


def _tell(desk: Desk, ask: Ask, html: Path | None, journal: str | None, provenance: str | None) -> None:
    async def work() -> Lineage:
        async with memory_at(journal or desk.home.url, provenance=provenance) as memory:
            return await ask(memory)

    try:
        found = asyncio.run(work())
    except KeyboardInterrupt:  # beyond here, typer would end the process without a word
        output.complain("interrupted")
        raise typer.Exit(output.INTERRUPTED) from None
    if html is not None:
        found.to_html(html)
        output.remark(f"{html} was written")
    if desk.as_json:
        output.as_json(found.to_dict())
    elif html is None:
        for line in str(found).splitlines():
            output.console.print(Text(visible(line, limit=500)), soft_wrap=True)
