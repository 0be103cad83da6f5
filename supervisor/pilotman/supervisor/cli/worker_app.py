"""``pilotman worker`` and ``pilotman queue``: a team of yours, on the journal that it was given. No home."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Coroutine, Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Annotated, Any, TypeVar

import typer
from rich.text import Text

from pilotman.guardrails.errors import ConfigurationError
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import TENANT
from pilotman.supervisor.cli.imports import A_TEAM
from pilotman.supervisor.cli.imports import team as team_named
from pilotman.supervisor.cli.session import TenantOption, UserOption, principal_of
from pilotman.supervisor.run import Run
from pilotman.supervisor.supervisor import Supervisor

T = TypeVar("T")

queue_app = typer.Typer(name="queue", help="The queue of a team.", no_args_is_help=True)

TeamArgument = Annotated[str, typer.Argument(metavar="TEAM", help=f"{A_TEAM[0].upper()}{A_TEAM[1:]}.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1_000)]


def worker(
    team: TeamArgument,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Runs at once. Default: its capacity.")
    ] = None,
    drain: Annotated[
        float | None,
        typer.Option(min=0.0, help="Seconds that runs have to stop at the end. Default: its capacity."),
    ] = None,
) -> None:
    """Drive a team's queued runs, and those whose process has died, until SIGTERM or SIGINT.

    Then nothing more is taken; what does not stop in time is left to other workers, at once.
    """
    found = _team(team)
    output.remark(f"working on the queue of {found.name}; SIGTERM or Ctrl-C ends it")
    with _few_pauses():
        asyncio.run(_work(found, concurrency, drain))
    output.remark(f"no longer working on the queue of {found.name}")


@contextmanager
def _few_pauses() -> Generator[None]:
    """Keep the garbage collector from what lives as long as this process: looking through all the modules
    again and again stops every run for a tenth of a second and more."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _work(team: Supervisor, concurrency: int | None, drain: float | None) -> None:
    until, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop() -> None:  # a second signal finds the default and ends the process
        until.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError):  # no such handlers on Windows: Ctrl-C interrupts
            loop.add_signal_handler(number, stop)
    await team.work(until, max_runs=concurrency, drain_timeout=drain)


@queue_app.callback()
def queue() -> None:
    """The queue of a team."""


@queue_app.command("list")
def waiting(
    team: TeamArgument,
    limit: LimitOption = 50,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the requests that nobody works on yet, the next one first."""
    found, who = _team(team), principal_of(tenant, user)
    _show(_done(found, found.queue(principal=who, limit=limit)), as_json=as_json)


@queue_app.command("dead")
def dead(
    team: TeamArgument,
    limit: LimitOption = 50,
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs that have failed, newest first, and why."""
    found, who = _team(team), principal_of(tenant, user)
    _show(_done(found, found.dead_letters(principal=who, limit=limit)), as_json=as_json)


@queue_app.command("resend")
def resend(
    team: TeamArgument,
    run_id: Annotated[str, typer.Argument(metavar="RUN")],
    tenant: TenantOption = TENANT,
    user: UserOption = None,
    as_json: JsonOption = False,
) -> None:
    """Put a failed run in the queue again; a worker goes on with it."""
    found, who = _team(team), principal_of(tenant, user)
    _show([_done(found, found.resend(run_id, principal=who))], as_json=as_json)


def _team(name: str) -> Supervisor:
    """The team that a name stands for, with a memory that other processes see.

    Raises:
        InvalidRequest: it is none.
        ConfigurationError: its runs are in its own process only.
    """
    made = team_named(name)
    if not made.shares_memory:
        raise ConfigurationError(
            f"{name} keeps its runs in memory, where no other process sees them",
            hint='give it memory=Memory("sqlite:///desk.db")',
        )
    return made


def _done(team: Supervisor, work: Coroutine[Any, Any, T]) -> T:
    """One verb's work, and the team closed whatever happens."""

    async def whole() -> T:
        try:
            return await work
        finally:
            await team.aclose()

    return asyncio.run(whole())


def _show(runs: Sequence[Run], *, as_json: bool) -> None:
    if as_json:
        output.as_json([{**output.run_row(run), "last_error": run.last_error} for run in runs])
        return
    output.show_runs(runs)
    for run in runs:
        if run.last_error:
            output.console.print(Text(f"{run.run_id}  {run.last_error}", style="dim"), soft_wrap=True)
