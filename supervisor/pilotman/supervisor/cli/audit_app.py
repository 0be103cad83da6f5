"""The commands about the audit: ``audit anchor`` and ``audit verify``."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import NotFound
from pilotman.guardrails.seal import Seal
from pilotman.memory import Memory
from pilotman.memory.audit.anchor import Anchor
from pilotman.memory.audit.anchor_store import anchor_store
from pilotman.memory.audit.audit import Report, verify
from pilotman.memory.journal.chain import Block
from pilotman.memory.keyring.place import keys_at
from pilotman.memory.storage.database import database, parse, sqlite_path
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import KEYS, Home
from pilotman.supervisor.cli.session import HomeOption

KEY: Final = "PILOTMAN_AUDIT_KEY"
SHOWN: Final = 20
"""How many unprotected runs people are shown."""

audit_app = typer.Typer(name="audit", help="Whether the journal is as it was written.", no_args_is_help=True)

JournalOption = Annotated[
    str | None,
    typer.Option("--journal", metavar="URL", help="sqlite:///file.db or postgresql://… Default: the home's."),
]


@audit_app.command("anchor")
def audit_anchor(
    to: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="A file, a URL of another database, or - for standard output. Default: in the home.",
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            envvar=KEY, readable=False, help="The key that signs, made on first use. Default: in the home."
        ),
    ] = None,
    unsigned: Annotated[bool, typer.Option("--unsigned", help="Sign with no key.")] = False,
    journal: JournalOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Note, signed, what the journal has come to. Keep that where who can write the journal cannot."""
    from pilotman.memory.audit.keys import SecretKey  # it takes time to load

    place = Home(home)
    url = _journal(place, journal)
    stores = [anchor_store(name) for name in to or [str(place.anchors)]]
    path = key or place.audit_key
    new = not unsigned and not path.exists()
    signing = None if unsigned else SecretKey.open(path)
    anchor = Anchor.of(asyncio.run(_tip(url)), at=datetime.now(UTC), key=signing)
    for store in stores:
        store.append(anchor.to_json())
        signed = f"signed with key {anchor.key}" if anchor.key else "not signed"
        counts = f"{_counted(anchor.events, 'event')} of {_counted(anchor.runs, 'run')}"
        output.remark(f"{store.name}: block {anchor.blocks}, {counts}, {signed}")
    if as_json and "-" not in (to or ()):
        output.as_json(json.loads(anchor.to_json()))
    if new:
        public = path.with_suffix(".pub")
        output.remark(f"{path} was made; keep a copy of {public} elsewhere, to verify with")


@audit_app.command("verify")
def audit_verify(
    anchor: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE", help="As in `audit anchor --to`; - reads standard input. Default: the home's."
        ),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option(
            envvar=KEY,
            readable=False,
            help="Whose anchors count; its public half does. Default: the home's.",
        ),
    ] = None,
    journal: JournalOption = None,
    keys: Annotated[
        str | None,
        typer.Option(
            envvar=KEYS, metavar="PLACE", help="Where the keys of its content are. Default: beside it."
        ),
    ] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say what was edited, dropped, inserted, reordered or cut off: 1 if anything was, else 0."""
    place = Home(home)
    url = _journal(place, journal)
    kept = anchor or [str(path) for path in (place.anchors,) if path.exists()]
    public = key or place.audit_key.with_suffix(".pub")
    seal = Seal(keys_at(keys, journal=url))
    report = _verified(url, kept, public if key or public.exists() else None, seal)
    if as_json:
        output.as_json(report.to_dict())
    else:
        _show(report, looked=bool(kept))
    raise typer.Exit(output.COMPLETED if report.sound else output.FAILED)


def _journal(place: Home, url: str | None) -> str:
    """The URL of the journal in question.

    Raises:
        NotFound: it would be a file, and is not there.
    """
    url = url or place.url
    parsed = parse(url)
    path = sqlite_path(parsed)
    if parsed.get_backend_name() == "sqlite" and (path is None or not path.exists()):
        raise NotFound(f"there is no journal at {path or url}", hint="give --home DIR or --journal URL")
    return url


async def _tip(url: str) -> Block:
    async with Memory(url) as memory:
        return await memory.journal.tip()


def _verified(url: str, places: list[str], key: Path | None, seal: Seal) -> Report:
    stores = [anchor_store(place) for place in places]
    checked = None
    if key is not None:
        from pilotman.memory.audit.keys import PublicKey  # it takes time to load

        checked = PublicKey.load(key)
    try:
        return verify(database(url, busy_timeout=5.0), stores, key=checked, seal=seal)
    except KeyboardInterrupt:  # beyond here, typer would end the process without a word
        output.complain("interrupted")
        raise typer.Exit(output.INTERRUPTED) from None


def _show(report: Report, *, looked: bool) -> None:
    for finding in report.findings:
        _line(str(finding), "red")
    if report.more:
        _line(f"and {report.more} more", "red")
    whole = f"{_counted(report.events, 'event')} of {_counted(report.runs, 'run')}"
    whole = f"{whole} in {_counted(report.blocks, 'block')}"
    if report.sound:
        _line(f"sound: {whole}, as written", "green")
    else:
        _line(f"not sound: {_counted(len(report.findings) + report.more, 'finding')} in {whole}", "red")
    _show_protection(report, looked=looked)
    if report.unhashed:
        _line(f"unprotected: {_counted(report.unhashed, 'event')} from before there were hashes", "yellow")
    for remark in report.remarks:
        _line(remark, "yellow")


def _show_protection(report: Report, *, looked: bool) -> None:
    """What whoever can write the database could have rewritten without a trace."""
    later = f"{_counted(report.unprotected_events, 'event')} of {_counted(report.unprotected_runs, 'run')}"
    if report.held is None:
        why = "no anchor holds" if looked else "no anchor was given"
        _line(f"unprotected: all, {later}: {why}", "yellow")
        return
    _line(f"protected: up to block {report.held.number}, by {report.held.name}", "green")
    if report.unprotected_events:
        _line(f"unprotected: what came later, {later}", "yellow")
    for span in report.unprotected[:SHOWN]:
        _line(f"    {span.run_id}  {span.first} to {span.last}", "dim")
    if report.unprotected_runs > SHOWN:
        _line(f"    and {report.unprotected_runs - SHOWN} more", "dim")


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _line(text: str, style: str) -> None:
    """One line, not wrapped."""
    output.console.print(Text(visible(text, limit=2_000), style=style), soft_wrap=True)
