"""A travel agency's assistant. Tools are noun first with underscores, described at length."""

from pilotman.guardrails.bench.suite import Suite
from pilotman.guardrails.bench.suites.travel.injections import INJECTIONS
from pilotman.guardrails.bench.suites.travel.stays import STAYS
from pilotman.guardrails.bench.suites.travel.tools import TOOLS
from pilotman.guardrails.bench.suites.travel.trips import TRIPS

__all__ = ["TRAVEL"]

TRAVEL = Suite(name="travel", tools=TOOLS, tasks=(*STAYS, *TRIPS), injections=INJECTIONS)
