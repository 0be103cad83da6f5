"""The commands."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from pilotman.guardrails.errors import InvalidRequest, PilotmanError
from pilotman.guardrails.principal import Principal
from pilotman.memory import Event
from pilotman.supervisor import drawing
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.audit_app import audit_app
from pilotman.supervisor.cli.forgetting_app import forget, hold, holds, lift, receipts, sweep
from pilotman.supervisor.cli.guardrails_app import JsonOption, gate_app, policy_app
from pilotman.supervisor.cli.home import TENANT, Home, Settings
from pilotman.supervisor.cli.index_app import index_app
from pilotman.supervisor.cli.level_app import level
from pilotman.supervisor.cli.lineage_app import impact, why
from pilotman.supervisor.cli.mcp_app import mcp_app
from pilotman.supervisor.cli.memory_app import memory_app
from pilotman.supervisor.cli.models_app import models
from pilotman.supervisor.cli.people_app import approvals, approve, reject
from pilotman.supervisor.cli.progress import Progress
from pilotman.supervisor.cli.session import (
    HomeOption,
    TenantOption,
    UserOption,
    finish,
    perform,
    principal_of,
    team_of,
)
from pilotman.supervisor.cli.traces import exported
from pilotman.supervisor.cli.worker_app import queue_app, worker
from pilotman.supervisor.run import Run
from pilotman.supervisor.state import STATES
from pilotman.supervisor.supervisor import Supervisor
from pilotman.supervisor.teams.alert import MAX_SIZE, read_webhook
from pilotman.supervisor.teams.samples import sample_alert
from pilotman.supervisor.timeline import tree

app = typer.Typer(
    name="pilotman",
    help="A supervisor for agents that you cannot trust.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(policy_app)
app.add_typer(gate_app)
app.add_typer(audit_app)
app.add_typer(index_app)
app.add_typer(mcp_app)
app.add_typer(memory_app)
app.add_typer(queue_app)
for command in (level, models, approvals, approve, reject, worker, why, impact):
    app.command()(command)
for verb in (forget, receipts, hold, lift, holds, sweep):
    memory_app.command()(verb)

ModelOption = Annotated[
    str | None, typer.Option("--model", help="provider:name. Default: the rule-based model, no key needed.")
]
TeamOption = Annotated[Literal["incident", "support"], typer.Option("--team", help="Which team.")]


def main() -> None:
    """Entry point: one clear line and an exit code for everything that can go wrong."""
    try:
        with exported():
            app()
    except PilotmanError as error:
        output.complain(str(error))
        sys.exit(output.code_of(error))
    except KeyboardInterrupt:
        output.complain("interrupted")
        sys.exit(output.INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(output.FAILED)
    except OSError as error:
        output.complain(f"{error.filename or 'input or output'}: {error.strerror or error}")
        sys.exit(output.FAILED)


@app.command()
def triage(
    alert: Annotated[
        str | None, typer.Argument(help="An Alertmanager webhook (version 4); - reads standard input.")
    ] = None,
    runbooks: Annotated[
        Path | None, typer.Option(readable=False, help="Folder of Markdown runbooks.")
    ] = None,
    model: ModelOption = None,
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    tickets_url: Annotated[
        str | None, typer.Option(help="A ticket service. Default: a book in the home.")
    ] = None,
    prometheus_url: Annotated[str | None, typer.Option(help="Prometheus to ask about the alert.")] = None,
    alertmanager_url: Annotated[str | None, typer.Option(help="Alertmanager in which to silence.")] = None,
    probe_host: Annotated[list[str] | None, typer.Option(help="A host that may be probed by HTTP.")] = None,
    observe_here: Annotated[
        bool, typer.Option("--observe-here", help="This machine stands in for the alert's host.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Triage an alert: plan, look up runbooks, inspect, open a ticket, propose a remediation."""
    settings = Settings(
        documents=None if runbooks is None else str(runbooks.absolute()),
        model=model,
        tickets_url=tickets_url,
        prometheus_url=prometheus_url,
        alertmanager_url=alertmanager_url,
        probe_hosts=tuple(probe_host or ()),
        observe_here=observe_here or alert is None,
    )
    request = sample_alert(started_at=datetime.now(UTC)) if alert is None else _read(alert)
    _drive(Home(home), "incident", settings, request, principal_of(tenant, user), as_json=as_json)


