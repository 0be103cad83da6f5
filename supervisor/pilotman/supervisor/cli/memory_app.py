"""``pilotman memory``: what is remembered in a home, told, taken back, listed; and its quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.guardrails.level import OPERATOR
from pilotman.guardrails.principal import Principal
from pilotman.memory import Fact, Selector
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import TENANT, Home
from pilotman.supervisor.cli.session import HomeOption, TenantOption, UserOption, perform, principal_of

memory_app = typer.Typer(name="memory", help="What is remembered of a user.", no_args_is_help=True)

IdArgument = Annotated[str, typer.Argument(metavar="FACT", help="The id of a fact.")]
ReasonOption = Annotated[str, typer.Option(help="Why. It is kept with the fact.")]
AtOption = Annotated[datetime | None, typer.Option(help="A local time.")]


@memory_app.command()
def remember(
    text: Annotated[str, typer.Argument(help="What to remember, in plain words.")],
    about: Annotated[str, typer.Option(help="The thing that it is about.")] = "",
    reason: ReasonOption = "noted by hand",
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remember a fact."""
    place, who = Home(home), principal_of(tenant, user)
    asked = place.memory.remember(text, principal=who, source="user", reason=reason, about=about)
    _show([perform(place, asked)], as_json=as_json)


@memory_app.command()
def recall(
    query: Annotated[str, typer.Argument(help="What to look for; nothing lists the newest.")] = "",
    valid_at: AtOption = None,
    recorded_at: AtOption = None,
    limit: Annotated[int, typer.Option(min=1)] = 10,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what is believed, or was believed then of that time."""
    place, who = Home(home), principal_of(tenant, user)
    place.teams()  # their documents are what facts may stand on
    asked = place.memory.recall(
        query, principal=who, limit=limit, valid_at=local(valid_at), recorded_at=local(recorded_at)
    )
    _show(perform(place, asked), as_json=as_json)


@memory_app.command()
def retract(
    fact_id: IdArgument,
    reason: ReasonOption,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Believe a fact no longer."""
    place, who = Home(home), principal_of(tenant, user)
    _show([perform(place, place.memory.retract(fact_id, principal=who, reason=reason))], as_json=as_json)


@memory_app.command()
def inventory(
    source: Annotated[str | None, typer.Option(help="Only what comes from there.")] = None,
    run: Annotated[str | None, typer.Option(help="Only a run, and what comes from it.")] = None,
    before: AtOption = None,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is kept of a user, why, and until when."""
    place, who = Home(home), principal_of(tenant, user)
    wanted = Selector(user=who.user, source=source, run_id=run, before=local(before))
    place.teams()  # their documents are what facts may stand on
    kept = perform(place, place.memory.inventory(wanted, principal=who))
    if as_json:
        output.as_json([plain(one) for one in kept])
        return
    for one in kept:
        until = "until it is forgotten" if one["until"] is None else f"until {day(one['until'])}"
        line(f"{one['kind']}  {one['id']}  {one['state']}  since {day(one['since'])}, {until}")
        line(f"    {one.get('what', '')}  ({one.get('why', '')}; {one['source']})", style="dim")
    if not kept:
        line("nothing is kept", style="dim")


@memory_app.command()
def quarantine(
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what is kept but told to nobody, of all users of the tenant, and why."""
    place, who = Home(home), operator(tenant, user)
    _show(perform(place, place.memory.quarantined(principal=who)), as_json=as_json)


@memory_app.command()
def release(
    fact_id: IdArgument,
    reason: ReasonOption,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    home: HomeOption = None,
) -> None:
    """Let a fact out of quarantine, as little trusted as it was."""
    place, who = Home(home), operator(tenant, user)
    perform(place, place.memory.release(fact_id, principal=who, reason=reason))
    line(f"{fact_id}  released")


@memory_app.command()
def pull(
    fact_id: IdArgument,
    reason: ReasonOption,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a poisoned fact into quarantine with all that came of it, and list what was done because of it."""
    place, who = Home(home), operator(tenant, user)
    pulled = perform(place, place.memory.pull(fact_id, principal=who, reason=reason))
    if as_json:
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


def operator(tenant: str, user: str | None) -> Principal:
    """Whoever can write the home's files may do anything with it."""
    return principal_of(tenant, user, roles=frozenset({OPERATOR}))


def _show(facts: list[Fact], *, as_json: bool) -> None:
    if as_json:
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
        line("nothing is remembered of that", style="dim")


def plain(told: Mapping[str, Any]) -> dict[str, Any]:
    """Times as ISO 8601."""
    return {name: v.isoformat() if isinstance(v, datetime) else v for name, v in told.items()}


def line(words: str, style: str = "") -> None:
    """Words of whoever, made safe to show."""
    output.console.print(Text(visible(words, limit=5_000), style=style), soft_wrap=True)


def local(time: datetime | None) -> datetime | None:
    """A time as it was typed, with the zone of this machine."""
    return None if time is None else time.astimezone()


def day(time: datetime) -> str:
    """A time as people here read it."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}"
