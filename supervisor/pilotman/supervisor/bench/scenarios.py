"""The scenarios that are shipped, and those that make sense for anybody's team."""

from __future__ import annotations

from pilotman.supervisor.bench.combinations import combinations
from pilotman.supervisor.bench.deputies import deputies
from pilotman.supervisor.bench.hijack import first, hijacks, wanted
from pilotman.supervisor.bench.memories import memories
from pilotman.supervisor.bench.office import office
from pilotman.supervisor.bench.payments import payments
from pilotman.supervisor.bench.rehearsal import REQUEST, Rehearsal
from pilotman.supervisor.bench.scenario import Scenario
from pilotman.supervisor.bench.switches import switches
from pilotman.supervisor.bench.tenants import tenants
from pilotman.supervisor.supervisor import Supervisor


def shipped() -> list[Scenario]:
    """On teams of our own."""
    return [combinations(), payments(), *_any(Rehearsal(team=office(nested=True))), deputies(), memories()]


def of(team: Supervisor, *, request: str = REQUEST) -> list[Scenario]:
    """On somebody's team: the hijacked model under the user's ``request``, then what holds for every team.

    Nothing of the team is called but its policies.
    """
    rehearsal = Rehearsal(team=team)
    return [*hijacks(rehearsal, request=request), *_any(rehearsal)]


def _any(rehearsal: Rehearsal) -> list[Scenario]:
    path, turns = first(rehearsal)
    return [tenants(rehearsal, path, turns), switches(rehearsal, wanted(rehearsal))]
