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
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import TENANT, Home, memory_at
from pilotman.supervisor.cli.session import HomeOption, TenantOption, UserOption, principal_of

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


def why(
    what: Annotated[
        str,
        typer.Argument(metavar="WHAT", help="A run, an effect, an approval, a document, or any node's id."),
    ],
    html: HtmlOption = None,
    journal: JournalOption = None,
    provenance: ProvenanceOption = None,
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what something came from: request, documents, decisions, approvals, and by whom."""
    who = principal_of(tenant, user)
    found = _asked(lambda memory: memory.why(what, principal=who), journal or Home(home).url, provenance)
    _show(found, html, as_json=as_json)


def impact(
    source: Annotated[
        str,
        typer.Argument(metavar="SOURCE", help="A source's name, a document's id or URI, or any node's id."),
    ],
    html: HtmlOption = None,
    journal: JournalOption = None,
    provenance: ProvenanceOption = None,
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what came of a source, and would be in doubt without it: runs, answers, effects."""
    who = principal_of(tenant, user)
    found = _asked(lambda memory: memory.impact(source, principal=who), journal or Home(home).url, provenance)
    _show(found, html, as_json=as_json)


def _asked(ask: Ask, url: str, provenance: str | None) -> Lineage:
    async def work() -> Lineage:
        async with memory_at(url, provenance=provenance) as memory:
            return await ask(memory)

    try:
        return asyncio.run(work())
    except KeyboardInterrupt:  # beyond here, typer would end the process without a word
        output.complain("interrupted")
        raise typer.Exit(output.INTERRUPTED) from None


def _show(found: Lineage, html: Path | None, *, as_json: bool) -> None:
    if html is not None:
        found.to_html(html)
        output.remark(f"{html} was written")
    if as_json:
        output.as_json(found.to_dict())
    elif html is None:
        for line in str(found).splitlines():
            output.console.print(Text(visible(line, limit=500)), soft_wrap=True)
