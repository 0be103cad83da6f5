"""The commands for those who answer: ``approvals``, ``approve``, ``reject``."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

import typer

from pilotman.guardrails.approval import Approval
from pilotman.guardrails.errors import InvalidRequest
from pilotman.guardrails.principal import Principal
from pilotman.guardrails.shape import is_mapping
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import TENANT, Home
from pilotman.supervisor.cli.progress import Progress
from pilotman.supervisor.cli.session import HomeOption, TenantOption, finish, perform, principal_of, team_of
from pilotman.supervisor.run import Run
from pilotman.supervisor.supervisor import Supervisor

ByOption = Annotated[str | None, typer.Option("--by", help="Who answers. Default: your login name.")]
OnlyOption = Annotated[
    list[str] | None,
    typer.Option("--only", help="Digest of a listed call, or its beginning. The other calls stay open."),
]


def approvals(home: HomeOption = None, tenant: TenantOption = TENANT, as_json: JsonOption = False) -> None:
    """List the questions that wait for a person."""
    place = Home(home)
    found = perform(place, place.records.questions(tenant))
    if as_json:
        output.as_json([asked.to_dict() for asked in found])
        return
    output.show_approvals(found, flags=place.flags(tenant))


def approve(
    approval_id: Annotated[str, typer.Argument(metavar="ID")],
    by: ByOption = None,
    digest: Annotated[
        str | None, typer.Option(help="Digest of what you were shown, or its beginning.")
    ] = None,
    only: OnlyOption = None,
    args: Annotated[
        str | None, typer.Option("--args", help="JSON that takes the place of the call's arguments.")
    ] = None,
    comment: Annotated[str, typer.Option(help="For the record.")] = "",
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    as_json: JsonOption = False,
) -> None:
    """Say yes to a question, then drive its run to the next stop."""
    place, who = Home(home), principal_of(tenant, by)
    instead = None if args is None else _arguments(args)

    async def say(team: Supervisor, asked: Approval) -> object:
        return await team.approve(
            approval_id,
            principal=who,
            digest=None if digest is None else _whole(digest, [asked.digest]),
            only=_calls(only, asked),
            comment=comment,
            args=instead,
        )

    _answer(place, approval_id, who, say, as_json=as_json)


def reject(
    approval_id: Annotated[str, typer.Argument(metavar="ID")],
    by: ByOption = None,
    only: OnlyOption = None,
    comment: Annotated[str, typer.Option(help="For the record and the answer.")] = "",
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    as_json: JsonOption = False,
) -> None:
    """Say no to a question, then drive its run to the next stop."""
    place, who = Home(home), principal_of(tenant, by)

    async def say(team: Supervisor, asked: Approval) -> object:
        only_ = _calls(only, asked)
        return await team.reject(approval_id, principal=who, only=only_, comment=comment)

    _answer(place, approval_id, who, say, as_json=as_json)


def _answer(
    place: Home,
    approval_id: str,
    who: Principal,
    say: Callable[[Supervisor, Approval], Awaitable[object]],
    *,
    as_json: bool,
) -> None:
    """Record an answer and drive its run on."""

    async def work() -> Run:
        asked = await place.memory.journal.approval(approval_id, tenant=who.tenant)
        team = await team_of(place, asked.run_id, who)
        async with Progress(place.memory, who.tenant, quiet=as_json, run_id=asked.run_id):
            await say(team, asked)
            return await team.resume(asked.run_id, principal=who)

    finish(place, perform(place, work()), as_json=as_json)


def _calls(only: list[str] | None, asked: Approval) -> list[str] | None:
    known = {call.digest for call in asked.calls}
    return None if only is None else [_whole(given, known) for given in only]


def _whole(given: str, known: Iterable[str]) -> str:
    """The one digest that begins so; what begins none or several is left to fail as it is."""
    found = [digest for digest in known if digest.startswith(given)]
    return found[0] if len(found) == 1 and len(given) >= output.SHORT_DIGEST else given


def _arguments(given: str) -> dict[str, Any]:
    try:
        found = json.loads(given)
    except ValueError as error:
        raise InvalidRequest(f"--args is no JSON: {error}") from error
    if not is_mapping(found):
        raise InvalidRequest("--args is no JSON object", hint='such as \'{"host": "web-1"}\'')
    return dict(found)
