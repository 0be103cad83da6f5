"""``pilotman level``: how far calls may go in a home, and the kill switch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, cast

import typer
from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import InvalidRequest, PilotmanError
from pilotman.guardrails.level import EVERY_TENANT, LEVELS, OPERATOR, Scope, Setting
from pilotman.guardrails.policy import Effect, Level
from pilotman.memory.journal.owner import is_dead
from pilotman.memory.journal.records import InFlight, Levels
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import TENANT, Home
from pilotman.supervisor.cli.session import HomeOption, UserOption, perform, principal_of
from pilotman.supervisor.levers import agents_of

_STYLES = {"off": "red", "read_only": "yellow", "constrained": "yellow", "full": "green"}


def level(
    to: Annotated[str | None, typer.Argument(metavar="LEVEL", help=", ".join(LEVELS))] = None,
    reason: Annotated[str, typer.Option(help="Why. For the record, and for those who meet the level.")] = "",
    tool: Annotated[str | None, typer.Option(help="Only calls of this tool.")] = None,
    effect: Annotated[
        str | None, typer.Option(help="Only tools of this class: read, egress, write, irreversible.")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent and those that it delegates to.")] = None,
    tenant: Annotated[str, typer.Option(help=f"Whose level; {EVERY_TENANT} is everybody's.")] = TENANT,
    user: UserOption = None,
    history: Annotated[bool, typer.Option("--history", help="Show all that was ever set.")] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how far calls may go, as of now and in every process; without LEVEL show it."""
    place = Home(home)
    journal = place.memory.journal
    if to is None:
        if reason or tool or effect or agent:
            raise InvalidRequest("name a level; nothing was changed", hint=f"one of {', '.join(LEVELS)}")
        whose = None if tenant == EVERY_TENANT else tenant
        _show(perform(place, journal.levels(whose, history=history)), as_json=as_json)
        return
    scope = Scope(tenant=tenant, agent=agent, tool=tool, effect=cast("Effect | None", effect))
    # whoever can write the home's files may do anything with it
    who = principal_of(TENANT if tenant == EVERY_TENANT else tenant, user, roles=frozenset({OPERATOR}))
    done = perform(place, journal.set_level(scope, cast("Level", to), principal=who, reason=reason))
    for name in _unknown(place, tool, agent):
        output.remark(f"no team of the command line has anything named {name}: is it spelt right?")
    _show(done, as_json=as_json)


def _unknown(place: Home, tool: str | None, agent: str | None) -> Iterator[str]:
    """Names that the command line's own teams do not have; a program's team with this home may have them."""
    known: set[str] = set()
    with suppress(PilotmanError):  # a team that cannot be built must not be in the way
        for name in ("incident", "support"):
            team = place.team(name).team
            known.update((*team.tools(), *agents_of(team)))
        yield from (name for name in (tool, agent) if name is not None and name not in known)


def _show(levels: Levels, *, as_json: bool) -> None:
    if as_json:
        settings = [_setting(setting) for setting in levels.settings]
        output.as_json({"settings": settings, "in_flight": [_write(write) for write in levels.in_flight]})
        return
    for setting in levels.settings:
        _line((setting.level, _STYLES[setting.level]), f"  {setting.scope}", under=_who(setting))
    if not levels.settings:
        _line(("full", _STYLES["full"]), "  no level was ever set: policies decide")
    for write in levels.in_flight:
        since = f"since {write.since.astimezone():%Y-%m-%d %H:%M:%S}, by {_process(write.owner)}"
        _line(("in flight", "yellow"), f"  {write.tool} in {write.run_id}", under=since)


def _line(*words: str | tuple[str, str], under: str = "") -> None:
    shown = [visible(w) if isinstance(w, str) else w for w in words]
    output.console.print(Text.assemble(*shown), soft_wrap=True)
    if under:
        output.console.print(Text(f"    {visible(under)}", style="dim"), soft_wrap=True)


def _who(setting: Setting) -> str:
    return f"{setting.reason} ({setting.by}, {setting.at.astimezone():%Y-%m-%d %H:%M:%S})"


def _process(owner: str) -> str:
    """The process that began a write, in words."""
    host, _, rest = owner.partition(":")
    number = rest.partition(":")[0]
    gone = ", which is gone: resume the run to find out what became of it" if is_dead(owner) else ""
    return f"process {number} on {host.partition('/')[0]}{gone}"


def _setting(setting: Setting) -> dict[str, Any]:
    scope = setting.scope
    return {
        "number": setting.number,
        "level": setting.level,
        "tenant": scope.tenant,
        "agent": scope.agent,
        "tool": scope.tool,
        "effect": scope.effect,
        "reason": setting.reason,
        "by": setting.by,
        "at": setting.at.isoformat(),
    }


def _write(write: InFlight) -> dict[str, Any]:
    return {
        "tool": write.tool,
        "effect": write.effect,
        "run_id": write.run_id,
        "tenant": write.tenant,
        "step": write.step,
        "since": write.since.isoformat(),
        "owner": write.owner,
        "owner_gone": is_dead(write.owner),
    }