@app.command()
def support(
    text: Annotated[str, typer.Argument(help="What the customer writes.")],
    policies: Annotated[
        Path | None, typer.Option(readable=False, help="Folder of Markdown policies.")
    ] = None,
    model: ModelOption = None,
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Answer a customer: look up policies and the account, update it under a permit."""
    settings = Settings(documents=None if policies is None else str(policies.absolute()), model=model)
    place, who = Home(home), principal_of(tenant, user)
    place.open_shop(tenant=tenant, customer=who.user)
    _drive(place, "support", settings, text, who, as_json=as_json)


@app.command()
def runs(
    state: Annotated[str | None, typer.Option(help="Only runs in this state.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000)] = 50,
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    as_json: JsonOption = False,
) -> None:
    """List runs, newest first."""
    place, wanted = Home(home), _state(state)

    async def work() -> list[Run]:
        rows = await place.memory.journal.runs(tenant=tenant, state=wanted, limit=limit)
        return await place.records.of(rows)

    found = perform(place, work())
    if as_json:
        output.as_json([output.run_row(run) for run in found])
        return
    output.show_runs(found)


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN")],
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    as_json: JsonOption = False,
) -> None:
    """Show what happened in a run: a tree with time, tokens and cost."""
    place = Home(home)

    async def work() -> tuple[Run, list[Event]]:
        run = await place.records.get(run_id, tenant)
        return run, await place.memory.journal.events(run_id, tenant=tenant)

    run, events = perform(place, work())
    if as_json:
        output.as_json({**run.to_dict(), "events": [json.loads(event.to_json()) for event in events]})
        return
    output.console.print(tree(run, events))
    output.show_run(run, flags=place.flags(tenant))


@app.command()
def tickets(home: HomeOption = None, tenant: TenantOption = TENANT, as_json: JsonOption = False) -> None:
    """List the tickets that were opened, newest first."""
    place = Home(home)
    found = place.tickets(place.settings("incident")).tickets(tenant=tenant)
    if as_json:
        output.as_json([ticket.to_dict() for ticket in found])
        return
    output.show_tickets(found)


@app.command()
def resume(
    run_id: Annotated[str, typer.Argument(metavar="RUN")],
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    as_json: JsonOption = False,
) -> None:
    """Go on with a run: after an answer, or after its process has died."""
    place, who = Home(home), principal_of(tenant, None)

    async def work() -> Run:
        team = await team_of(place, run_id, who)
        async with Progress(place.memory, tenant, quiet=as_json, run_id=run_id):
            return await team.resume(run_id, principal=who)

    finish(place, perform(place, work()), as_json=as_json)


@app.command()
def cancel(
    run_id: Annotated[str, typer.Argument(metavar="RUN")],
    reason: Annotated[str, typer.Option(help="For the record.")] = "",
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """End a run."""
    place, who = Home(home), principal_of(tenant, user)

    async def work() -> Run:
        team = await team_of(place, run_id, who)
        return await team.cancel(run_id, principal=who, reason=reason)

    finish(place, perform(place, work()), as_json=as_json)


@app.command()
def compensate(
    run_id: Annotated[str, typer.Argument(metavar="RUN")],
    reason: Annotated[str, typer.Option(help="For the record.")],
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take back what a run has done, the last first, as far as its tools can."""
    place, who = Home(home), principal_of(tenant, user)

    async def work() -> Run:
        team = await team_of(place, run_id, who)
        return await team.compensate(run_id, principal=who, reason=reason)

    finish(place, perform(place, work()), as_json=as_json)


@app.command()
def graph(
    team: TeamOption = "incident",
    svg: Annotated[Path | None, typer.Option(readable=False, help="Write a picture to this file.")] = None,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a team's graph, without a web service."""
    compiled = Home(home).team(team).graph
    if svg is not None:
        svg.write_text(drawing.svg(compiled))
    if as_json:
        output.as_json(compiled.get_graph().to_json())
    elif svg is None:
        sys.stdout.write(drawing.text(compiled) + "\n")


def _state(state: str | None) -> Any:
    if state is not None and state.upper() not in STATES:
        raise InvalidRequest(f"{state} is no state of a run", hint=f"one of {', '.join(STATES)}")
    return None if state is None else state.upper()


def _read(alert: str) -> dict[str, Any]:
    """The webhook in a file or on standard input.

    Raises:
        InvalidRequest: it cannot be read, is too large or is not JSON.
    """
    try:
        raw = sys.stdin.buffer.read(MAX_SIZE + 1) if alert == "-" else Path(alert).read_bytes()
    except OSError as error:
        raise InvalidRequest(f"{alert} cannot be read: {error.strerror}") from error
    return read_webhook(raw)


def _drive(
    place: Home, name: str, settings: Settings, request: Any, who: Principal, *, as_json: bool
) -> None:
    """Drive a request with a new team; one that was accepted before, with the team that it has."""
    team = place.new_team(name, settings)

    async def work() -> Run:
        known = await _known(place, team, request, who)
        if known is None:
            place.keep(name, settings)
            place.memory.journal.add_listener(partial(place.keep_once, settings=settings))
        else:
            output.remark(f"{known} has accepted this request before: it goes on with the settings of then")
        driver = team if known is None else place.team(name, known)
        async with Progress(place.memory, who.tenant, quiet=as_json, run_id=known):
            return await driver.run(request, principal=who)

    finish(place, perform(place, work()), as_json=as_json)


async def _known(place: Home, team: Supervisor, request: Any, who: Principal) -> str | None:
    """The run that accepted this request before."""
    key = team.team.intake(request).idempotency_key
    row = None if key is None else await place.memory.journal.run_of(key, tenant=who.tenant)
    return None if row is None else row.run_id
