"""``pilotman models``: how the models of the last runs did."""

from __future__ import annotations

from typing import Annotated

import typer

from pilotman.supervisor.cli import output
from pilotman.supervisor.cli.guardrails_app import JsonOption
from pilotman.supervisor.cli.home import TENANT, Home
from pilotman.supervisor.cli.session import HomeOption, TenantOption, perform
from pilotman.supervisor.render import table
from pilotman.supervisor.tiers import COUNTS, Tier, together


def models(
    limit: Annotated[int, typer.Option(min=1, help="How many of the newest runs to look at.")] = 100,
    home: HomeOption = None,
    tenant: TenantOption = TENANT,
    as_json: JsonOption = False,
) -> None:
    """How often each model answered, could not be used, failed, or was left for the next one."""
    place = Home(home)

    async def work() -> tuple[Tier, ...]:
        rows = await place.memory.journal.runs(tenant=tenant, limit=limit)
        return together([run.tiers for run in await place.records.of(rows)])

    found = perform(place, work())
    if as_json:
        output.as_json([vars(tier) for tier in found])
        return
    if not found:
        output.console.print("no model was asked yet")
        return
    rows = [(tier.model, *(str(getattr(tier, name)) for name in COUNTS)) for tier in found]
    output.console.print(table(("model", *COUNTS), rows))
