"""``pilotman memory``: what is remembered in a home, told, taken back, listed; and its quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import InvalidRequest
from pilotman.memory import Fact, Selector
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.desk import Desk, at_desk

memory_app = typer.Typer(name="memory", help="What is remembered of a user.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="FACT", help="The id of a fact.")]
ReasonOption = Annotated[str, typer.Option(help="Why. It is kept with the fact.")]
AtOption = Annotated[datetime | None, typer.Option(help="A local time, such as 2026-05-01.")]


@memory_app.command()
@at_desk
def remember(
    desk: Desk,
    text: Annotated[str, typer.Argument(help="What to remember, in plain words.")],
    about: Annotated[str, typer.Option(help="The thing that it is about.")] = "",
    reason: ReasonOption = "noted by hand",
) -> None:
    """Remember a fact."""
    asked = desk.memory.remember(text, principal=desk.who, source="user", reason=reason, about=about)
    _show([desk.do(asked)], desk)


@memory_app.command()
@at_desk
def recall(
    desk: Desk,
    query: Annotated[str, typer.Argument(help="What to look for; nothing lists the newest.")] = "",
    valid_at: AtOption = None,
    recorded_at: AtOption = None,
    limit: Annotated[int, typer.Option(min=1)] = 10,
) -> None:
    """Tell what is believed, or was believed then of that time."""
    desk.home.teams()  # their documents are what facts may stand on
    asked = desk.memory.recall(
        query, principal=desk.who, limit=limit, valid_at=local(valid_at), recorded_at=local(recorded_at)
    )
    _show(desk.do(asked), desk, f"nothing is remembered of {'that' if query else desk.who.user}")


@memory_app.command()
@at_desk
def retract(desk: Desk, fact_id: IdArgument, reason: ReasonOption) -> None:
    """Believe a fact no longer."""
    _show([desk.do(desk.memory.retract(fact_id, principal=desk.who, reason=reason))], desk)


@memory_app.command()
@at_desk
def inventory(
    desk: Desk,
    source: Annotated[str | None, typer.Option(help="Only what comes from there.")] = None,
    run: Annotated[str | None, typer.Option(help="Only a run, and what comes from it.")] = None,
    before: AtOption = None,
) -> None:
    """List what is kept of a user, why, and until when."""
    wanted = Selector(user=desk.who.user, source=source, run_id=run, before=local(before))
    desk.home.teams()  # their documents are what facts may stand on
    kept = desk.do(desk.memory.inventory(wanted, principal=desk.who))
    if desk.as_json:
        output.as_json([plain(one) for one in kept])
        return
    for one in kept:
        until = "until it is forgotten" if one["until"] is None else f"until {day(one['until'])}"
        line(f"{one['kind']}  {one['id']}  {one['state']}  since {day(one['since'])}, {until}")
        line(f"    {one.get('what', '')}  ({one.get('why', '')}; {one['source']})", style="dim")
    if not kept:
        line(f"nothing is kept of {desk.who.user}", style="dim")


@memory_app.command()
@at_desk
def quarantine(desk: Desk) -> None:
    """List what is kept but told to nobody, of all users of the tenant, and why."""
    _show(desk.do(desk.memory.quarantined(principal=desk.operator)), desk, "nothing is in quarantine")


@memory_app.command()
@at_desk
def release(desk: Desk, fact_id: IdArgument, reason: ReasonOption) -> None:
    """Let a fact out of quarantine, as little trusted as it was."""
    desk.do(desk.memory.release(fact_id, principal=desk.operator, reason=reason))
    if desk.as_json:
        output.as_json({"fact_id": fact_id, "status": "live"})
    else:
        line(f"{fact_id}  released")


@memory_app.command()
@at_desk
def pull(desk: Desk, fact_id: IdArgument, reason: ReasonOption) -> None:
    """Put a poisoned fact into quarantine with all that came of it, and list what was done because of it."""
    pulled = desk.do(desk.memory.pull(fact_id, principal=desk.operator, reason=reason))
    if desk.as_json:
        written = [plain(vars(effect)) for effect in pulled.effects]
        output.as_json({"facts": pulled.facts, "runs": pulled.runs, "effects": written})
        return
    for one in pulled.facts:
        line(f"{one}  quarantined")
    for run_id in pulled.runs:
        line(f"{run_id}  was told")
    for effect in pulled.effects:
        line(
            f"    {effect.tool}  {effect.state}  {day(effect.intended_at)}  in {effect.run_id}", style="bold"
        )
    if pulled.effects:
        line("what these wrote stands: look at it, and take back what is wrong", style="dim")


def _show(facts: list[Fact], desk: Desk, nothing: str = "") -> None:
    if desk.as_json:
        output.as_json([plain({**vars(fact), "label": fact.label.to_dict()}) for fact in facts])
        return
    for fact in facts:
        state = "retracted" if fact.retracted_at is not None else fact.status
        trust = "trusted" if fact.label.trusted else "not trusted"
        line(f"{fact.fact_id}  {state}  {trust}  since {day(fact.valid_from)}")
        if fact.status == "quarantined":
            why = ", ".join(sorted(fact.label.suspicions)) or "a person put it there"
            line(f"    {fact.owner or 'everybody'}, from {fact.source}: {why}", style="yellow")
        line(f"    {fact.text}", style="bold")
    if not facts:
        line(nothing, style="dim")


def plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """Times as ISO 8601."""
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in told.items()}


def line(words: str, style: str = "") -> None:
    """Words of whoever, made safe to show."""
    output.console.print(Text(visible(words, limit=5_000), style=style), soft_wrap=True)


def local(time: datetime | None) -> datetime | None:
    """A time as it was typed, with the zone of this machine.

    Raises:
        InvalidRequest: it is beyond all calendars.
    """
    try:
        return None if time is None else time.astimezone(UTC).astimezone()
    except (OverflowError, ValueError):
        raise InvalidRequest(f"{time} is beyond all calendars", hint="such as 2026-05-01") from None


def day(time: datetime) -> str:
    """A time as people here read it."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}"
