"""Back office and operations of a hosting company. Tools are noun.verb, with lists of objects."""

from pilotman.guardrails.bench.suite import Suite
from pilotman.guardrails.bench.suites.operations.desk import DESK
from pilotman.guardrails.bench.suites.operations.injections import INJECTIONS
from pilotman.guardrails.bench.suites.operations.machines import MACHINES
from pilotman.guardrails.bench.suites.operations.tools import TOOLS

__all__ = ["OPERATIONS"]

OPERATIONS = Suite(name="operations", tools=TOOLS, tasks=(*MACHINES, *DESK), injections=INJECTIONS)
