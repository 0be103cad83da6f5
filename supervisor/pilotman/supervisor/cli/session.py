"""What every command that has a home shares: its options, who asks, and how its work is run."""

from __future__ import annotations

import asyncio
import getpass
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from pilotman.guardrails.principal import Principal
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.home import Home
from pilotman.supervisor.run import Run
from pilotman.supervisor.supervisor import Supervisor

T = TypeVar("T")

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", readable=False, help="Folder of the journal. Default: the platform's data folder."
    ),
]
TenantOption = Annotated[str, typer.Option("--tenant", help="Whose data.")]
UserOption = Annotated[str | None, typer.Option("--user", help="Who asks. Default: your login name.")]


def principal_of(tenant: str, user: str | None, *, roles: frozenset[str] = frozenset()) -> Principal:
    """Who asks: the named user, else whoever is logged in."""
    return Principal(tenant=tenant, user=user or getpass.getuser(), roles=roles)


def perform(place: Home, work: Coroutine[Any, Any, T]) -> T:
    """Run one command's work and close the journal whatever happens."""

    async def whole() -> T:
        try:
            await place.memory.start()
            return await work
        finally:
            work.close()
            await place.memory.aclose()

    if callable(signal.getsignal(signal.SIGINT)):  # from here on an interrupt unwinds; ignored it stays so
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return asyncio.run(whole())
    except KeyboardInterrupt:  # beyond here, typer would end the process without a word
        output.complain("interrupted; `pilotman runs` shows the run, `pilotman resume RUN` goes on with it")
        raise typer.Exit(output.INTERRUPTED) from None


async def team_of(place: Home, run_id: str, who: Principal) -> Supervisor:
    """The team that owns a run."""
    row = await place.memory.journal.run(run_id, tenant=who.tenant)
    return place.team(row.supervisor, run_id)


def finish(place: Home, run: Run, *, as_json: bool) -> None:
    """Print a run and leave with its exit code."""
    if as_json:
        output.as_json(output.run_object(run))
        if run.state == "FAILED":
            output.complain(f"{run.run_id} has failed: {run.last_error}")
    else:
        output.show_run(run, flags=place.flags(run.principal.tenant))
    raise typer.Exit(output.exit_code(run))
