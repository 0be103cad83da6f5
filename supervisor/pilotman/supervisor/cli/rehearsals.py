"""Scenarios on whole teams, for ``gate bench``: ours, or those on somebody's team."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import typer
from rich.text import Text

from pilotman.guardrails.display import visible
from pilotman.guardrails.errors import PilotmanError
from pilotman.supervisor.bench import scenarios
from pilotman.supervisor.bench.rehearsal import ALICE
from pilotman.supervisor.bench.scenario import Outcome, Outcomes, Scenario, outcome
from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.imports import team, told

PLAYED = (
    f"played in memory for {ALICE.user} of {ALICE.tenant}, who has no roles; none of its tools was called",
    "left out: budgets, quotas, corpus, memory, intake, credentials, preconditions, agents that come along",
)


def ours(*, quiet: bool) -> Outcomes:
    """What came of the shipped scenarios."""
    return Outcomes(outcomes=_played(scenarios.shipped(), quiet=quiet), notes=())


def theirs(name: str, request: str | None, *, quiet: bool) -> Outcomes:
    """What came of those on the team that ``name`` stands for.

    Raises:
        InvalidRequest: it stands for none.
    """
    known = team(name)
    chosen = scenarios.of(known) if request is None else scenarios.of(known, request=request)
    return Outcomes(outcomes=_played(chosen, quiet=quiet), notes=PLAYED)


def _played(chosen: Sequence[Scenario], *, quiet: bool) -> tuple[Outcome, ...]:
    """Each scenario's figures; standard error names the one that is played, unless ``quiet``."""

    async def whole() -> list[Outcome]:
        return [await one(scenario) for scenario in chosen]

    async def one(scenario: Scenario) -> Outcome:
        if not quiet:
            output.errors.print(Text.assemble(("scenario ", "dim"), visible(scenario.name, limit=160)))
        return await outcome(scenario)

    try:
        return tuple(asyncio.run(whole()))
    except KeyboardInterrupt:  # beyond here, typer would end the process without a word
        output.complain("interrupted")
        raise typer.Exit(output.INTERRUPTED) from None
    except PilotmanError:
        raise
    except Exception as error:  # somebody's team may raise anything
        output.complain(f"the scenarios could not be played: {told(error)}")
        raise typer.Exit(output.FAILED) from error
